//! A race under way: who begins, who decides, who waits.
//!
//! Three kinds of threads meet here. The caller's waits at one place, in `collect`. An attempt's runs the call and
//! sends one message about its end. The alarm's begins what is due. They share the token, whose decision is the race's,
//! and the starts, which count what has begun.
//!
//! Before each hedge the race asks whoever decides about them ([`Hedging`]). A hedge that is refused is left out; one
//! that is refused for now is held back, and asked for again later. A race in which nothing runs never waits for a
//! hedge that was refused.
//!
//! On fresh threads there is no alarm: each attempt is given its thread as the race begins and sleeps on it until it is
//! due.

use super::attempt::Attempt;
use super::hedging::{Due, Pace, Permit, Verdict};
use super::outcome::{self, Cause, Failure, Outcome, Success};
use super::report::Report;
use super::rivals::{HasRivals, Rivals};
use super::setup::{AfterFailure, Primary, Setup, Threads, Wanted};
use super::starts::Starts;
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Crew, Job};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::event::{AttemptEnd, RaceEnd, SkipReason};
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
    let pace = setup.hedging.as_ref().map_or(Pace::AsScheduled, |hedging| hedging.pace());
    let starts = Starts::new(started, setup.schedule, pace);
    let running = Arc::new(Running {
        crew: setup.crew,
        deadline: setup.deadline,
        after_failure: setup.after_failure,
        threads: setup.threads,
        primary,
        label: setup.label,
        wanted,
        token: CancelToken::new(),
        rivals: Rivals::new(starts.attempts()),
        starts,
        report: Report::new(started, setup.observer, setup.hedging),
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
    /// An attempt will never begin.
    LeftOut,
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
            match number {
                0 if self.primary == Primary::OnCaller => {}
                0 => self.begin(0, None),
                hedge => self.consider(hedge),
            }
        }
    }

    /// Begins a hedge that is due, if it may.
    fn consider(self: &Arc<Self>, number: usize) {
        match self.ask(number) {
            Verdict::Begin(permit) => self.begin(number, permit),
            Verdict::Later { reason, after } if self.starts.hold(number, reason, after) => {}
            Verdict::Later { reason, .. } | Verdict::Never(reason) => self.refuse(number, reason),
        }
    }

    fn ask(&self, attempt: usize) -> Verdict {
        match self.report.hedging() {
            None => Verdict::Begin(None),
            Some(hedging) => {
                let due = Due { attempt, at: self.report.so_far(), deadline: self.deadline };
                Report::guard(|| hedging.ask(&due)).unwrap_or(Verdict::Begin(None))
            }
        }
    }

    fn refuse(&self, number: usize, reason: SkipReason) {
        self.report.hedge_skipped(number, reason);
        self.leave_out();
        if self.starts.one_is_over() {
            // Nothing runs, so nobody waits for what is not even due.
            self.leave_out_rest(None);
        }
    }

    /// Nothing begins in this race any more. `reason` is that of the next hedge.
    fn leave_out_rest(&self, reason: Option<SkipReason>) {
        let (held, rest) = self.starts.take_rest();
        if let Some(held) = held {
            self.report.hedge_skipped(held.attempt, held.reason);
            self.leave_out();
        } else if let Some(reason) = reason.filter(|_| !rest.is_empty()) {
            self.report.hedge_skipped(rest.start, reason);
        }
        rest.for_each(|_| self.leave_out());
    }

    fn leave_out(&self) {
        self.tell(Event::LeftOut);
        self.rivals.one_is_over();
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
                self.begin(number, None);
            }
        }
    }

    /// Begins the next attempt although it is not due.
    fn hurry(self: &Arc<Self>) {
        let Some(next) = self.starts.next_early(&self.token) else { return };
        match self.threads {
            Threads::Crew => self.consider(next),
            Threads::Fresh => self.starts.wake(),
        }
    }

    /// Considers the hedge again that was held back, before its time: nothing else runs.
    fn hurry_held(self: &Arc<Self>) {
        if let Some(held) = self.starts.next_held(&self.token) {
            self.consider(held);
        }
    }

    /// Gives attempt `number` its thread, and keeps `permit` until it is over. One that is refused is an attempt that
    /// failed.
    fn begin(self: &Arc<Self>, number: usize, permit: Option<Permit>) {
        let running = self.clone();
        let job = Job {
            label: self.label.clone(),
            token: Some(self.token.clone()),
            run: Box::new(move || {
                let permit = match running.threads {
                    Threads::Crew => Ok(permit),
                    Threads::Fresh => running.sleep(number),
                };
                match permit {
                    Ok(_kept) => running.run_attempt(number, |event| running.tell(event)),
                    Err(reason) => running.refuse(number, reason),
                }
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
            if number > 0 {
                let is_for_files = matches!(error, Error::TooFewFiles { .. });
                let reason = if is_for_files { SkipReason::Files } else { SkipReason::Threads };
                self.report.hedge_skipped(number, reason);
            }
            self.tell(Event::Ended(number, Err(Cause::Shed(error))));
            self.rivals.one_is_over();
            if self.starts.one_is_over() {
                self.hurry_held();
            }
        }
    }

    /// Sleeps until attempt `number` is due, and asks whether it may begin. There is no later here: its thread waits
    /// for nothing else.
    fn sleep(self: &Arc<Self>, number: usize) -> Result<Option<Permit>, SkipReason> {
        let running = self.clone();
        let _wakes_when_canceled = self.token.on_cancel(move |_| running.starts.wake());
        self.starts.sleep_until_due(number, &self.token);
        if number == 0 || self.token.is_canceled() {
            return Ok(None);
        }
        match self.ask(number) {
            Verdict::Begin(permit) => Ok(permit),
            Verdict::Later { reason, .. } | Verdict::Never(reason) => Err(reason),
        }
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
    fn succeed(self: &Arc<Self>, number: usize, value: T, deliver: impl FnOnce(Event<T, E>)) -> AttemptEnd {
        match self.wanted {
            Wanted::First => match self.token.decide(CancelReason::Superseded) {
                // The message goes out before the losers are ended, so no cleanup stands between it and the answer.
                Some(_losers) => deliver(Event::Ended(number, Ok(value))),
                None => return AttemptEnd::Late,
            },
            Wanted::All if self.token.is_canceled() => return AttemptEnd::Late,
            Wanted::All => {
                deliver(Event::Ended(number, Ok(value)));
                if self.starts.one_is_over() {
                    self.hurry_held();
                }
            }
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
            let is_idle = self.starts.one_is_over();
            match self.report.hedging().and_then(|hedging| hedging.stop()) {
                Some(reason) => self.leave_out_rest(Some(reason)),
                None if self.after_failure == AfterFailure::Hedge => self.hurry(),
                None if is_idle => self.hurry_held(),
                None => {}
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
        let (mut successes, mut failures, mut left_out) = (Vec::new(), Vec::new(), 0);
        let end = loop {
            match first.take().unwrap_or_else(|| self.next_event()) {
                Event::Ended(attempt, Ok(value)) => successes.push(Success { attempt, value }),
                Event::Ended(attempt, Err(cause)) => failures.push(Failure { attempt, cause }),
                Event::LeftOut => left_out += 1,
                Event::Canceled(reason) => break RaceEnd::Canceled(reason),
            }
            if self.wanted == Wanted::First && !successes.is_empty() {
                break RaceEnd::Won;
            }
            if successes.len() + failures.len() + left_out == attempts {
                break RaceEnd::Finished;
            }
        };
        let (begun, held) = self.starts.close();
        if let Some(held) = held {
            self.report.hedge_skipped(held.attempt, held.reason);
        }
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
