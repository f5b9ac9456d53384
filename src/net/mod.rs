//! Connections to servers, for every client of this crate.
//!
//! The problem: a blocking client hangs in the system: in `getaddrinfo`, in `connect(2)`, in a read. And an idle
//! connection may be closed by its server at any moment, also while the next request is on its way. The answer:
//! connections that a [token](crate::CancelToken) can end in every phase, and one rule for their reuse.
//!
//! - [`address`]: `host:port` and what may be shown of a URL
//! - [`names`] with its [`book`]: host names to addresses
//! - [`connect`]: from the name to a socket that can be ended; [`hold`]: the right to end it
//! - [`tls`]: TLS towards a server; [`stream`]: the bytes of a connection, plain or [`secured`]
//! - [`pool`]: idle connections; [`lease`]: an idle connection or a fresh one, for one call
//!
//! Invariants: `net` knows no race, no protocol above TLS and no client library. It starts no threads but name lookups,
//! through the crew.

pub(crate) mod address;
mod book;
pub(crate) mod connect;
pub(crate) mod hold;
pub(crate) mod lease;
pub(crate) mod names;
pub(crate) mod pool;
#[cfg(feature = "http")]
#[cfg_attr(not(all(feature = "https", unix)), path = "no_secured.rs")]
pub(crate) mod secured;
#[cfg(feature = "http")]
pub(crate) mod stream;
#[cfg(feature = "https")]
pub(crate) mod tls;

pub use names::{Lookup, SystemLookup};
