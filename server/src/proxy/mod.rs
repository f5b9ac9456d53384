//! A path of which everything below goes to an upstream as it came, and back as it came: a reverse proxy for hedged
//! reads.
//!
//! The problem: an API route wraps an upstream's JSON, and whoever has clients already cannot put it in front of them.
//! The answer: a [`ProxyRoute`] passes requests of any method and body through to its upstreams, races those that may
//! be sent twice, and commits to the first answer that is acceptable. [`ProxySettings`] are what it is told.
//!
//! What this does not do: find the route for a path, count its answers or limit how many there are at a time. That is
//! for `api`.

#[cfg(unix)]
mod back;
#[cfg(unix)]
mod failure;
#[cfg(unix)]
mod forward;
#[cfg(unix)]
mod hop;
#[cfg(unix)]
mod limit;
mod network;
mod prefix;
#[cfg_attr(not(unix), path = "no_route.rs")]
mod route;
#[cfg_attr(not(unix), allow(dead_code, reason = "only routes ask, which there are none of"))]
mod settings;
#[cfg(unix)]
mod upload;

pub use network::Network;
pub(crate) use prefix::Prefix;
pub(crate) use route::ProxyRoute;
pub use settings::{HedgeMethod, HostField, ProxySettings};
