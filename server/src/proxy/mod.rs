//! A path of which everything below goes to an upstream as it came, and back as it came: a reverse proxy for hedged
//! reads.
//!
//! The problem: an API route wraps an upstream's JSON, and whoever has clients already cannot put it in front of them.
//! The answer: a [`ProxyRoute`] passes requests of any method and body through to its upstreams, races those that may
//! be sent twice, and commits to the first answer that is acceptable. [`ProxySettings`] are what it is told.
//!
//! What this does not do: find the route for a path, count its answers or limit how many there are at a time. That is
//! for `api`.

mod back;
mod failure;
mod forward;
mod hop;
mod limit;
mod network;
mod prefix;
mod route;
mod settings;
mod upload;

pub use network::Network;
pub(crate) use prefix::Prefix;
pub(crate) use route::ProxyRoute;
pub use settings::{HedgeMethod, HostField, ProxySettings};
