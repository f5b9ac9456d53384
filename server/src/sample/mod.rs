//! An upstream that is as unreliable as asked.
//!
//! The problem: hedging shows its worth on an upstream that is slow at times, wrong at times and silent at times, and
//! the one at hand is usually well that day. The answer: a [`Sample`] whose requests meet their fates by chance at set
//! rates, the chance being a function of a seed and the request's place in the sequence, so that a run can be repeated.
//! It waits on the request's token and so ends with its client, and `/stats` says what it saw.
//!
//! What this does not do: fail in the ways of a network (refused connections, resets, stalled handshakes).

mod chance;
mod settings;
mod tally;

pub use settings::SampleSettings;

use crate::api::method::{is_allowed, method_not_allowed};
use crate::error::Error;
use crate::front::{Handler, Note, Request, Response};
use chance::{Chance, Fate};
use headstart::Deadline;
use headstart::cancel::CancelReason;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tally::{Attempts, Count, Tally};

/// The sample upstream.
///
/// | path | answer |
/// |---|---|
/// | `/api/work` | `{"time": <ms>}` after that time, or an error, garbage, nothing |
/// | `/no-context` | sleeps, blind to its client's leaving |
/// | `/with-context` | sleeps, and stops when its client leaves |
/// | `/stats` | what it saw |
/// | `/` | what it is |
#[derive(Debug)]
pub struct Sample {
    settings: SampleSettings,
    /// The next request's place in the sequence.
    sequence: AtomicU64,
    work: Tally,
    errors: Count,
    garbage: Count,
    hangs: Count,
    attempts: Attempts,
    no_context: Tally,
    with_context: Tally,
}

impl Sample {
    /// An upstream that behaves as `settings` say.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when a rate is not between 0 and 1, when the rates add up to more than 1, or when `min` is
    /// above `max`.
    pub fn new(settings: SampleSettings) -> Result<Sample, Error> {
        settings.check()?;
        Ok(Sample {
            settings,
            sequence: AtomicU64::new(0),
            work: Tally::default(),
            errors: Count::default(),
            garbage: Count::default(),
            hangs: Count::default(),
            attempts: Attempts::default(),
            no_context: Tally::default(),
            with_context: Tally::default(),
        })
    }

    fn work(&self, request: &Request<'_>) -> Response {
        let _visit = self.work.visit();
        self.attempts.count(request.header("x-attempt"));
        let chance = Chance { seed: self.settings.seed, place: self.sequence.fetch_add(1, Ordering::Relaxed) };
        let time = chance.time(self.settings.min..=self.settings.max);
        let millis = time.as_millis();
        let fate = self.settings.fate(chance);
        let until = if fate == Fate::Hang { Deadline::Never } else { Deadline::after(time) };
        if fate == Fate::Hang {
            self.hangs.inc();
        }
        if let Some(reason) = request.token().wait(until) {
            return ended_early(&self.work, reason);
        }
        match fate {
            Fate::Error(status) => {
                self.errors.inc();
                Response::problem(status, "this upstream is not very reliable")
            }
            Fate::Garbage(garbage) => {
                self.garbage.inc();
                garbage.response(millis)
            }
            Fate::Success => {
                self.work.finished.inc();
                as_json(format!(r#"{{"time": {millis}}}"#))
            }
            Fate::Hang => unreachable!("without a deadline only the token ends the wait"),
        }
    }

    fn nap_blind(&self) -> Response {
        let _visit = self.no_context.visit();
        thread::sleep(self.settings.nap);
        self.rested(&self.no_context)
    }

    fn nap_watching(&self, request: &Request<'_>) -> Response {
        let _visit = self.with_context.visit();
        match request.token().wait(Deadline::after(self.settings.nap)) {
            Some(reason) => ended_early(&self.with_context, reason),
            None => self.rested(&self.with_context),
        }
    }

    fn rested(&self, tally: &Tally) -> Response {
        tally.finished.inc();
        as_json(format!(r#"{{"time": {}}}"#, self.settings.nap.as_millis()))
    }

    fn stats(&self) -> Response {
        let nap = |tally: &Tally| {
            json!({
                "seen": tally.seen.get(),
                "in_flight": tally.in_flight(),
                "finished": tally.finished.get(),
                "canceled": tally.canceled.get(),
                "stopped": tally.stopped.get(),
            })
        };
        let stats = json!({
            "work": {
                "seen": self.work.seen.get(),
                "in_flight": self.work.in_flight(),
                "succeeded": self.work.finished.get(),
                "errors": self.errors.get(),
                "garbage": self.garbage.get(),
                "canceled": self.work.canceled.get(),
                "stopped": self.work.stopped.get(),
                "hangs": self.hangs.get(),
                "attempts": self.attempts.to_json(),
            },
            "no_context": nap(&self.no_context),
            "with_context": nap(&self.with_context),
        });
        as_json(format!("{stats:#}\n"))
    }

    fn about(&self) -> Response {
        let SampleSettings { seed, error_rate, garbage_rate, hang_rate, min, max, nap } = &self.settings;
        let text = format!(
            "headstart sample: an upstream that is not very reliable\n\n/api/work      answers {{\"time\": <ms>}} \
             after {min:?} to {max:?}; {:.1} % errors, {:.1} % garbage, {:.1} % hang (seed {seed})\n/no-context    \
             sleeps {nap:?}, blind to its client's leaving\n/with-context  sleeps {nap:?}, and stops when its client \
             leaves\n/stats         what it saw\n",
            error_rate * 100.0,
            garbage_rate * 100.0,
            hang_rate * 100.0,
        );
        Response::new(200, "text/plain; charset=utf-8", text.into_bytes())
    }
}

impl Handler for Sample {
    fn handle(&self, request: &Request<'_>) -> Response {
        let known = matches!(request.path(), "/api/work" | "/no-context" | "/with-context" | "/stats" | "/");
        if known && !is_allowed(request.method()) {
            return method_not_allowed();
        }
        let response = match request.path() {
            "/api/work" => self.work(request),
            "/no-context" => self.nap_blind(),
            "/with-context" => self.nap_watching(request),
            "/stats" => self.stats(),
            "/" => self.about(),
            _ => Response::problem(404, "there is nothing at this path: / lists what there is"),
        };
        // Embedded, its access lines stand between the server's.
        response.with_note("served_by", Note::Word("sample"))
    }
}

fn ended_early(tally: &Tally, reason: CancelReason) -> Response {
    tally.ended_early(reason);
    match reason {
        CancelReason::ClientGone => Response::problem(499, "the client is gone"),
        _ => Response::problem(503, "the server is shutting down"),
    }
}

fn as_json(body: String) -> Response {
    Response::new(200, "application/json", body.into_bytes())
}
