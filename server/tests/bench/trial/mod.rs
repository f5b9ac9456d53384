//! What the trials share: `overload` and `soak` put the built binary through something and judge it.
//!
//! A trial is a program that prints what it saw and ends with 1 when a promise is broken. Server and trial are two
//! processes, so that the figures of `/proc` are the server's alone. What this does not do: compare contenders; that is
//! the `request` bench.

pub(crate) mod asked;
pub(crate) mod server;
pub(crate) mod talk;

/// The errors of a trial are sentences for whoever runs it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
