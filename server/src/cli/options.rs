//! The options: one table.
//!
//! Help, completions, man page, the reading of flags, variables and file, and the output of `--check` are made from the
//! rows below; adding a row is all it takes to have an option.

use crate::cli::logging::{self, LogFormat};
use crate::cli::nearest;
use crate::cli::option::{Kind, Opt, UsedBy};
use crate::cli::routes;
use crate::cli::settings::FRONTS;
use crate::cli::values::{
    ADMISSIONS, CALLS, THREADS, admission, bytes, calls, drip, duration, duration_or_none, duration_or_zero, each_way,
    field_name, listen_address, number, one_of, rate, readable, schedule, size, switch, threads, urls,
};
use headstart::AfterFailure;
use headstart::http::Certificates;
use headstart_server::api::SourceSettings;
use headstart_server::front::ServerSettings;
use headstart_server::sample::SampleSettings;

const SERVER: &str = "Server";
const UPSTREAM: &str = "Upstream";
const RACE: &str = "Race";
const PROCESS: &str = "Process";
const SAMPLE: &str = "Sample upstream";
const FAULT: &str = "Fault proxy";

/// The option that SIGHUP reads again, and that has a second variable: `RUST_LOG`.
pub(super) const LOG: &str = "log";

/// All options, in the order in which they are shown.
pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "listen",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "127.0.0.1:8081",
        help: "Where to listen. Port 0 takes a free one",
        set: |settings, text| put(&mut settings.server, listen_address(text), ServerSettings::listen),
    },
    Opt {
        name: "front",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Choice(&[FRONTS[0].0, FRONTS[1].0]),
        value: "FRONT",
        default: "own",
        help: "What speaks HTTP with clients. tiny_http is the plain way, without limits, timeouts and TLS: for \
               trusted networks, to compare with and to read",
        set: |settings, text| one_of(&FRONTS, text).map(|front| settings.front = front),
    },
    Opt {
        name: "max-connections",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Integer,
        value: "COUNT",
        default: "4096",
        help: "Client connections at a time, each with a thread. One more is answered with 503 and closed",
        set: |settings, text| put(&mut settings.server, number(1..=1_000_000, text), ServerSettings::max_connections),
    },
    Opt {
        name: "max-connections-per-client",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Integer,
        value: "COUNT",
        default: "",
        help: "Connections of one client address at a time. One more is answered with 503 and closed; without it, \
               there is no such limit. Not for a server behind a proxy, whose clients all have one address",
        set: |settings, text| {
            put(&mut settings.server, number(1..=1_000_000, text), |it, most: usize| {
                it.max_connections_per_client(most)
            })
        },
    },
    Opt {
        name: "max-head",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "SIZE",
        default: "16KiB",
        help: "The largest request head, from 256 bytes to 1 MiB. A larger one is answered with 431",
        set: |settings, text| {
            put(&mut settings.server, size(256..=1 << 20, text), |it, bytes| it.max_head(bytes as usize))
        },
    },
    Opt {
        name: "max-body",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "SIZE",
        default: "64KiB",
        help: "The largest request body that is read (and dropped: none is asked for). A larger one is answered with \
               413",
        set: |settings, text| put(&mut settings.server, size(0..=1 << 40, text), ServerSettings::max_body),
    },
    Opt {
        name: "tls-cert",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Path,
        value: "FILE",
        default: "",
        help: "The server's certificate and its chain: with it and --tls-key, clients speak TLS. A file in PEM format",
        set: |settings, text| readable(text).map(|path| settings.tls_cert = Some(path)),
    },
    Opt {
        name: "tls-key",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Path,
        value: "FILE",
        default: "",
        help: "The private key of --tls-cert, without a passphrase. A file in PEM format",
        set: |settings, text| readable(text).map(|path| settings.tls_key = Some(path)),
    },
    Opt {
        name: "handshake-timeout",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a TLS handshake may take. Then the connection is closed",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::handshake_timeout),
    },
    Opt {
        name: "head-timeout",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a request head may take, from its first byte on. Then it is answered with 408",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::head_timeout),
    },
    Opt {
        name: "body-timeout",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a request body may take, from the end of the head on. Then it is answered with 408",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::body_timeout),
    },
    Opt {
        name: "idle-timeout",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "60s",
        help: "How long a client's connection may be silent between requests, or before the first. Then it is closed",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::idle_timeout),
    },
    Opt {
        name: "write-timeout",
        section: SERVER,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a client may take to read each 64 KiB of an answer. Then its connection is closed",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::write_timeout),
    },
    Opt {
        name: "upstream",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::List(' '),
        value: "URL",
        default: "",
        help: "The URL to race requests to. Several are taken in turn by the attempts: repeat the flag, separate them \
               by spaces in the variable, use an array in the file. Without one, an embedded sample is called",
        set: |settings, text| urls(text).map(|urls| settings.upstreams = urls),
    },
    Opt {
        name: "upstream-ca",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Path,
        value: "FILE",
        default: "",
        help: "Certificate authorities to trust besides Mozilla's. A file in PEM format",
        set: |settings, text| {
            put(&mut settings.sources, readable(text), |it, path| it.trusted([Certificates::File(path)]))
        },
    },
    Opt {
        name: "upstream-proxy",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Text,
        value: "URL",
        default: "",
        help: "The proxy through which upstreams are reached. It has to take CONNECT; without one, none is used",
        set: |settings, text| put(&mut settings.sources, urls(text), |it, urls| it.proxy(urls.into_iter().next())),
    },
    Opt {
        name: "connect-timeout",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long an attempt waits for a connection: name lookup, TCP and TLS together",
        set: |settings, text| put(&mut settings.sources, duration(text), SourceSettings::connect_timeout),
    },
    Opt {
        name: "upstream-max-body",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "SIZE",
        default: "10MiB",
        help: "The largest body taken from an upstream. A larger one is a failed attempt",
        set: |settings, text| put(&mut settings.sources, size(1..=1 << 40, text), SourceSettings::max_body),
    },
    Opt {
        name: "upstream-max-redirects",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Integer,
        value: "COUNT",
        default: "0",
        help: "How many redirects an attempt follows. One more is a failed attempt",
        set: |settings, text| put(&mut settings.sources, number(0..=20, text), SourceSettings::max_redirects),
    },
    Opt {
        name: "upstream-max-idle",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Integer,
        value: "COUNT",
        default: "512",
        help: "Idle connections to upstreams kept for reuse",
        set: |settings, text| put(&mut settings.sources, number(0..=1_000_000, text), SourceSettings::max_idle),
    },
    Opt {
        name: "upstream-idle-timeout",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "4s",
        help: "How long an idle connection to an upstream is kept. Best below the upstream's own limit",
        set: |settings, text| put(&mut settings.sources, duration(text), SourceSettings::idle_timeout),
    },
    Opt {
        name: "timeout-header",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Text,
        value: "NAME",
        default: "x-request-timeout-ms",
        help: "The header field that tells upstreams the time left. In milliseconds",
        set: |settings, text| put(&mut settings.sources, field_name(text), SourceSettings::timeout_header),
    },
    Opt {
        name: "route",
        section: UPSTREAM,
        used_by: UsedBy::Serve,
        kind: Kind::Routes,
        value: "PATH=SOURCE",
        default: "",
        help: "Another path and what is raced for it. SOURCE is an http or https URL, memcached://HOST:PORT/KEY, \
               mysql://USER@HOST/DATABASE?query=SELECT..., xmlrpc://HOST:PORT/PATH?method=NAME or command:PROGRAM \
               ARGUMENT..., as far as this build has them. Repeatable; a path given again adds a source, and attempts \
               take its sources in turn. In the file, a table [[route]] has path and source, and its own strategy \
               (smart, first, all or within-timeout), schedule, hedge-on-failure and timeout",
        set: |settings, text| routes::from_lines(text).map(|routes| settings.routes = routes),
    },
    Opt {
        name: "schedule",
        section: RACE,
        used_by: UsedBy::Serve,
        kind: Kind::List(','),
        value: "OFFSETS",
        default: "0,300,300",
        help: "When the attempts of a race start. One offset for each, in milliseconds from the race's beginning: 1 \
               to 16, the first 0, none smaller than the one before it",
        set: |settings, text| schedule(text).map(|schedule| settings.schedule = schedule),
    },
    Opt {
        name: "hedge-on-failure",
        section: RACE,
        used_by: UsedBy::Serve,
        kind: Kind::Switch,
        value: "BOOL",
        default: "false",
        help: "Whether a failed attempt starts the next one at once. Otherwise that one starts when it is due",
        set: |settings, text| {
            let hedge = switch(text)?;
            settings.after_failure = if hedge { AfterFailure::Hedge } else { AfterFailure::Wait };
            Ok(())
        },
    },
    Opt {
        name: "threads",
        section: RACE,
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
        section: RACE,
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
        section: RACE,
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
        section: RACE,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "60s",
        help: "The longest a request may take. Its timeout when it names none, and the largest it may name; with \
               none, a request without a timeout waits for the first success",
        set: |settings, text| duration_or_none(text).map(|ceiling| settings.timeout_ceiling = ceiling),
    },
    Opt {
        name: "max-in-flight",
        section: RACE,
        used_by: UsedBy::Serve,
        kind: Kind::Integer,
        value: "COUNT",
        default: "1024",
        help: "Requests raced at a time. One more is refused with 503",
        set: |settings, text| number(1..=1_000_000, text).map(|count| settings.max_in_flight = count),
    },
    Opt {
        name: "max-threads",
        section: PROCESS,
        used_by: UsedBy::Serve,
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
        section: PROCESS,
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
        section: PROCESS,
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
        section: PROCESS,
        used_by: UsedBy::All,
        kind: Kind::Choice(&[LogFormat::BY_NAME[0].0, LogFormat::BY_NAME[1].0]),
        value: "FORMAT",
        default: "text",
        help: "How log lines are written. To standard error; text for people, json for machines",
        set: |settings, text| one_of(&LogFormat::BY_NAME, text).map(|format| settings.log_format = format),
    },
    Opt {
        name: "sample-listen",
        section: SAMPLE,
        used_by: UsedBy::Sample,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "127.0.0.1:8082",
        help: "Where to listen. Port 0 takes a free one",
        set: |settings, text| listen_address(text).map(|listen| settings.sample_listen = listen),
    },
    Opt {
        name: "sample-seed",
        section: SAMPLE,
        used_by: UsedBy::Both,
        kind: Kind::Integer,
        value: "NUMBER",
        default: "0",
        help: "Where the sample's chances come from. The same seed gives the same sequence of fates",
        set: |settings, text| put(&mut settings.sample, number(0..=i64::MAX as u64, text), SampleSettings::seed),
    },
    Opt {
        name: "sample-error-rate",
        section: SAMPLE,
        used_by: UsedBy::Both,
        kind: Kind::Float,
        value: "SHARE",
        default: "0.1",
        help: "The share of requests the sample answers with 500 or 503",
        set: |settings, text| put(&mut settings.sample, rate(text), SampleSettings::error_rate),
    },
    Opt {
        name: "sample-garbage-rate",
        section: SAMPLE,
        used_by: UsedBy::Both,
        kind: Kind::Float,
        value: "SHARE",
        default: "0.05",
        help: "The share of requests the sample answers with 200 and garbage",
        set: |settings, text| put(&mut settings.sample, rate(text), SampleSettings::garbage_rate),
    },
    Opt {
        name: "sample-hang-rate",
        section: SAMPLE,
        used_by: UsedBy::Both,
        kind: Kind::Float,
        value: "SHARE",
        default: "0.05",
        help: "The share of requests the sample never answers",
        set: |settings, text| put(&mut settings.sample, rate(text), SampleSettings::hang_rate),
    },
    Opt {
        name: "sample-min",
        section: SAMPLE,
        used_by: UsedBy::Both,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "100ms",
        help: "The shortest time an answer of the sample takes",
        set: |settings, text| put(&mut settings.sample, duration_or_zero(text), SampleSettings::min),
    },
    Opt {
        name: "sample-max",
        section: SAMPLE,
        used_by: UsedBy::Both,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "600ms",
        help: "The longest time an answer of the sample takes",
        set: |settings, text| put(&mut settings.sample, duration_or_zero(text), SampleSettings::max),
    },
    Opt {
        name: "fault-listen",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "127.0.0.1:7000",
        help: "Where to listen. Port 0 takes a free one",
        set: |settings, text| listen_address(text).map(|listen| settings.fault_listen = listen),
    },
    Opt {
        name: "fault-to",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "",
        help: "The upstream that connections are passed on to. Its name is looked up once, at start",
        set: |settings, text| listen_address(text).map(|to| settings.fault_to = Some(to)),
    },
    Opt {
        name: "fault-admission",
        section: FAULT,
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
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "DURATION",
        default: "0ms",
        help: "How much later than they came bytes are passed on. A latency, no limit to the rate",
        set: |settings, text| each_way(&mut settings.fault, text, duration_or_zero, |way, delay| way.delay = delay),
    },
    Opt {
        name: "fault-jitter",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "DURATION",
        default: "0ms",
        help: "Up to so much is added to the delay, by chance. The order is kept",
        set: |settings, text| each_way(&mut settings.fault, text, duration_or_zero, |way, jitter| way.jitter = jitter),
    },
    Opt {
        name: "fault-drip",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE/DURATION",
        default: "",
        help: "Bytes pass only so many at a time, then none for so long. Such as 1/50ms",
        set: |settings, text| each_way(&mut settings.fault, text, drip, |way, drip| way.drip = drip),
    },
    Opt {
        name: "fault-stall-after",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE",
        default: "",
        help: "After so many bytes nothing passes any more. The connection stays open; 0 is at once",
        set: |settings, text| each_way(&mut settings.fault, text, bytes, |way, after| way.stall_after = after),
    },
    Opt {
        name: "fault-cut-after",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE",
        default: "",
        help: "After so many bytes the connection is closed, orderly",
        set: |settings, text| each_way(&mut settings.fault, text, bytes, |way, after| way.cut_after = after),
    },
    Opt {
        name: "fault-reset-after",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::List(','),
        value: "SIZE",
        default: "",
        help: "After so many bytes the connection is reset",
        set: |settings, text| each_way(&mut settings.fault, text, bytes, |way, after| way.reset_after = after),
    },
    Opt {
        name: "fault-one-in",
        section: FAULT,
        used_by: UsedBy::Fault,
        kind: Kind::Integer,
        value: "COUNT",
        default: "1",
        help: "One in so many connections meets the faults. The others pass untouched",
        set: |settings, text| number(1..=1_000_000, text).map(|count| settings.fault.one_in = count),
    },
];

