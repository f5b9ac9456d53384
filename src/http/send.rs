//! Requests of any method, and their responses as they come.
//!
//! The problem: the winner of a race is a response whose body is still on its way, and what ends the race's losers must
//! not end it. The answer: an attempt takes its connection back from the race's token before it returns its response.
//! A response that then comes too late is dropped, which closes its connection; the winner's is given to the token of
//! the call's limit.

use super::client::Client;
use super::course::Course;
use super::outgoing::{Framing, Outgoing};
use super::request::{Request, Sending};
use super::respond::{Asking, Miss, framing_of};
use super::response::{Raced, Response};
use super::upload::Upload;
use crate::cancel::{CancelReason, CancelToken};
use crate::error::{Error, Phase};
use crate::event::RaceEnd;
use crate::limit::TimeLimit;
use crate::race::{Attempt, Cause, Outcome, Race};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Instant;

impl Client {
    /// Sends `request` and returns its response once that is committed, within `limit`. By then the losers are ended;
    /// the token of `limit` goes on to end the body, its deadline does not.
    ///
    /// A request that may be sent more than once ([`Sending::Hedged`]) is raced, by the client's schedule or
    /// [`policy`](super::ClientSettings::policy). It wins with
    /// an acceptable status ([`success`](super::ClientSettings::success)) and as much of the body as
    /// [`commit`](super::ClientSettings::commit) says. If no answer is acceptable, the last one is returned as it is.
    /// Any other request is sent once, over a connection made for it.
    ///
    /// The client adds `host` if there is none, `x-attempt`, the timeout header and `traceparent` in place of those
    /// given, and how long the body is; nothing else. The request goes to the upstreams directly, by this crate's own
    /// code, and no redirect is followed.
    ///
    /// ```no_run
    /// use headstart::http::Request;
    /// use headstart::{Client, ClientSettings, Crew, CrewSettings};
    /// use std::io::Read;
    /// use std::time::Duration;
    ///
    /// let crew = Crew::new(CrewSettings::default())?;
    /// let client = Client::new(&crew, ClientSettings::new(["http://127.0.0.1:9000", "http://127.0.0.1:9001"]))?;
    /// let mut response = client.send(&Request::get("/items?page=2"), Duration::from_secs(2))?;
    /// let mut text = String::new();
    /// response.body_mut().read_to_string(&mut text)?;
    /// println!("{} {text}", response.status());
    /// # Ok::<(), headstart::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When no attempt got any answer: [`Error::TimedOut`] and [`Error::Canceled`] if `limit` ended it, else the last
    /// failure. [`Error::Setting`] for a request that cannot be sent, and for a client that has a
    /// [`proxy`](super::ClientSettings::proxy).
    pub fn send(&self, request: &Request, limit: impl Into<TimeLimit>) -> Result<Response, Error> {
        let (limit, began) = (limit.into(), Instant::now());
        let asking = self.asking(request, None)?;
        let (token, plan) = (limit.shared_token().cloned(), asking.course.plan().clone());
        let ended = match asking.outgoing.sending {
            Sending::Once => self.once(&asking, limit, None),
            Sending::Hedged => self.hedged(asking, limit),
        };
        let hedges = ended.outcome.begun.saturating_sub(1);
        let mut response = committed(ended, token)?;
        response.set_race(Raced { elapsed: began.elapsed(), hedges, hedged_at: plan.hedged_at() });
        Ok(response)
    }

    /// Sends `request` with the body that `body` has, as it comes: once, on this thread, over a connection made for it.
    /// Returns the response when its head has come, which may be before all of the body was sent: see
    /// [`Body::is_sending`](super::Body::is_sending). A body of the request's own is not sent.
    ///
    /// While it waits, one `poll` waits for more of the body and for the upstream.
    ///
    /// # Errors
    ///
    /// As [`send`](Client::send); [`Error::Io`] when `body` fails or is shorter than it says. Then the connection is
    /// closed and the request does not look whole.
    pub fn send_from(
        &self,
        request: &Request,
        body: &mut dyn Upload,
        limit: impl Into<TimeLimit>,
    ) -> Result<Response, Error> {
        let limit = limit.into();
        let mut asking = self.asking(request, Some(framing_of(body)))?;
        asking.outgoing.sending = Sending::Once;
        let token = limit.shared_token().cloned();
        committed(self.once(&asking, limit, Some(body)), token)
    }

