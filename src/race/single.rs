//! A race of one attempt, on the calling thread.
//!
//! The problem: a call that must not be made twice is to be ended and observed like a race, but needs nothing of one,
//! and may use what is the caller's and no other thread's. The answer: the token, the deadline and the reports of a
//! race around one call. The crew's alarm cancels the token at the deadline, for the calling thread is in the call. A
//! hedge that would have been due is told of as one that the method did not allow.

use super::attempt::Attempt;
use super::hedging::Pace;
use super::outcome::{self, Cause, Failure, Outcome, Success};
use super::report::Report;
use super::setup::Setup;
use crate::cancel::{CancelReason, CancelToken};
use crate::event::{AttemptEnd, RaceEnd, SkipReason};
use std::time::Instant;

/// Runs `call`.
pub(super) fn run<T, E>(setup: Setup, call: impl FnOnce(&Attempt) -> Result<T, E>) -> Outcome<T, E> {
    let began = Instant::now();
    let pace = setup.hedging.as_ref().map_or(Pace::AsScheduled, |hedging| hedging.pace());
    let report = Report::new(began, setup.observer, setup.hedging);
    let token = CancelToken::new();
    let _ended_from_outside = setup.token.map(|outer| token.follow(&outer));
    let _ended_by_time = setup.crew.alarm().cancel_at(setup.deadline, &token);
    if setup.deadline.has_passed() {
        token.cancel(CancelReason::DeadlineExceeded);
    }
    let mut outcome = Outcome { end: RaceEnd::Finished, successes: Vec::new(), failures: Vec::new(), begun: 0 };
    if !token.is_canceled() {
        outcome.begun = 1;
        report.attempt_began(0, began);
        let attempt =
            Attempt { race: report.race, number: 0, deadline: setup.deadline, token: token.clone(), rivals: None };
        let result = outcome::of_call(|| call(&attempt));
        if let Err(Cause::Panicked(message)) = &result {
            log::error!("{} panicked: {message}", setup.label);
        }
        let elapsed = began.elapsed();
        // A call knows the deadline too, and one that ends by it may be ahead of the alarm.
        if result.is_err() && setup.deadline.has_passed() {
            token.cancel(CancelReason::DeadlineExceeded);
        }
        let end = match (result, token.reason()) {
            (Ok(value), _) => match token.decide(CancelReason::Superseded) {
                Some(_nobody) => {
                    outcome.successes.push(Success { attempt: 0, value });
                    AttemptEnd::Succeeded
                }
                None => AttemptEnd::Late,
            },
            (Err(cause), reason) => {
                let end = cause.end(reason);
                if reason.is_none() {
                    outcome.failures.push(Failure { attempt: 0, cause });
                }
                end
            }
        };
        report.attempt_ended(0, end, elapsed);
    }
    outcome.end = match (outcome.successes.is_empty(), token.reason()) {
        (false, _) => RaceEnd::Won,
        (true, None) => RaceEnd::Finished,
        // What failed before is the end of it, also when the token is canceled a moment later.
        (true, Some(_)) if !outcome.failures.is_empty() => RaceEnd::Finished,
        (true, Some(reason)) => RaceEnd::Canceled(reason),
    };
    if let Pace::Every { delay, hedges: 1.. } = pace
        && outcome.begun > 0
        && began.elapsed() >= delay
    {
        report.hedge_skipped(1, SkipReason::Method);
    }
    let winner = outcome.successes.first().map(|success| success.attempt);
    report.race_ended(outcome.end, winner, outcome.begun);
    outcome
}