/// Sets `value` in settings whose setters take and return them.
fn put<S: Clone, V>(settings: &mut S, value: Result<V, String>, set: impl FnOnce(S, V) -> S) -> Result<(), String> {
    *settings = set(settings.clone(), value?);
    Ok(())
}

/// The option of this name, which is in the table.
pub(super) fn named(name: &str) -> &'static Opt {
    OPTIONS.iter().find(|option| option.name == name).expect("it is in the table")
}

/// The option that `name` is most likely a misspelling of.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    nearest::nearest(name, OPTIONS.iter().map(|option| option.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::option::{Verb, variable};
    use crate::cli::settings::Settings;
    use headstart_server::api::ApiSettings;
    use std::collections::HashSet;

    #[test]
    fn no_two_options_share_a_flag_a_variable_or_a_key() {
        for verb in [Verb::Serve, Verb::Sample, Verb::Fault] {
            let mut flags = HashSet::from(["config", "check", "help", "version"]);
            assert!(OPTIONS.iter().filter_map(|option| option.flag(verb)).all(|flag| flags.insert(flag)), "{verb:?}");
        }
        let (mut variables, mut keys) = (HashSet::from([variable("config")]), HashSet::new());
        for option in OPTIONS {
            assert!(variables.insert(option.variable()), "{}", option.name);
            assert!(keys.insert(option.key()), "{}", option.name);
        }
    }

    #[test]
    fn the_defaults_shown_are_the_library_s() {
        let mut shown = Settings::default();
        for option in OPTIONS.iter().filter(|option| !option.default.is_empty()) {
            (option.set)(&mut shown, option.default).unwrap_or_else(|why| panic!("{}: {why}", option.name));
        }
        let library = Settings::default();
        assert_eq!(format!("{:?}", shown.server()), format!("{:?}", library.server));
        assert_eq!(format!("{:?}", shown.api()), format!("{:?}", ApiSettings::new([""; 0])));
        assert_eq!(shown.sample, library.sample);
        assert_eq!(shown.fault, library.fault);
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_command_line() {
        crate::cli::command::command().debug_assert();
    }
}