    fn asking(&self, request: &Request, framing: Option<Framing>) -> Result<Asking, Error> {
        let shared = self.shared();
        if shared.upstreams.is_proxied() {
            return Err(Error::setting("proxy", "a proxy", "none, for requests that are sent as they are"));
        }
        let outgoing = Outgoing::new(request, framing, shared.upstreams.timeout_header())?;
        let may_be_hedged = framing.is_none() && outgoing.sending == Sending::Hedged;
        let course = Course::new(&shared.targets, shared.upstreams.crew(), |plan| {
            plan.chained(outgoing.is_chained).measured(may_be_hedged)
        });
        Ok(Asking { outgoing, course, rules: shared.rules.clone() })
    }

    fn once(&self, asking: &Asking, limit: TimeLimit, upload: Option<&mut dyn Upload>) -> Ended {
        let mut ended_in = None;
        let outcome = self.race(asking, limit).single(|attempt| {
            let response = self.shared().upstreams.ask_once(asking, attempt, upload);
            let response = response.inspect_err(|error| note_end(&mut ended_in, attempt, error));
            response.map_err(Miss::from)
        });
        Ended { outcome, ended_in }
    }

    fn hedged(&self, asking: Asking, limit: TimeLimit) -> Ended {
        let (shared, ended_in) = (self.shared().clone(), Arc::new(Mutex::new(None)));
        let outcome = self.race(&asking, limit).first({
            let ended_in = ended_in.clone();
            move |attempt| {
                shared.upstreams.compete(&asking, attempt).inspect_err(|miss| {
                    if let Miss::Failed(error) = miss {
                        log::debug!("race {} attempt {}: {error}", attempt.race(), attempt.number());
                        note_end(&mut lock(&ended_in), attempt, error);
                    }
                })
            }
        });
        let ended_in = *lock(&ended_in);
        Ended { outcome, ended_in }
    }

    fn race(&self, asking: &Asking, limit: TimeLimit) -> Race {
        self.shared().racer.for_requests().limit(limit).hedging(asking.course.plan().clone())
    }
}

/// A race that is over, and in which phase its time was.
struct Ended {
    outcome: Outcome<Response, Miss>,
    ended_in: Option<Phase>,
}

/// Notes in which phase the time was over: that of the primary, or of another attempt if the primary was over before.
fn note_end(ended_in: &mut Option<Phase>, attempt: &Attempt, error: &Error) {
    if let Error::TimedOut { during } = error
        && (attempt.number() == 0 || ended_in.is_none())
    {
        *ended_in = Some(*during);
    }
}

/// The response that counts, in the hands of `token`, and nothing left of the others.
fn committed(ended: Ended, token: Option<CancelToken>) -> Result<Response, Error> {
    let Ended { mut outcome, ended_in } = ended;
    let winner = outcome.successes.pop().map(|winner| winner.value);
    // A race that was not ended has an end of each attempt.
    let mut last: Result<Response, Error> = Err(Error::TimedOut { during: Phase::Wait });
    let mut answer = None;
    for failure in outcome.failures {
        match failure.cause {
            Cause::Error(Miss::Answer(response)) => {
                if let Some(earlier) = answer.replace(response) {
                    earlier.into_body().discard();
                }
            }
            Cause::Error(Miss::Failed(error)) | Cause::Shed(error) => last = Err(error),
            Cause::Panicked(message) => last = Err(Error::Panicked(message)),
        }
    }
    let response = match (winner, answer, outcome.end) {
        (Some(winner), answer, _) => {
            if let Some(answer) = answer {
                answer.into_body().discard();
            }
            Ok(winner)
        }
        // Somebody has ended it who wants no answer any more.
        (None, Some(answer), RaceEnd::Won | RaceEnd::Finished | RaceEnd::Canceled(CancelReason::DeadlineExceeded)) => {
            Ok(answer)
        }
        (None, _, RaceEnd::Canceled(reason)) => Err(Error::ended(reason, ended_in.unwrap_or(Phase::Wait))),
        (None, None, RaceEnd::Won | RaceEnd::Finished) => last,
    };
    response.map(|mut response| {
        if let Some(token) = token {
            response.body_mut().hold(&token);
        }
        response
    })
}
