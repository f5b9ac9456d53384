//! The sample upstream.

use crate::cli::option::{Kind, Opt, UsedBy, put};
use crate::cli::places::listen_address;
use crate::cli::values::{duration_or_zero, number, rate};
use headstart_server::sample::SampleSettings;

const SECTION: &str = "Sample upstream";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "sample-listen",
        section: SECTION,
        used_by: UsedBy::Sample,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "127.0.0.1:8082",
        help: "Where to listen. Port 0 takes a free one",
        set: |settings, text| listen_address(text).map(|listen| settings.sample_listen = listen),
    },
    Opt {
        name: "sample-seed",
        section: SECTION,
        used_by: UsedBy::Both,
        kind: Kind::Integer,
        value: "NUMBER",
        default: "0",
        help: "Where the sample's chances come from. The same seed gives the same sequence of fates",
        set: |settings, text| put(&mut settings.sample, number(0..=i64::MAX as u64, text), SampleSettings::seed),
    },
    Opt {
        name: "sample-error-rate",
        section: SECTION,
        used_by: UsedBy::Both,
        kind: Kind::Float,
        value: "SHARE",
        default: "0.1",
        help: "The share of requests the sample answers with 500 or 503",
        set: |settings, text| put(&mut settings.sample, rate(text), SampleSettings::error_rate),
    },
    Opt {
        name: "sample-garbage-rate",
        section: SECTION,
        used_by: UsedBy::Both,
        kind: Kind::Float,
        value: "SHARE",
        default: "0.05",
        help: "The share of requests the sample answers with 200 and garbage",
        set: |settings, text| put(&mut settings.sample, rate(text), SampleSettings::garbage_rate),
    },
    Opt {
        name: "sample-hang-rate",
        section: SECTION,
        used_by: UsedBy::Both,
        kind: Kind::Float,
        value: "SHARE",
        default: "0.05",
        help: "The share of requests the sample never answers",
        set: |settings, text| put(&mut settings.sample, rate(text), SampleSettings::hang_rate),
    },
    Opt {
        name: "sample-min",
        section: SECTION,
        used_by: UsedBy::Both,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "100ms",
        help: "The shortest time an answer of the sample takes",
        set: |settings, text| put(&mut settings.sample, duration_or_zero(text), SampleSettings::min),
    },
    Opt {
        name: "sample-max",
        section: SECTION,
        used_by: UsedBy::Both,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "600ms",
        help: "The longest time an answer of the sample takes",
        set: |settings, text| put(&mut settings.sample, duration_or_zero(text), SampleSettings::max),
    },
];
