//! The process: its threads, its end, its log.

use crate::cli::logging::{self, LogFormat};
use crate::cli::option::{Kind, Opt, UsedBy};
use crate::cli::values::{duration_or_zero, number, one_of};

const SECTION: &str = "Process";

/// The option that SIGHUP reads again, and that has a second variable: `RUST_LOG`.
pub(crate) const LOG: &str = "log";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "max-threads",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Integer,
        value: "COUNT",
        default: "",
        help: "The most threads at a time. Without it, what the system allows (half of it on tiny_http, which starts \
               its own beside them); a sixteenth is kept free of hedges",
        set: |settings, text| {
            let threads = number(16..=1_000_000, text)?;
            settings.crew = settings.crew.clone().max_threads(threads).kept_for_requests(threads / 16);
            Ok(())
        },
    },
    Opt {
        name: "drain-timeout",
        section: SECTION,
        used_by: UsedBy::All,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long requests in flight may take to finish when the process is told to stop. What is left is \
               canceled",
        set: |settings, text| duration_or_zero(text).map(|timeout| settings.drain_timeout = timeout),
    },
    Opt {
        name: LOG,
        section: SECTION,
        used_by: UsedBy::All,
        kind: Kind::Text,
        value: "LEVELS",
        default: "info",
        help: "Which log lines are written. A level (off, error, warn, info, debug, trace), or module=level pairs \
               separated by commas, as in RUST_LOG, which counts as a variable of this option. SIGHUP reads it again \
               from the file",
        set: |settings, text| logging::filter(text).map(|filter| settings.log = filter),
    },
    Opt {
        name: "log-format",
        section: SECTION,
        used_by: UsedBy::All,
        kind: Kind::Choice(&[LogFormat::BY_NAME[0].0, LogFormat::BY_NAME[1].0]),
        value: "FORMAT",
        default: "text",
        help: "How log lines are written. To standard error; text for people, json for machines",
        set: |settings, text| one_of(&LogFormat::BY_NAME, text).map(|format| settings.log_format = format),
    },
];
