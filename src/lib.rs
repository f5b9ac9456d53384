//! Hedged requests for blocking Rust.

pub mod cancel;
pub mod crew;
mod deadline;
mod error;
pub mod event;
pub mod fetch;
pub mod race;
pub mod server;
mod sync;
mod upstream;

pub use cancel::{CancelReason, CancelToken, CleanupGuard};
pub use crew::{Claim, Crew, CrewSettings, CrewStats, Job};
pub use deadline::Deadline;
pub use error::Error;
pub use event::Observer;
pub use fetch::{Client, ClientSettings};
pub use race::{AfterFailure, Attempt, Outcome, Race, Schedule};
pub use server::{Server, ServerSettings};
