//! What a route serves: any resource that the library can call, named by one text.
//!
//! The problem: a web service, a cache, a database and a program are called in four ways, and a server that races them
//! should not know four ways. The answer: a source is one blocking call for an attempt, with JSON for a result;
//! [`Sources`] are several that stand for the same, each attempt calling the one whose turn it is.
//!
//! What this does not do: race them, or answer a client. Both are for `api`.

#[cfg(feature = "memcached")]
mod cached;
mod call;
#[cfg(all(feature = "mysql", unix))]
mod database;
mod parse;
#[cfg(feature = "xmlrpc")]
mod procedure;
#[cfg(all(feature = "command", unix))]
mod program;
mod settings;
mod sources;

pub(crate) use call::Asked;
pub use settings::SourceSettings;
pub(crate) use sources::Sources;
