//! The core's state machines, in every interleaving.
//!
//! The problem: a lost wake-up or a missing ordering shows once in a million runs, and on somebody else's machine.
//!
//! The answer: the very files of `src/`, compiled here against loom's primitives ([`sync`]) and run through all
//! interleavings that matter. A model that cannot fail proves nothing, so each is also run against weakened primitives
//! (a lock that excludes nobody, a wake-up that is lost, an ordering that orders nothing) and has to notice.
//!
//! Time is modelled as far as the core can tell: a moment that has passed is over at once, one that lies ahead never
//! comes; only the inbox's deadline may strike whenever the inbox is empty. What is not modelled: reference counts
//! (`Arc` is the standard library's) and spurious wake-ups.

// The core's files have more in them than the models use.
#![allow(dead_code, unreachable_pub, unused_imports, missing_docs)]

#[path = "../../src/cancel/mod.rs"]
mod cancel;
#[path = "../../src/crew/mod.rs"]
mod crew;
#[path = "../../src/deadline.rs"]
mod deadline;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/event.rs"]
mod event;
#[path = "../../src/limit.rs"]
mod limit;
#[path = "../../src/race/mod.rs"]
mod race;

#[macro_use]
mod explore;
mod sync;

mod alarm_model;
mod crew_model;
mod race_model;
mod token_model;
