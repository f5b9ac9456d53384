//! A hedged-request HTTP server for blocking Rust.
//!
//! A client asks once; the server makes up to sixteen attempts at its upstreams, the first success answers, and
//! everything no longer needed is **ended**. The binary `headstart` runs it; a program that has threads of its own
//! embeds it:
//!
//! - [`Server`] serves HTTP on the threads of a [`Crew`](headstart::Crew). What it answers is up to a [`Handler`].
//! - [`Api`](api::Api) is the handler with the routes of the product, and [`Metrics`](metrics::Metrics) counts what
//!   happens.
//! - [`Sample`](sample::Sample) is an unreliable upstream to try them on.
//!
//! # Features
//!
//! - `cli` (default): what the binary needs, `tiny_http` included. A program that embeds the server turns it off with
//!   `default-features = false`.
//! - `tls` (default): TLS through rustls, towards clients and for `https://` upstreams.
//! - `memcached`, `mysql`, `xmlrpc`, `command` (default): routes to these sources.
//! - `tiny_http`: the plain front, `front::PlainServer`.
//!
//! # How it is built
//!
//! The thread of a client's connection reads the request's head and checks it; from there it is the request's worker.
//! It opens a race and runs attempt 0 itself; the hedges get threads of the crew when they are due. The worker takes
//! the result from its inbox and answers. A client that leaves ends its race.
//!
//! In the repository, `docs/architecture.md` has the map of the rooms, the invariants and the threads,
//! `docs/options.md` the options of the binary, and `docs/embedding/server.md` how to embed the server.

pub mod api;
mod error;
pub mod front;
pub mod metrics;
mod panics;
mod proxy;
pub mod sample;
mod source;
mod sync;

pub use error::Error;
pub use front::{
    BodyLength, Conversation, Handler, Passed, Request, RequestBody, Response, Server, ServerSettings, Version,
};

/// The examples in the documents are tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../docs/embedding/server.md")]
    struct Embedding;
}
