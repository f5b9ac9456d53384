//! A race under way: who begins, who decides, who waits.
//!
//! Three kinds of threads meet here. The caller's waits at one place, in `collect`. An attempt's runs the call and
//! sends one message about its end. The alarm's begins what is due. They share the token, whose decision is the race's,
//! and the starts, which count what has begun.
//!
//! On fresh threads there is no alarm: each attempt is given its thread as the race begins and sleeps on it until it is
//! due.

use super::attempt::Attempt;
use super::outcome::{self, Cause, Failure, Outcome, Success};
use super::report::Report;
use super::rivals::{HasRivals, Rivals};
use super::setup::{AfterFailure, Primary, Setup, Threads, Wanted};
use super::starts::Starts;
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Crew, Job};
use crate::deadline::Deadline;
use crate::event::{AttemptEnd, RaceEnd};
use crate::sync::Arc;
use crate::sync::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::sync::{OnceLock, Weak};
use std::time::{Duration, Instant};

/// Runs a race from its first attempt to its outcome.
pub(super) fn run<T, E, F>(setup: Setup, wanted: Wanted, call: F) -> Outcome<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
{
    let started = Instant::now();
    // Fresh threads mean one for every attempt.
    let primary = if setup.threads == Threads::Fresh { Primary::OnCrew } else { setup.primary };
    let running = Arc::new(Running {
        crew: setup.crew,
        deadline: setup.deadline,
        after_failure: setup.after_failure,
        threads: setup.threads,
        primary,
        label: setup.label,
        wanted,
        token: CancelToken::new(),
        rivals: Rivals::new(setup.schedule.offsets().len()),
        starts: Starts::new(started, setup.schedule),
        report: Report::new(started, setup.observer),
        inbox: OnceLock::new(),
        call,
    });
    let _ended_from_outside = setup.token.map(|token| {
        let running = running.clone();
        token.on_cancel(move |reason| running.end(reason))
    });
    if running.deadline.has_passed() {
        running.end(CancelReason::DeadlineExceeded);
    }
    match running.threads {
        Threads::Crew => running.begin_due(),
        Threads::Fresh => running.begin_asleep(),
    }
    let mut first = None;
    if primary == Primary::OnCaller {
        running.run_attempt(0, |event| match running.inbox.get() {
            None => first = Some(event),
            Some(_) => running.tell(event), // something was here before it
        });
    }
    running.collect(first)
}

/// All that wakes the waiting thread.
enum Event<T, E> {
    Ended(usize, Result<T, Cause<E>>),
    Canceled(CancelReason),
}

type Inbox<T, E> = (Sender<Event<T, E>>, Receiver<Event<T, E>>);

impl<T, E, F> HasRivals for Running<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Send + Sync + 'static,
{
    fn rivals(&self) -> &Rivals {
        &self.rivals
    }
}

/// A race under way, shared by the waiting thread, the attempts and the alarm.
struct Running<T, E, F> {
    crew: Crew,
    deadline: Deadline,
    after_failure: AfterFailure,
    threads: Threads,
    primary: Primary,
    label: Arc<str>,
    wanted: Wanted,
    /// Decided once, and with it the race.
    token: CancelToken,
    starts: Starts,
    rivals: Rivals,
    report: Report,
    /// Made for the first message: a race that its primary wins on the calling thread sends none, and a channel would
    /// be a third of what it costs.
    inbox: OnceLock<Inbox<T, E>>,
    call: F,
}

impl<T, E, F> Running<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
{
    /// Begins every attempt that is due and sets the alarm for what is next.
    fn begin_due(self: &Arc<Self>) {
        while let Some(number) = self.next_due() {
            if number > 0 || self.primary == Primary::OnCrew {
                self.begin(number);
            }
        }
    }

    fn next_due(self: &Arc<Self>) -> Option<usize> {
        // The waiting thread keeps the deadline itself, except while it runs the primary.
        let deadline = self.deadline.instant().filter(|_| self.primary == Primary::OnCaller);
        self.starts.next_due(&self.token, deadline, |edge| {
            // The race holds the alarm's guard, so the alarm does not hold the race.
            let running = Arc::downgrade(self);
            self.crew.alarm().set(edge, move || {
                if let Some(running) = running.upgrade() {
                    running.at_edge();
                }
            })
        })
    }

    /// The alarm rings: the time is over, or the next attempt is due.
    fn at_edge(self: &Arc<Self>) {
        if self.deadline.has_passed() {
            self.end(CancelReason::DeadlineExceeded);
        } else {
            self.begin_due();
        }
    }

    /// Gives every attempt a thread of its own, on which it sleeps until it is due.
    fn begin_asleep(self: &Arc<Self>) {
        for number in 0..self.starts.attempts() {
            if !self.token.is_canceled() {
                self.begin(number);
            }
        }
    }

    /// Begins the next attempt although it is not due.
    fn hurry(self: &Arc<Self>) {
        let Some(next) = self.starts.next_early(&self.token) else { return };
        match self.threads {
            Threads::Crew => self.begin(next),
            Threads::Fresh => self.starts.wake(),
        }
    }

