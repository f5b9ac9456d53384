//! A hedged-request HTTP server for blocking Rust.
//!
//! A client asks once; the server makes up to sixteen attempts at its upstreams, the first success answers, and everything no
//! longer needed is **ended**. The binary `headstart` runs it; a program that has threads of its own embeds it:
//!
//! - [`Server`] serves HTTP on the threads of a [`Crew`](headstart::Crew). What it answers is up to a [`Handler`].
//! - [`Api`](api::Api) is the handler with the routes of the product, and [`Metrics`](metrics::Metrics) counts what happens.
//! - [`Sample`](sample::Sample) is an unreliable upstream to try them on.
//!
//! # Features
//!
//! - `cli` (default): what the binary needs, `tiny_http` included. Who embeds the server turns it off with
//!   `default-features = false`.
//! - `tls` (default): TLS through rustls, towards clients and for `https://` upstreams.
//! - `memcached`, `mysql`, `xmlrpc`, `command` (default): routes to these sources.
//! - `tiny_http`: the plain front, `front::PlainServer`.
//!
//! # ARCHITECTURE
//!
//! ```text
//! main, cli              the binary: options, log, signals, run, exit code
//! api, metrics, sample   what the product answers (knows no sockets)
//! source, front          what a route races; the HTTP fronts: connections, framing, limits, client gone, drain
//! ```
//!
//! Imports go down only; a test reads every file for it. `front` knows no client and no race; `api` alone turns outcomes into status
//! codes; `metrics` alone knows Prometheus.
//!
//! ## One request
//!
//! 1. The thread of a client's connection reads the request's head and checks it; from there it is the request's worker.
//! 2. The worker opens a race. Attempt 0, the primary, runs on the worker itself, since the HTTP client can be ended in every
//!    phase; the hedges get threads of the crew when the alarm says that they are due. A race won early has cost no
//!    thread switch.
//! 3. Who decides the race's token decides the race: the first success, the deadline, the client's leaving, a shutdown.
//! 4. The worker takes the result from its inbox and answers.
//!
//! ## Threads
//!
//! | thread | owner | ends |
//! |---|---|---|
//! | `headstart` (connections, hedges, lookups) | the [`Crew`](headstart::Crew) | when it has waited for a job long enough, or at [`Crew::shutdown`](headstart::Crew::shutdown) |
//! | `headstart-accept` | the [`Server`] | at [`Server::shutdown`] |
//! | `headstart-take` | the `front::PlainServer`, in place of the two above and below | at its shutdown; tiny_http's own threads, one for each connection, end with their clients or the process |
//! | `headstart-watch` | the [`Server`] | at [`Server::shutdown`], after the last connection |
//! | main | the binary | waits for signals; ends the process |

pub mod api;
pub mod front;
pub mod metrics;
mod panics;
pub mod sample;
mod source;
mod sync;

pub use front::{Handler, Request, Response, Server, ServerSettings};

// TODO(split): the names under which the rooms knew the library when they were part of it. A mechanical change replaces them.
use front as server;
#[cfg(all(feature = "command", unix))]
use headstart::command;
#[cfg(feature = "memcached")]
use headstart::memcached;
#[cfg(all(feature = "mysql", unix))]
use headstart::mysql;
#[cfg(feature = "xmlrpc")]
use headstart::xmlrpc;
use headstart::{cancel, crew, event, http, race};

mod deadline {
    pub(crate) use headstart::Deadline;
}
mod error {
    pub(crate) use crate::panics::panic_message;
    pub(crate) use headstart::Error;
}

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
