//! Proxy routes, whose requests are passed through: what holds for all of them that do not say otherwise.

use crate::cli::option::{Kind, Opt, UsedBy, put};
use crate::cli::places::{networks, origins};
use crate::cli::values::{COMMITS, HOSTS, duration, hedge_methods, one_of, path, size, statuses};
use headstart_server::api::{ProxySettings, SourceSettings};
use headstart_server::front::ServerSettings;

const SECTION: &str = "Proxy routes";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "to",
        section: SECTION,
        used_by: UsedBy::Proxy,
        kind: Kind::List(' '),
        value: "URL",
        default: "",
        help: "The upstream that requests are passed through to, an http or https URL without a path. Several stand \
               for the same: repeat the flag, separate them by spaces in the variable, use an array in the file. \
               Each address that a name has is an upstream of its own; an attempt goes to the better of two",
        set: |settings, text| origins(text).map(|to| settings.to = to),
    },
    Opt {
        name: "timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "60s",
        help: "How long a request may take until its response is committed; of a body that streams, from its end on. \
               Then it is answered with 504",
        set: |settings, text| put(&mut settings.proxy, duration(text), ProxySettings::timeout),
    },
    Opt {
        name: "success",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::List(','),
        value: "STATUSES",
        default: "",
        help: "The statuses of an upstream that are a success, such as 200-299,404. Without it, those below 500 but \
               429 are one on proxy routes, and 200 alone on the others, which take nothing but JSON in any case",
        set: |settings, text| {
            put(&mut settings.proxy, statuses(text), ProxySettings::success)?;
            put(&mut settings.sources, statuses(text), SourceSettings::success)
        },
    },
    Opt {
        name: "commit",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Choice(&[COMMITS[0].0, COMMITS[1].0, COMMITS[2].0]),
        value: "WHEN",
        default: "first-byte",
        help: "How much of a successful response has to be here for its attempt to win. Its head, or the first byte of \
               its body too, or all of it, up to --hedge-max-body",
        set: |settings, text| put(&mut settings.proxy, one_of(&COMMITS, text), ProxySettings::commit),
    },
    Opt {
        name: "host",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Choice(&[HOSTS[0].0, HOSTS[1].0]),
        value: "WHOSE",
        default: "client",
        help: "What upstreams see as Host. What the client sent, or the upstream's own",
        set: |settings, text| put(&mut settings.proxy, one_of(&HOSTS, text), ProxySettings::host),
    },
    Opt {
        name: "hedge-methods",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::List(','),
        value: "METHODS",
        default: "GET,HEAD,OPTIONS",
        help: "The methods whose requests may be sent more than once. PUT and DELETE can be among them; everything \
               else is sent once",
        set: |settings, text| put(&mut settings.proxy, hedge_methods(text), ProxySettings::hedge_methods),
    },
    Opt {
        name: "hedge-max-body",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "SIZE",
        default: "64KiB",
        help: "The largest body that is held so that a request can be sent more than once. And of a response with \
               --commit full",
        set: |settings, text| put(&mut settings.proxy, size(0..=1 << 30, text), ProxySettings::hedge_max_body),
    },
    Opt {
        name: "body-idle-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "60s",
        help: "How long a body may pause that is passed through, in either direction. Then it is cut",
        set: |settings, text| {
            put(&mut settings.proxy, duration(text), ProxySettings::body_idle_timeout)?;
            put(&mut settings.server, duration(text), ServerSettings::body_idle_timeout)
        },
    },
    Opt {
        name: "tunnel-idle-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "1h",
        help: "How long a tunnel, such as a WebSocket, may be silent. Then it is closed",
        set: |settings, text| put(&mut settings.proxy, duration(text), ProxySettings::tunnel_idle_timeout),
    },
    Opt {
        name: "dns-refresh",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How often the names of upstreams are looked up again. Addresses are added and removed while requests \
               run",
        set: |settings, text| put(&mut settings.proxy, duration(text), ProxySettings::dns_refresh),
    },
    Opt {
        name: "health-path",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Text,
        value: "PATH",
        default: "",
        help: "What each upstream is asked for every 2 s, such as /healthz. One that does not answer with a status \
               below 400 gets no requests but hedges, as long as others do. Without it, only the requests themselves \
               tell",
        set: |settings, text| put(&mut settings.proxy, path(text), ProxySettings::health_path),
    },
    Opt {
        name: "trusted-proxies",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::List(','),
        value: "NETWORKS",
        default: "",
        help: "The proxies in front of this one that are believed, such as 10.0.0.0/8,fd00::1. What they say in \
               X-Forwarded-* is extended, and their --timeout-header can shorten --timeout; of others both are \
               replaced",
        set: |settings, text| put(&mut settings.proxy, networks(text), ProxySettings::trusted_proxies),
    },
];
