//! OS threads: borrowed, returned, woken late.
//!
//! The problem: a thread that is started for one call costs more than the call (mapping and unmapping its stack is most
//! of a small request's CPU), and a thread that is started without asking how many there are ends the process on the
//! day it matters, since the system's limits are lower than people think.
//!
//! The answer: a [`Crew`] keeps finished threads for the next call, last used first, and lets them leave after a while.
//! It knows its bound; near it hedges are refused first, then requests, and every refusal is an [`Error`](crate::Error)
//! for the caller to answer with. One more thread, the alarm's, wakes what is to begin or end later.
//!
//! What this does not do: end a job. A job that has to be endable brings a [`CancelToken`](crate::CancelToken); the
//! crew only remembers it, so that a call which runs on after its cancellation can be counted and named
//! ([`CrewStats::stuck`]).

mod alarm;
mod cleanup;
mod job;
mod limits;
mod member;
mod settings;
mod stats;
mod threads;

pub(crate) use alarm::AlarmGuard;
pub use job::{Claim, Job};
pub use settings::CrewSettings;
pub use stats::{CrewStats, StuckCall};
pub use threads::Crew;
