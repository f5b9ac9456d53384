//! What comes of a race: its end, the successes and the failures.

use crate::error::Error;
use crate::event::RaceEnd;

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
