//! The server: where it listens, what it allows a client.

use crate::cli::option::{Kind, Opt, UsedBy, put};
use crate::cli::places::listen_address;
use crate::cli::settings::FRONTS;
use crate::cli::values::{duration, number, one_of, readable, size};
use headstart_server::front::ServerSettings;

const SECTION: &str = "Server";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "listen",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "127.0.0.1:8081",
        help: "Where to listen. Port 0 takes a free one",
        set: |settings, text| put(&mut settings.server, listen_address(text), ServerSettings::listen),
    },
    Opt {
        name: "admin",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Text,
        value: "ADDRESS:PORT",
        default: "",
        help: "Where page, /metrics, /healthz, /readyz and /openapi.json are. There and nowhere else then, without \
               TLS; without it, beside the routes. It stays until requests in flight are finished",
        set: |settings, text| listen_address(text).map(|listen| settings.admin = Some(listen)),
    },
    Opt {
        name: "front",
        section: SECTION,
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
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Integer,
        value: "COUNT",
        default: "4096",
        help: "Client connections at a time, each with a thread. One more is answered with 503 and closed",
        set: |settings, text| put(&mut settings.server, number(1..=1_000_000, text), ServerSettings::max_connections),
    },
    Opt {
        name: "max-connections-per-client",
        section: SECTION,
        used_by: UsedBy::Served,
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
        section: SECTION,
        used_by: UsedBy::Served,
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
        section: SECTION,
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
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Path,
        value: "FILE",
        default: "",
        help: "The server's certificate and its chain: with it and --tls-key, clients speak TLS. A file in PEM format",
        set: |settings, text| readable(text).map(|path| settings.tls_cert = Some(path)),
    },
    Opt {
        name: "tls-key",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Path,
        value: "FILE",
        default: "",
        help: "The private key of --tls-cert, without a passphrase. A file in PEM format",
        set: |settings, text| readable(text).map(|path| settings.tls_key = Some(path)),
    },
    Opt {
        name: "handshake-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a TLS handshake may take. Then the connection is closed",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::handshake_timeout),
    },
    Opt {
        name: "head-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a request head may take, from its first byte on. Then it is answered with 408",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::head_timeout),
    },
    Opt {
        name: "body-timeout",
        section: SECTION,
        used_by: UsedBy::Serve,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a request body may take, from the end of the head on. Then it is answered with 408",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::body_timeout),
    },
    Opt {
        name: "idle-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "60s",
        help: "How long a client's connection may be silent between requests, or before the first. Then it is closed",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::idle_timeout),
    },
    Opt {
        name: "write-timeout",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DURATION",
        default: "10s",
        help: "How long a client may take to read each 64 KiB of an answer. Then its connection is closed",
        set: |settings, text| put(&mut settings.server, duration(text), ServerSettings::write_timeout),
    },
];
