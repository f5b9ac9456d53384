//! What comes of a race: its end, the successes and the failures.

use crate::cancel::CancelReason;
use crate::error::{Error, panic_message};
use crate::event::{AttemptEnd, RaceEnd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of a race.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome<T, E> {
    /// How it ended.
    pub end: RaceEnd,
    /// The successes in order of arrival; of a race for the first success, at most one.
    pub successes: Vec<Success<T>>,
    /// The failures in order of arrival, as far as they were in when the race ended.
    pub failures: Vec<Failure<E>>,
    /// How many attempts began their call. None begins later.
    pub begun: usize,
}

impl<T, E> Outcome<T, E> {
    /// The first success.
    pub fn winner(&self) -> Option<&Success<T>> {
        self.successes.first()
    }
}

/// An attempt's success.
#[derive(Debug)]
#[non_exhaustive]
pub struct Success<T> {
    /// The attempt's number.
    pub attempt: usize,
    /// What its call returned.
    pub value: T,
}

/// An attempt's failure.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure<E> {
    /// The attempt's number.
    pub attempt: usize,
    /// Why it failed.
    pub cause: Cause<E>,
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum Cause<E> {
    /// Its call returned this error.
    Error(E),
    /// Its call panicked with this message.
    Panicked(String),
    /// It never began: there was no thread for it.
    Shed(Error),
}

impl<E> Cause<E> {
    /// How an attempt ended that failed so, in a race that was `decided` by then or was not.
    pub(super) fn end(&self, decided: Option<CancelReason>) -> AttemptEnd {
        match (self, decided) {
            (Cause::Panicked(_), _) => AttemptEnd::Panicked,
            (_, Some(reason)) => AttemptEnd::Canceled(reason),
            (_, None) => AttemptEnd::Failed,
        }
    }
}

/// What a `call` of an attempt comes to.
pub(super) fn of_call<T, E>(call: impl FnOnce() -> Result<T, E>) -> Result<T, Cause<E>> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Cause::Error),
        Err(panic) => Err(Cause::Panicked(panic_message(&*panic).to_owned())),
    }
}
