//! What is called, and how.

use crate::cli::option::{Kind, Opt, UsedBy, put};
use crate::cli::places::urls;
use crate::cli::routes;
use crate::cli::values::{duration, field_name, number, readable, size};
use headstart::http::Certificates;
use headstart_server::api::SourceSettings;

const SECTION: &str = "Upstream";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "upstream",
        section: SECTION,
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
        section: SECTION,
        used_by: UsedBy::Served,
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
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Text,
        value: "URL",
        default: "",
        help: "The proxy through which upstreams are reached. It has to take CONNECT; without one, none is used",
        set: |settings, text| put(&mut settings.sources, urls(text), |it, urls| it.proxy(urls.into_iter().next())),
    },
    Opt {
        name: "connect-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long an attempt waits for a connection: name lookup, TCP and TLS together",
        set: |settings, text| put(&mut settings.sources, duration(text), SourceSettings::connect_timeout),
    },
    Opt {
        name: "upstream-max-body",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "SIZE",
        default: "10MiB",
        help: "The largest body taken from an upstream. A larger one is a failed attempt",
        set: |settings, text| put(&mut settings.sources, size(1..=1 << 40, text), SourceSettings::max_body),
    },
    Opt {
        name: "upstream-max-redirects",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Integer,
        value: "COUNT",
        default: "0",
        help: "How many redirects an attempt follows. One more is a failed attempt",
        set: |settings, text| put(&mut settings.sources, number(0..=20, text), SourceSettings::max_redirects),
    },
    Opt {
        name: "upstream-max-idle",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Integer,
        value: "COUNT",
        default: "512",
        help: "Idle connections to upstreams kept for reuse",
        set: |settings, text| put(&mut settings.sources, number(0..=1_000_000, text), SourceSettings::max_idle),
    },
    Opt {
        name: "upstream-idle-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "4s",
        help: "How long an idle connection to an upstream is kept. Best below the upstream's own limit",
        set: |settings, text| put(&mut settings.sources, duration(text), SourceSettings::idle_timeout),
    },
    Opt {
        name: "timeout-header",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Text,
        value: "NAME",
        default: "x-request-timeout-ms",
        help: "The header field that tells upstreams the time left. In milliseconds",
        set: |settings, text| put(&mut settings.sources, field_name(text), SourceSettings::timeout_header),
    },
    Opt {
        name: "route",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Routes,
        value: "PATH=SOURCE",
        default: "",
        help: "Another path and what is raced for it. SOURCE is an http or https URL, memcached://HOST:PORT/KEY, \
               mysql://USER@HOST/DATABASE?query=SELECT..., xmlrpc://HOST:PORT/PATH?method=NAME or command:PROGRAM \
               ARGUMENT..., as far as this build has them. A PATH that ends in /* is a proxy route: what is below is \
               passed through to SOURCE, an http or https URL without a path. Repeatable; a path given again adds a \
               source, and attempts take its sources in turn. In the file, a table [[route]] has path and source, \
               and its own strategy (smart, first, all or within-timeout), schedule or the options of hedging, \
               hedge-on-failure, timeout, success and failure-status; or, for a proxy route, path and to, and \
               the options of proxy routes",
        set: |settings, text| routes::from_lines(text).map(|routes| settings.routes = routes),
    },
];
