//! What frees the resource that a call hangs in.

use crate::cancel::{CancelReason, HandedOver};
use crate::crew::Crew;
use crate::error::panic_message;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A call's cleanup, and where it runs.
#[derive(Default)]
pub(super) enum Cleanup {
    #[default]
    Nothing,
    /// On the calling thread, before the caller is told.
    OnCaller(Box<dyn FnOnce() -> Result<(), String>>),
    /// On a thread of the call's crew.
    OnCrew(Box<dyn FnOnce() -> Result<(), String> + Send>),
}

impl Cleanup {
    /// Runs it, or has it run, for the call named `label`.
    pub(super) fn run(self, label: &str, crew: &Crew, reason: CancelReason) {
        match self {
            Cleanup::Nothing => {}
            Cleanup::OnCaller(cleanup) => run(label, cleanup),
            Cleanup::OnCrew(cleanup) => {
                let name = label.to_owned();
                let cleanup = HandedOver::new(move |_| run(&name, cleanup));
                crew.clean_up(&format!("cleanup of {label}"), reason, &cleanup);
            }
        }
    }
}

fn run(label: &str, cleanup: impl FnOnce() -> Result<(), String>) {
    match catch_unwind(AssertUnwindSafe(cleanup)) {
        Ok(Ok(())) => {}
        Ok(Err(why)) => log::error!("the cleanup of {label} failed: {why}"),
        Err(panic) => log::error!("the cleanup of {label} panicked: {}", panic_message(&*panic)),
    }
}

/// What a cleanup may return: nothing, or a `Result` whose error is logged.
pub trait CleanupResult {
    /// Why the cleanup failed, in words.
    ///
    /// # Errors
    ///
    /// The cleanup's own.
    fn into_result(self) -> Result<(), String>;
}

impl CleanupResult for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<T, E: fmt::Display> CleanupResult for Result<T, E> {
    fn into_result(self) -> Result<(), String> {
        self.map(drop).map_err(|error| error.to_string())
    }
}
