//! The HTTP front: connections, framing, limits, client gone, drain.
//!
//! The problem: a server in the open is spoken to by clients that are slow, gone, hostile or too many, and the usual
//! small server of blocking threads is hung, starved or ended by each of them.
//!
//! The answer: every connection has a thread of the [`Crew`](headstart::Crew), which is also the request's worker.
//! Everything that a peer controls has a limit and a deadline ([`ServerSettings`]).
//!
//! Threads: `headstart-accept` takes connections in, `headstart-watch` notices clients that leave; both begin in
//! [`Server::start`] and are joined by [`Server::shutdown`]. Connections run on the crew's threads.
//!
//! Bodies pass in both directions as they come, at a few buffers of 64 KiB whatever their length: a handler may take a
//! request's ([`RequestBody`]) and may stream a response's ([`Conversation`]), up to a tunnel after `101`.
//!
//! What this does not do: HTTP/2. It knows no upstream and no endpoint.

mod accept;
pub mod access;
mod answer;
#[cfg(unix)]
mod at_once;
mod body;
mod choice;
mod chunked;
mod clients;
mod connection;
mod conversation;
mod current;
mod exchange;
mod files;
mod framing;
mod input;
mod intake;
mod lifecycle;
mod link;
mod listen;
mod message;
mod outgoing;
mod own;
#[cfg(feature = "tiny_http")]
mod plain;
mod remaining;
mod render;
mod request_body;
mod response;
mod settings;
mod shared;
mod socket;
mod stats;
mod status;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(unix)]
mod watch;
#[cfg(not(unix))]
#[path = "watch_absent.rs"]
mod watch;

pub use choice::Front;
pub use conversation::Conversation;
pub(crate) use files::FileLimit;
pub use framing::Version;
pub use message::{BodyLength, Handler, Request};
pub use own::Server;
#[cfg(feature = "tiny_http")]
pub use plain::PlainServer;
pub use request_body::RequestBody;
pub use response::{Ending, Note, Passed, Response, Run};
pub use settings::{ServerSettings, TlsSettings};
pub use stats::{Drained, ServerStats};