    /// Gives attempt `number` its thread. One that is refused is an attempt that failed.
    fn begin(self: &Arc<Self>, number: usize) {
        let running = self.clone();
        let job = Job {
            label: self.label.clone(),
            token: Some(self.token.clone()),
            run: Box::new(move || {
                if running.threads == Threads::Fresh {
                    running.sleep(number);
                }
                running.run_attempt(number, |event| running.tell(event));
            }),
        };
        let claim = if number == 0 { Claim::Request } else { Claim::Hedge };
        let begun = match self.threads {
            Threads::Crew => self.crew.spawn(claim, job),
            Threads::Fresh => self.crew.spawn_fresh(claim, job),
        };
        if let Err(error) = begun {
            log::debug!("race {} attempt {number} not begun: {error}", self.report.race);
            self.report.attempt_ended(number, AttemptEnd::Shed, Duration::ZERO);
            self.tell(Event::Ended(number, Err(Cause::Shed(error))));
            self.rivals.one_is_over();
        }
    }

    fn sleep(self: &Arc<Self>, number: usize) {
        let running = self.clone();
        let _wakes_when_canceled = self.token.on_cancel(move |_| running.starts.wake());
        self.starts.sleep_until_due(number, &self.token);
    }

    /// One attempt, from its beginning to the message about its end, which `deliver` takes.
    fn run_attempt(self: &Arc<Self>, number: usize, deliver: impl FnOnce(Event<T, E>)) {
        if !self.starts.may_begin(&self.token) {
            return;
        }
        let began = Instant::now();
        self.report.attempt_began(number, began);
        let rivals: Weak<dyn HasRivals> = Arc::<Self>::downgrade(self);
        let attempt = Attempt {
            race: self.report.race,
            number,
            deadline: self.deadline,
            token: self.token.clone(),
            rivals: Some(rivals),
        };
        let result = outcome::of_call(|| (self.call)(&attempt));
        let elapsed = began.elapsed();
        let end = match result {
            Ok(value) => self.succeed(number, value, deliver),
            Err(cause) => self.fail(number, cause, deliver),
        };
        self.report.attempt_ended(number, end, elapsed);
    }

    /// A success: the first one decides the race, when one is all that is wanted.
    fn succeed(&self, number: usize, value: T, deliver: impl FnOnce(Event<T, E>)) -> AttemptEnd {
        match self.wanted {
            Wanted::First => match self.token.decide(CancelReason::Superseded) {
                // The message goes out before the losers are ended, so no cleanup stands between it and the answer.
                Some(_losers) => deliver(Event::Ended(number, Ok(value))),
                None => return AttemptEnd::Late,
            },
            Wanted::All if self.token.is_canceled() => return AttemptEnd::Late,
            Wanted::All => deliver(Event::Ended(number, Ok(value))),
        }
        AttemptEnd::Succeeded
    }

    fn fail(self: &Arc<Self>, number: usize, cause: Cause<E>, deliver: impl FnOnce(Event<T, E>)) -> AttemptEnd {
        // A call knows the deadline too, and one that ends by it may be ahead of the alarm and the waiting thread.
        if self.deadline.has_passed() {
            self.end(CancelReason::DeadlineExceeded);
        }
        let decided = self.token.reason();
        if let Cause::Panicked(message) = &cause {
            log::error!("{} panicked in attempt {number}: {message}", self.label);
        }
        let end = cause.end(decided);
        // Who decided the race sends the message that counts. Were this one to overtake it, a race whose attempts
        // are all ended would pass for one in which all have failed.
        if decided.is_none() {
            deliver(Event::Ended(number, Err(cause)));
            self.rivals.one_is_over();
            if self.after_failure == AfterFailure::Hedge {
                self.hurry();
            }
        }
        end
    }

    /// Ends the race from outside.
    fn end(&self, reason: CancelReason) {
        if let Some(_attempts) = self.token.decide(reason) {
            self.tell(Event::Canceled(reason));
        }
    }

    fn tell(&self, event: Event<T, E>) {
        // The inbox has room for everything that is ever sent; nobody reads what is late.
        let _ = self.inbox().0.try_send(event);
    }

    fn inbox(&self) -> &Inbox<T, E> {
        self.inbox.get_or_init(|| bounded(self.starts.attempts() + 1))
    }

    /// The one place where the caller waits. `first` is what came before any message. Nothing begins once it has
    /// returned.
    fn collect(&self, mut first: Option<Event<T, E>>) -> Outcome<T, E> {
        let attempts = self.starts.attempts();
        let (mut successes, mut failures) = (Vec::new(), Vec::new());
        let end = loop {
            match first.take().unwrap_or_else(|| self.next_event()) {
                Event::Ended(attempt, Ok(value)) => successes.push(Success { attempt, value }),
                Event::Ended(attempt, Err(cause)) => failures.push(Failure { attempt, cause }),
                Event::Canceled(reason) => break RaceEnd::Canceled(reason),
            }
            if self.wanted == Wanted::First && !successes.is_empty() {
                break RaceEnd::Won;
            }
            if successes.len() + failures.len() == attempts {
                break RaceEnd::Finished;
            }
        };
        let begun = self.starts.close();
        let winner = successes.first().filter(|_| end == RaceEnd::Won).map(|success: &Success<T>| success.attempt);
        self.report.race_ended(end, winner, begun);
        Outcome { end, successes, failures, begun }
    }

    fn next_event(&self) -> Event<T, E> {
        const OPEN: &str = "this race holds a sender";
        let (_, arrivals) = self.inbox();
        if let Deadline::At(deadline) = self.deadline {
            match arrivals.recv_deadline(deadline) {
                Ok(event) => return event,
                Err(RecvTimeoutError::Timeout) => self.end(CancelReason::DeadlineExceeded),
                Err(RecvTimeoutError::Disconnected) => unreachable!("{OPEN}"),
            }
        }
        // Without a deadline; or the token is decided, and who decided it sends a message next.
        arrivals.recv().expect(OPEN)
    }
}
