//! The fault proxy.

use crate::cli::option::{Kind, Opt, UsedBy};
use crate::cli::places::listen_address;
use crate::cli::values::{ADMISSIONS, admission, bytes, drip, duration_or_zero, each_way, number};

const SECTION: &str = "Fault proxy";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "fault-listen",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "127.0.0.1:7000",
        help: "Where to listen. Port 0 takes a free one",
        set: |settings, text| listen_address(text).map(|listen| settings.fault_listen = listen),
    },
    Opt {
        name: "fault-to",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "",
        help: "The upstream that connections are passed on to. Its name is looked up once, at start",
        set: |settings, text| listen_address(text).map(|to| settings.fault_to = Some(to)),
    },
    Opt {
        name: "fault-admission",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::Choice(&[ADMISSIONS[0].0, ADMISSIONS[1].0, ADMISSIONS[2].0, ADMISSIONS[3].0]),
        value: "WHAT",
        default: "pass",
        help: "What becomes of a connection before a byte of it has passed. It is connected to the upstream (pass), \
               or accepted and never heard of again (silent), reset, or left in the listening queue until connecting \
               hangs (never)",
        set: |settings, text| admission(text).map(|admission| settings.fault.admission = admission),
    },
    Opt {
        name: "fault-delay",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "DURATION",
        default: "0ms",
        help: "How much later than they came bytes are passed on. A latency, no limit to the rate",
        set: |settings, text| each_way(&mut settings.fault, text, duration_or_zero, |way, delay| way.delay = delay),
    },
    Opt {
        name: "fault-jitter",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "DURATION",
        default: "0ms",
        help: "Up to so much is added to the delay, by chance. The order is kept",
        set: |settings, text| each_way(&mut settings.fault, text, duration_or_zero, |way, jitter| way.jitter = jitter),
    },
    Opt {
        name: "fault-drip",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE/DURATION",
        default: "",
        help: "Bytes pass only so many at a time, then none for so long. Such as 1/50ms",
        set: |settings, text| each_way(&mut settings.fault, text, drip, |way, drip| way.drip = drip),
    },
    Opt {
        name: "fault-stall-after",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE",
        default: "",
        help: "After so many bytes nothing passes any more. The connection stays open; 0 is at once",
        set: |settings, text| each_way(&mut settings.fault, text, bytes, |way, after| way.stall_after = after),
    },
    Opt {
        name: "fault-cut-after",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE",
        default: "",
        help: "After so many bytes the connection is closed, orderly",
        set: |settings, text| each_way(&mut settings.fault, text, bytes, |way, after| way.cut_after = after),
    },
    Opt {
        name: "fault-reset-after",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE",
        default: "",
        help: "After so many bytes the connection is reset",
        set: |settings, text| each_way(&mut settings.fault, text, bytes, |way, after| way.reset_after = after),
    },
    Opt {
        name: "fault-one-in",
        section: SECTION,
        used_by: UsedBy::Fault,
        kind: Kind::Integer,
        value: "COUNT",
        default: "1",
        help: "One in so many connections meets the faults. The others pass untouched",
        set: |settings, text| number(1..=1_000_000, text).map(|count| settings.fault.one_in = count),
    },
];
