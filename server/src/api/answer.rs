//! From the outcome of a race to an answer.
//!
//! What the upstream sent is passed on byte for byte between a few bytes of ours; nothing is parsed and written anew, so
//! no number is rounded and no key changes its place.

use super::problem::problem;
use crate::cancel::CancelReason;
use crate::error::Error;
use crate::event::RaceEnd;
use crate::http::Json;
use crate::race::{Cause, Outcome};
use crate::server::{Note, Response};

const JSON: &str = "application/json";

/// The answer of a race for the first success.
pub(super) fn of_first(outcome: &Outcome<Json, Error>) -> Response {
    let response = match (outcome.end, outcome.winner()) {
        (RaceEnd::Canceled(reason), _) => ended_early(reason),
        (_, Some(winner)) => {
            let number = Note::Number(winner.attempt as u64);
            Response::new(200, JSON, enveloped(winner.value.as_bytes())).with_note("winner", number)
        }
        (_, None) if found_no_thread(outcome) => overloaded("no thread is left for it"),
        (_, None) => Response::new(200, JSON, br#"{"success":false,"response":{}}"#.as_slice()),
    };
    noted(response, outcome)
}

/// The answer of a race for all successes, when the race has to be over in time.
pub(super) fn of_all(outcome: &Outcome<Json, Error>) -> Response {
    let response = match outcome.end {
        RaceEnd::Canceled(reason) => ended_early(reason),
        _ if found_no_thread(outcome) => overloaded("no thread is left for it"),
        _ if outcome.successes.is_empty() => problem(502, "all attempts at the upstream failed"),
        _ => Response::new(200, JSON, listed(outcome)),
    };
    noted(response, outcome)
}

/// The answer of a race for all successes, when the time it has is simply over at its end.
pub(super) fn of_within_timeout(outcome: &Outcome<Json, Error>) -> Response {
    let response = match outcome.end {
        RaceEnd::Canceled(reason @ (CancelReason::ClientGone | CancelReason::Shutdown)) => ended_early(reason),
        RaceEnd::Finished if found_no_thread(outcome) => overloaded("no thread is left for it"),
        _ => Response::new(200, JSON, listed(outcome)),
    };
    noted(response, outcome)
}

/// Whether the upstream was never asked, for want of threads: for an attempt, or for looking its name up. That is a refusal of
/// ours and no failure of the upstream.
fn found_no_thread(outcome: &Outcome<Json, Error>) -> bool {
    let is_ours = |cause: &Cause<Error>| {
        matches!(cause, Cause::Shed(_) | Cause::Error(Error::NoThread { .. } | Error::ThreadStart(_)))
    };
    outcome.successes.is_empty() && outcome.failures.iter().all(|failure| is_ours(&failure.cause))
}

/// A refusal that is over soon.
pub(super) fn overloaded(why: &str) -> Response {
    problem(503, &format!("the request is refused: {why}")).with_header("Retry-After", "1")
}

fn ended_early(reason: CancelReason) -> Response {
    match reason {
        CancelReason::DeadlineExceeded => problem(408, "the upstream did not answer in time"),
        // Nobody reads it: the status is for the access line and the figures, as nginx has it.
        CancelReason::ClientGone => problem(499, "the client is gone"),
        // Nothing supersedes a whole race; if it were to happen, somebody stopped it.
        CancelReason::Shutdown | CancelReason::Superseded => overloaded("the server is shutting down"),
    }
}

fn noted(response: Response, outcome: &Outcome<Json, Error>) -> Response {
    response.with_note("attempts", Note::Number(outcome.begun as u64))
}

fn enveloped(json: &[u8]) -> Vec<u8> {
    [br#"{"success":true,"response":"#, json, b"}"].concat()
}

fn listed(outcome: &Outcome<Json, Error>) -> Vec<u8> {
    let bodies: Vec<&[u8]> = outcome.successes.iter().map(|success| success.value.as_bytes()).collect();
    [b"[", bodies.join(b", ".as_slice()).as_slice(), b"]"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headstart::Phase;

    /// What a race comes to when its attempts fail for these reasons.
    fn fruitless(end: RaceEnd, causes: Vec<Cause<Error>>) -> Outcome<Json, Error> {
        Outcome::fruitless(end, causes)
    }

    fn statuses(outcome: &Outcome<Json, Error>) -> [u16; 3] {
        [of_first(outcome), of_all(outcome), of_within_timeout(outcome)].map(|response| response.status())
    }

    #[test]
    fn a_race_that_got_no_thread_is_a_refusal_and_not_a_failure_of_the_upstream() {
        let shed = || Cause::Shed(Error::NoThread { bound: 0 });
        let no_lookup = || Cause::Error(Error::ThreadStart(std::io::ErrorKind::WouldBlock.into()));
        let failed = || Cause::Error(Error::Status(500));
        for (causes, expected) in [
            (vec![shed(), shed()], [503, 503, 503]),
            (vec![no_lookup(), shed()], [503, 503, 503]),
            (vec![failed(), shed()], [200, 502, 200]),
            (vec![no_lookup(), failed()], [200, 502, 200]),
        ] {
            assert_eq!(statuses(&fruitless(RaceEnd::Finished, causes)), expected);
        }
    }

    #[test]
    fn each_reason_to_end_early_has_its_status() {
        let ended = |reason| {
            statuses(&fruitless(RaceEnd::Canceled(reason), vec![Cause::Error(Error::TimedOut { during: Phase::Wait })]))
        };
        assert_eq!(ended(CancelReason::DeadlineExceeded), [408, 408, 200]);
        assert_eq!(ended(CancelReason::ClientGone), [499, 499, 499]);
        assert_eq!(ended(CancelReason::Shutdown), [503, 503, 503]);
    }
}
