//! What the trials share: `overload` and `soak` put the built binary under stress and judge it.
//!
//! A trial is a program that prints its results and exits with 1 when a promise is broken. Server and trial are two
//! processes, so that the figures of `/proc` are the server's alone. What this does not do: compare contenders; that
//! is the `request` bench.

pub(crate) mod asked;
pub(crate) mod server;
pub(crate) mod talk;

/// The errors of a trial are sentences for its user.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
