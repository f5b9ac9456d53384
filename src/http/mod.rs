//! The hedged GET: a race whose attempts are HTTP requests.
//!
//! The problem: an upstream that usually answers in milliseconds and sometimes not at all. The answer: a [`Client`]
//! whose calls are [races](crate::race) of up to sixteen GET requests. Attempt 0 runs on the calling thread, hedges on
//! the crew's, and each can be ended in every phase (name lookup, connect, TLS handshake, request, head, body), so
//! losers give their connection up at once and the caller comes back by its deadline.
//!
//! A success is an answer with status 200, a JSON media type and a body that is complete and parses. Everything else is
//! a failure of that attempt.
//!
//! What this does not do: other methods than GET (only what may be sent twice can be hedged), caching, cookies.
//!
//! - `client`, `call`, `settings`, `racer`: the hedged GET; [`fetch`](fetch()): the content of a URL
//! - `upstreams`, `exchange`: what is called, by which connection, and with what for an answer
//! - `wire`, `request`, `response`: the usual call, over plain HTTP and without a library
//! - `agent`, `transport`, `secure`, `buffers`, `current`, `failure`: any other call, by ureq over
//!   connections of ours
//! - `answer`, `trace`: what is a success; the trace that goes on through us

mod agent;
mod answer;
#[cfg(unix)]
mod body;
mod buffers;
mod call;
mod client;
mod current;
mod decode;
mod exchange;
mod failure;
mod fetch;
mod fields;
mod head;
#[cfg(unix)]
mod heads;
mod link;
#[cfg(unix)]
mod outflow;
#[cfg(unix)]
mod outgoing;
mod prepared;
#[cfg(unix)]
mod pump;
mod query;
mod racer;
#[cfg(unix)]
mod request;
#[cfg(unix)]
mod respond;
#[cfg(unix)]
mod response;
#[cfg_attr(not(feature = "https"), path = "no_secure.rs")]
mod secure;
#[cfg(unix)]
mod send;
mod settings;
mod statuses;
mod trace;
mod transport;
#[cfg(unix)]
mod tunnel;
#[cfg(unix)]
mod upload;
mod upstreams;
mod wire;

pub use crate::json::Json;
#[cfg(unix)]
pub use body::Body;
pub use call::{Call, Start};
pub use client::Client;
pub use fetch::{Fetch, Fetched, fetch};
pub use fields::Fields;
#[cfg(unix)]
pub use heads::Interim;
#[cfg(unix)]
pub use request::{Request, Sending};
#[cfg(unix)]
pub use response::Response;
pub use settings::{Calls, Certificates, ClientSettings, Commit};
pub use statuses::Statuses;
pub use trace::TraceContext;
#[cfg(unix)]
pub use tunnel::Tunnel;
#[cfg(unix)]
pub use upload::{Upload, UploadFrom};
#[cfg(feature = "xmlrpc")]
pub(crate) use {exchange::Exchange, upstreams::UpstreamSettings, upstreams::Upstreams, ureq::http::Method};
