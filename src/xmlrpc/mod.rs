//! XML-RPC, with calls that end in time.
//!
//! The problem: XML-RPC peers are mostly old, single-threaded and slow, and the usual clients wait for them without
//! end. The answer: [`XmlRpc`] calls over the connections of the hedged GET, which can be ended in every phase (name
//! lookup, connect, TLS handshake, request, head, body), within any [limit](crate::TimeLimit): a `Duration`, a `Deadline`, the
//! `Attempt` of a race.
//!
//! Each call has a connection of its own, closed after it. A method must not be called twice, and XML-RPC has nothing
//! harmless to ask a server first, so of an idle connection it could not be known whether the server still reads from
//! it. It costs a connect for each call (with TLS a handshake), and leaves a server that serves one connection at a
//! time to the others.
//!
//! The values, and how they are written and read, are those of the crate `dxr`: every type of the
//! [specification](http://xmlrpc.com/spec.md) with `i8` and `nil`. XML is taken in UTF-8 only. An answer's document
//! type is refused, so there are no entities but XML's five, and nothing outside of the answer is ever read. Dates have
//! the specification's one form, without a time zone. White space alone is the empty string in an untyped value, and
//! malformed as the name of a struct's member.
//!
//! What this does not do: serve, follow redirects, repeat a call, log in: a URL with a user name is refused.

mod call; // a call as XML
mod client; // the calls, from parameters to values
mod fault; // the failure that a server answers with
mod json; // values as JSON
mod multicall; // several calls in one
mod reply; // the answer's envelope, and whether its contents are safe to read
mod settings; // how a server is called
mod url; // a call as a URL

pub use client::XmlRpc;
pub use dxr::{DateTime, TryFromValue, TryToParams, TryToValue, Value};
pub use fault::Fault;
pub use json::to_json;
pub use settings::XmlRpcSettings;
pub use url::XmlRpcUrl;
