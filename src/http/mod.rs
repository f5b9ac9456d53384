//! Hedged HTTP: races whose attempts are requests.
//!
//! The problem: an upstream that usually answers in milliseconds and sometimes not at all. The answer: a [`Client`]
//! whose calls are [races](crate::race) of up to sixteen requests. Attempt 0 runs on the calling thread, hedges on the
//! crew's, and each can be ended in every phase (name lookup, connect, TLS handshake, request, head, body), so losers
//! give their connection up at once and the caller comes back by its deadline.
//!
//! There are two kinds of calls. [`Client::get`] is a GET for JSON at the upstream's own URL; a success is an answer
//! with status 200 (or one that was said to be), a JSON media type and a body that is complete and parses.
//! [`Client::send`] (on Unix) sends a request of any method and returns the head of its response with a body to be read
//! as it comes; it hedges what may be sent twice, and [`Client::send_from`] sends a body as it comes.
//!
//! What this does not do: caching, cookies, HTTP/2; with [`Client::send`] no redirects and no proxies either.
//!
//! - `client`, `call`, `settings`, `statuses`, `racer`: the hedged GET; [`fetch`](fetch()): the content of a URL
//! - `send`, `respond`: a request of any method, its race and one attempt of it
//! - `request`, `fields`, `upload`, `response`, `body`, `tunnel`: what is given to it and comes of it
//! - `outgoing`, `outflow`, `pump`, `heads`: a request on its way out, and the heads that answer it
//! - `flow`: a body and its connection
//! - `shared`: what the clones of a client share
//! - `targets`, `course`, `health`: the addresses there are, where the attempts of a call go, which of them are well
//! - `upstreams`, `exchange`: what is called, by which connection, and with what for an answer
//! - `link`, `head`, `decode`: a connection in the hands of a call; what comes over it
//! - `wire`, `prepared`, `query`: the usual GET, over plain HTTP and without a library
//! - `per_attempt`: what each attempt of either kind says of itself
//! - `agent`, `transport`, `secure`, `buffers`, `current`, `failure`: any other GET, by ureq over connections of ours
//! - `answer`, `trace`: what is a success; the trace that goes on through us

mod agent;
mod answer;
#[cfg(unix)]
mod body;
mod buffers;
mod call;
mod client;
mod course;
mod current;
mod decode;
mod exchange;
mod failure;
mod fetch;
mod fields;
#[cfg(unix)]
mod flow;
mod head;
#[cfg(unix)]
mod heads;
#[cfg(unix)]
mod health;
mod link;
#[cfg(unix)]
mod outflow;
#[cfg(unix)]
mod outgoing;
mod per_attempt;
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
mod shared;
mod statuses;
mod targets;
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
pub use response::{Raced, Response};
pub use settings::{Calls, Certificates, ClientSettings, Commit};
pub use statuses::Statuses;
pub use trace::TraceContext;
#[cfg(unix)]
pub use tunnel::Tunnel;
#[cfg(unix)]
pub use upload::{Upload, UploadFrom};
#[cfg(feature = "xmlrpc")]
pub(crate) use {exchange::Exchange, upstreams::UpstreamSettings, upstreams::Upstreams, ureq::http::Method};
