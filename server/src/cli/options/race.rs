//! When attempts start, what they run on, how long they may take.

use crate::cli::option::{Kind, Opt, UsedBy, put};
use crate::cli::values::{CALLS, THREADS, calls, duration_or_none, failure_status, number, schedule, switch, threads};
use headstart::AfterFailure;
use headstart_server::api::{ProxySettings, SourceSettings};

const SECTION: &str = "Race";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "schedule",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::List(','),
        value: "OFFSETS",
        default: "0,300,300",
        help: "When the attempts of a race start. One offset for each, in milliseconds from the race's beginning: 1 \
               to 16, the first 0, none smaller than the one before it. For proxy routes, in place of --hedge",
        set: |settings, text| schedule(text).map(|schedule| settings.schedule = schedule),
    },
    Opt {
        name: "hedge-on-failure",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Switch,
        value: "BOOL",
        default: "false",
        help: "Whether a failed attempt starts the next one at once. Otherwise that one starts when it is due",
        set: |settings, text| {
            let hedge = switch(text)?;
            settings.after_failure = if hedge { AfterFailure::Hedge } else { AfterFailure::Wait };
            put(&mut settings.proxy, Ok(settings.after_failure), ProxySettings::after_failure)
        },
    },
    Opt {
        name: "threads",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Choice(THREADS),
        value: "THREADS",
        default: "crew",
        help: "Where attempts get their threads. crew keeps them, fresh is the plain way: one started for each \
               attempt as the race begins, on which the later ones sleep until they are due",
        set: |settings, text| threads(text).map(|threads| settings.threads = threads),
    },
    Opt {
        name: "calls",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Choice(CALLS),
        value: "CALLS",
        default: "wire",
        help: "By what upstreams are called. wire is code of our own without socket timeouts, for http without proxy \
               and redirects. ureq is the plain way: that library makes every call, with socket timeouts set to the \
               time left",
        set: |settings, text| put(&mut settings.sources, calls(text), SourceSettings::calls),
    },
    Opt {
        name: "plain",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Switch,
        value: "BOOL",
        default: "false",
        help: "Whether everything is done the plain way. Stands for --front tiny_http, --threads fresh and \
               --calls ureq",
        set: |settings, text| switch(text).map(|plain| settings.plain = plain),
    },
    Opt {
        name: "timeout-ceiling",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "60s",
        help: "The longest a request may take. Its timeout when it names none, and the largest it may name; with \
               none, a request without a timeout waits for the first success",
        set: |settings, text| duration_or_none(text).map(|ceiling| settings.timeout_ceiling = ceiling),
    },
    Opt {
        name: "failure-status",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Integer,
        value: "STATUS",
        default: "",
        help: "The status, from 500 to 599, of a race in which every attempt failed. Without it, smart and first \
               answer 200 and {\"success\":false,\"response\":{}}, all answers 502; within-timeout answers 200 and [] \
               in any case",
        set: |settings, text| failure_status(text).map(|status| settings.failure_status = Some(status)),
    },
    Opt {
        name: "max-in-flight",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Integer,
        value: "COUNT",
        default: "1024",
        help: "Requests raced at a time. One more is refused with 503",
        set: |settings, text| number(1..=1_000_000, text).map(|count| settings.max_in_flight = count),
    },
];
