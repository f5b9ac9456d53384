//! From the outcome of a race to an answer.
//!
//! What the upstream sent is passed on byte for byte between a few bytes of ours; nothing is parsed and written anew,
//! so no number is rounded and no key changes its place.

use super::strategy::Strategy;
use crate::front::{Note, Response};
use headstart::Error;
use headstart::cancel::CancelReason;
use headstart::event::RaceEnd;
use headstart::http::Json;
use headstart::race::{Cause, Outcome};

const JSON: &str = "application/json";

/// What an outcome means to a client of a route with this strategy. `failure_status` is the status of a race in which
/// everything failed, in place of the strategy's own way to say so.
pub(super) fn of(strategy: Strategy, failure_status: Option<u16>, outcome: &Outcome<Json, Error>) -> Response {
    match strategy {
        Strategy::Smart | Strategy::First => of_first(failure_status, outcome),
        Strategy::All => of_all(failure_status, outcome),
        Strategy::WithinTimeout => of_within_timeout(outcome),
    }
}

/// The answer of a race for the first success.
fn of_first(failure_status: Option<u16>, outcome: &Outcome<Json, Error>) -> Response {
    let response = match (outcome.end, outcome.winner()) {
        (RaceEnd::Canceled(reason), _) => ended_early(reason),
        (_, Some(winner)) => {
            let number = Note::Number(winner.attempt as u64);
            Response::new(200, JSON, enveloped(winner.value.as_bytes())).with_note("winner", number)
        }
        (_, None) if found_no_thread(outcome) => Response::overloaded("no thread is left for it"),
        (_, None) => match failure_status {
            None => Response::new(200, JSON, br#"{"success":false,"response":{}}"#.as_slice()),
            Some(status) => all_failed(status),
        },
    };
    noted(response, outcome)
}

/// The answer of a race for all successes, when the race has to be over in time.
fn of_all(failure_status: Option<u16>, outcome: &Outcome<Json, Error>) -> Response {
    let response = match outcome.end {
        RaceEnd::Canceled(reason) => ended_early(reason),
        _ if found_no_thread(outcome) => Response::overloaded("no thread is left for it"),
        _ if outcome.successes.is_empty() => all_failed(failure_status.unwrap_or(502)),
        _ => Response::new(200, JSON, listed(outcome)),
    };
    noted(response, outcome)
}

/// The answer of a race for all successes, when the time it has is simply over at its end.
fn of_within_timeout(outcome: &Outcome<Json, Error>) -> Response {
    let response = match outcome.end {
        RaceEnd::Canceled(reason @ (CancelReason::ClientGone | CancelReason::Shutdown)) => ended_early(reason),
        RaceEnd::Finished if found_no_thread(outcome) => Response::overloaded("no thread is left for it"),
        _ => Response::new(200, JSON, listed(outcome)),
    };
    noted(response, outcome)
}

fn all_failed(status: u16) -> Response {
    Response::problem(status, "all attempts at the upstream failed")
}

/// Whether the upstream was never asked, for want of threads: for an attempt, or for looking its name up. That is a
/// refusal of ours and no failure of the upstream.
fn found_no_thread(outcome: &Outcome<Json, Error>) -> bool {
    let is_ours = |cause: &Cause<Error>| {
        matches!(cause, Cause::Shed(_) | Cause::Error(Error::NoThread { .. } | Error::ThreadStart(_)))
    };
    outcome.successes.is_empty() && outcome.failures.iter().all(|failure| is_ours(&failure.cause))
}

/// The refusal of a request beyond the `most` that may be in flight.
pub(super) fn too_many(most: usize) -> Response {
    Response::overloaded(&format!("{most} others are in flight"))
}

fn ended_early(reason: CancelReason) -> Response {
    match reason {
        CancelReason::DeadlineExceeded => Response::problem(408, "the upstream did not answer in time"),
        CancelReason::ClientGone => Response::client_gone(),
        // Nothing supersedes a whole race; if it were to happen, somebody stopped it.
        CancelReason::Shutdown | CancelReason::Superseded => Response::overloaded("the server is shutting down"),
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
    use headstart::race::{Primary, Race};
    use headstart::{CancelToken, Claim, Crew, CrewSettings, Deadline, Job, Schedule, TimeLimit};
    use std::time::Duration;

    /// A crew of one thread, which is busy until the token is canceled.
    fn busy_crew() -> (Crew, CancelToken) {
        let (crew, end) = (Crew::new(CrewSettings::default().max_threads(1)).unwrap(), CancelToken::new());
        let run = Box::new({
            let end = end.clone();
            move || {
                let _ = end.wait(Deadline::Never);
            }
        });
        crew.spawn(Claim::Request, Job { label: "busy".into(), token: None, run }).unwrap();
        (crew, end)
    }

    /// What two attempts come to that fail with these errors, if they find a thread.
    fn fruitless(crew: &Crew, primary: Primary, limit: impl Into<TimeLimit>, errors: [fn() -> Error; 2]) -> [u16; 3] {
        let race = Race::new(crew).schedule(Schedule::new(&[Duration::ZERO; 2]).unwrap()).primary(primary).limit(limit);
        let outcome = race.all(move |attempt| Err(errors[attempt.number()]()));
        [of_first(None, &outcome), of_all(None, &outcome), of_within_timeout(&outcome)]
            .map(|response| response.status())
    }

    fn no_lookup() -> Error {
        Error::ThreadStart(std::io::ErrorKind::WouldBlock.into())
    }

    fn failed() -> Error {
        Error::Status(500)
    }

    #[test]
    fn a_race_that_got_no_thread_is_a_refusal_and_not_a_failure_of_the_upstream() {
        let (busy, end) = busy_crew();
        let limit = Duration::from_secs(20);
        assert_eq!(fruitless(&busy, Primary::OnCrew, limit, [failed; 2]), [503, 503, 503], "both are shed");
        assert_eq!(fruitless(&busy, Primary::OnCaller, limit, [no_lookup, failed]), [503, 503, 503]);
        assert_eq!(fruitless(&busy, Primary::OnCaller, limit, [failed; 2]), [200, 502, 200]);
        end.cancel(CancelReason::Shutdown);
        let free = Crew::new(CrewSettings::default()).unwrap();
        assert_eq!(fruitless(&free, Primary::OnCaller, limit, [no_lookup, failed]), [200, 502, 200]);
    }

    #[test]
    fn each_reason_to_end_early_has_its_status() {
        let crew = Crew::new(CrewSettings::default()).unwrap();
        let ended = |reason| {
            let token = CancelToken::new();
            token.cancel(reason);
            fruitless(&crew, Primary::OnCaller, &token, [failed; 2])
        };
        assert_eq!(ended(CancelReason::DeadlineExceeded), [408, 408, 200]);
        assert_eq!(ended(CancelReason::ClientGone), [499, 499, 499]);
        assert_eq!(ended(CancelReason::Shutdown), [503, 503, 503]);
    }
}
