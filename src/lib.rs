//! Hedged requests for blocking Rust.
//!
//! The first request gets a head start; two more race it. `headstart` runs unreliable blocking calls as races: one attempt
//! at once, two more when 300 ms passed without success, the first success wins, and everything no longer needed is
//! **ended**, not abandoned: a loser's socket is shut down and its thread comes back. There is no async runtime anywhere.
//!
//! # Where to start
//!
//! - [`Race`] races any blocking closure. It knows no HTTP.
//! - [`Client`] is a hedged GET over one or several upstreams.
//! - [`with_timeout`] runs one blocking call against a deadline, with a cleanup that frees what it hangs in; the
//!   [guide](timeout::guide) tells which way to end a slow call is for what.
//! - [`fetch`], and with their features the modules `memcached`, `mysql`, `xmlrpc` and `command`, call one resource each within
//!   a time limit. Each of their calls can be an attempt of a [`Race`].
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
//! - `https`: `https://` upstreams, through rustls.
//! - `memcached`: a client for Memcached.
//! - `mysql`: a client for MySQL and MariaDB; on Unix only, elsewhere it adds nothing.
//! - `xmlrpc`: a client for XML-RPC.
//! - `command`: external programs; on Unix only, elsewhere it adds nothing.
//!
//! Without features it races and times out closures. The server is the package `headstart-server`, a slow and broken network to
//! try calls on the package `headstart-fault`.
//!
//! # ARCHITECTURE
//!
//! ```text
//! http                              HTTP calls that can be ended: hedged GETs, the content of a URL
//! memcached, mysql, xmlrpc, command the same for a cache, a database, a procedure, a program
//! net                               connections that can be ended: names, connect, TLS, pool, lease
//! race, timeout                     several blocking calls for one result, or one, against a deadline
//! crew                              OS threads: borrowed, returned, woken late
//! cancel, deadline, event, error    the ground floor
//! ```
//!
//! Imports go down only; a test reads every file for it.
//!
//! ## One race
//!
//! 1. The caller opens a race. A closure's attempts run on threads of the crew; the hedges begin when the alarm says that they are
//!    due. Attempt 0 of an HTTP call, the primary, runs on the caller itself, since it can be ended in every phase: a race won
//!    early has cost no thread switch.
//! 2. Who decides the race's token decides the race: the first success, the deadline, the caller, a shutdown. Deciding
//!    runs the cleanups that the attempts registered: their sockets are shut down, their reads return, their threads go back
//!    to the crew. What comes later changes nothing.
//! 3. The caller takes the result from its inbox, a crossbeam channel with room for every message.
//!
//! [`Threads::Fresh`] does the same without economies: it starts a thread for each attempt. The idea without this crate is
//! `examples/plain.rs`, the form to read first.
//!
//! ## Invariants
//!
//! - `race` knows no HTTP and no sockets.
//! - A timeout becomes a [`Deadline`] once, at the edge. No wait is without a bound but those for a message that is certain
//!   to come.
//! - No lock is held while foreign code runs: closures, cleanups, observers.
//! - No attempt begins after its race is decided. No loser blocks.
//! - A cleanup that was taken back is not running: a pooled connection is never shut down by an old call's token.
//! - Nothing is detached and uncounted: every thread is in the table below.
//! - There is no unsafe code.
//!
//! ## Threads
//!
//! | thread | owner | ends |
//! |---|---|---|
//! | `headstart` (attempts, lookups) | the [`Crew`] | when it has waited [`CrewSettings::idle_timeout`] for a job, or at [`Crew::shutdown`] |
//! | `headstart-alarm` | the [`Crew`] | when the crew's last handle is dropped |
//!
//! ## What cancelling cannot do
//!
//! A call is ended through what it hangs in. A closure that computes, or waits in a way for which nobody registered a cleanup,
//! runs on until it returns; so does a name lookup inside the C library. Such a call holds up nobody: it runs on a crew
//! thread, counts against the crew's bound, is listed with label and age in [`CrewStats::stuck`], and its thread comes home when it returns.

pub mod cancel;
#[cfg(all(feature = "command", unix))]
pub mod command;
pub mod crew;
mod deadline;
mod error;
pub mod event;
#[cfg(feature = "http")]
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
pub mod race;
#[cfg(all(unix, any(feature = "_net", feature = "command")))]
mod ready;
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
