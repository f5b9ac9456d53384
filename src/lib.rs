//! Hedged requests for blocking Rust.
//!
//! The first request gets a head start; two more race it. `headstart` runs unreliable blocking calls as races: one
//! attempt at once, two more when 300 ms pass without success. The first success wins. Everything that is no longer
//! needed is **ended**, not abandoned: a loser's socket is shut down and its thread comes back. There is no async
//! runtime.
//!
//! # Where to start
//!
//! - [`Race`] races any blocking closure. It knows no HTTP.
//! - `Client` (feature `http`) is a hedged GET over one or several upstreams.
//! - [`with_timeout`] runs one blocking call against a deadline, with a cleanup that frees what it waits in. The
//!   [guide](timeout::guide) compares the ways to end a slow call.
//! - `fetch`, and with their features the modules `memcached`, `mysql`, `xmlrpc` and `command`, call one resource
//!   each within a [`TimeLimit`]. Each of their calls can be an attempt of a [`Race`].
//! - [`CancelToken`] ends a blocking call of your own; [`Observer`] sees what happens; [`Crew`] owns the threads.
//!
//! ```
//! use headstart::{Crew, CrewSettings, Deadline, Race};
//! use std::time::Duration;
//!
//! let crew = Crew::new(CrewSettings::default())?;
//! let outcome = Race::new(&crew)
//!     .limit(Duration::from_secs(5))
//!     .first(|attempt| match attempt.number() {
//!         // Hangs until somebody cancels it.
//!         0 => Err(attempt.token().wait(Deadline::Never)),
//!         hedge => Ok(format!("attempt {hedge} won")),
//!     });
//! let winner = outcome.winner().unwrap();
//! assert_eq!(winner.value, format!("attempt {} won", winner.attempt));
//! # Ok::<(), headstart::Error>(())
//! ```
//!
//! # Features
//!
//! - `http` (default): the HTTP client.
//! - `policy` (with `http`): a policy that decides when to hedge, and where to.
//! - `https`: `https://` upstreams, through rustls.
//! - `memcached`: a client for Memcached.
//! - `mysql`: a client for MySQL and MariaDB; on Unix only, elsewhere it adds nothing.
//! - `xmlrpc`: a client for XML-RPC.
//! - `command`: external programs; on Unix only, elsewhere it adds nothing.
//!
//! Without features it races and times out closures. The server is the package `headstart-server`; `headstart-fault`
//! is a slow and broken network to try calls on.
//!
//! # How it is built
//!
//! An OS thread of the [`Crew`] runs each attempt; attempt 0 of an HTTP call runs on the caller itself. The first
//! success, the deadline, the caller or a shutdown decides the race's [`CancelToken`]. Deciding it runs the cleanups
//! that the attempts registered: their sockets are shut down, their reads return, and their threads go back to the
//! crew.
//!
//! A closure that computes, or that waits in something for which it registered no cleanup, runs on until it returns.
//! It delays no other call. It counts against the crew's bound and is listed in [`CrewStats::stuck`].
//!
//! In the repository, `docs/architecture.md` has the map of the rooms, the invariants and the threads,
//! `docs/ending.md` how calls end, and `docs/embedding/` a page for each client.

pub mod cancel;
#[cfg(all(feature = "command", unix))]
pub mod command;
pub mod crew;
mod deadline;
mod error;
pub mod event;
#[cfg(feature = "http")]
// Requests of any method need `poll`.
#[cfg_attr(not(unix), allow(dead_code))]
pub mod http;
#[cfg(any(feature = "http", feature = "command"))]
mod json;
mod limit;
#[cfg(feature = "memcached")]
pub mod memcached;
#[cfg(all(feature = "mysql", unix))]
pub mod mysql;
#[cfg(feature = "_net")]
// Each client uses its part.
#[cfg_attr(not(all(feature = "http", feature = "memcached", feature = "mysql", unix)), allow(dead_code))]
mod net;
#[cfg(feature = "policy")]
pub mod policy;
pub mod race;
#[cfg(all(unix, any(feature = "_net", feature = "command")))]
mod ready;
#[cfg(all(feature = "http", unix))]
pub mod relay;
mod sync;
pub mod timeout;
#[cfg(feature = "xmlrpc")]
pub mod xmlrpc;

pub use cancel::{CancelReason, CancelToken, CleanupGuard};
pub use crew::{Claim, Crew, CrewSettings, CrewStats, Job};
pub use deadline::Deadline;
pub use error::{Error, Phase};
pub use event::Observer;
#[cfg(feature = "http")]
pub use http::{Client, ClientSettings, fetch};
#[cfg(any(feature = "http", feature = "command"))]
pub use json::Json;
pub use limit::TimeLimit;
#[cfg(all(feature = "mysql", unix))]
pub use mysql::{MySql, MySqlSettings};
#[cfg(feature = "_net")]
pub use net::{Lookup, SystemLookup};
pub use race::{AfterFailure, Attempt, Outcome, Primary, Race, Schedule, Threads};
pub use timeout::{Budget, DefaultTimeout, TimedCall, with_timeout, with_timeout_on};
#[cfg(feature = "xmlrpc")]
pub use xmlrpc::{XmlRpc, XmlRpcSettings};

/// Not a module of `crew`, as the models compile that room against other primitives.
#[cfg(test)]
#[path = "crew/alarm/tests.rs"]
mod alarm_tests;

/// The examples of the documents are tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/ending.md")]
    struct Ending;
    #[doc = include_str!("../docs/embedding/README.md")]
    struct Embedding;
    #[doc = include_str!("../docs/embedding/timeout.md")]
    struct Timeout;
    #[cfg(feature = "policy")]
    #[doc = include_str!("../docs/hedging.md")]
    struct Hedging;
    #[cfg(feature = "http")]
    #[doc = include_str!("../docs/embedding/http.md")]
    struct Http;
    #[cfg(feature = "memcached")]
    #[doc = include_str!("../docs/embedding/memcached.md")]
    struct Memcached;
    #[cfg(all(feature = "mysql", unix))]
    #[doc = include_str!("../docs/embedding/mysql.md")]
    struct MySql;
    #[cfg(feature = "xmlrpc")]
    #[doc = include_str!("../docs/embedding/xmlrpc.md")]
    struct XmlRpc;
    #[cfg(all(feature = "command", unix))]
    #[doc = include_str!("../docs/embedding/command.md")]
    struct Command;
}
