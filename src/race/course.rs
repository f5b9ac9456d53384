//! A race under way: who begins, who decides, who waits.
//!
//! Three kinds of threads meet here. The caller's waits at one place, in `collect`. An attempt's runs the call and sends one
//! message about its end. The alarm's begins what is due. They share the token, whose decision is the race's, and the
//! lineup, whose lock is held for a look and a count, never across the call, an observer or a message.

use super::{AfterFailure, Attempt, Cause, Failure, Outcome, Primary, Race, Success, Wanted};
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{AlarmGuard, Claim, Job};
use crate::deadline::Deadline;
use crate::error::panic_message;
use crate::event::{AttemptBegan, AttemptEnd, AttemptEnded, Observer, RaceEnd, RaceEnded};
use crate::sync::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crate::sync::{Arc, Mutex, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Only numbers are taken from it; it orders nothing.
pub(super) static NEXT_RACE: AtomicU64 = AtomicU64::new(0);

/// Runs `race` from its first attempt to its outcome.
pub(super) fn run<T, E, F>(race: Race, wanted: Wanted, primary: Primary, call: F) -> Outcome<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
{
    let parent = race.token.clone();
    let course = Arc::new(Course {
        race,
        id: NEXT_RACE.fetch_add(1, Ordering::Relaxed),
        wanted,
        primary,
        started: Instant::now(),
        token: CancelToken::new(),
        inbox: OnceLock::new(),
        lineup: Mutex::new(Lineup { next: 0, begun: 0, alarm: None }),
        call,
    });
    let _parent_cleanup = parent.map(|parent| {
        let course = course.clone();
        parent.on_cancel(move |reason| course.end(reason))
    });
    if course.race.deadline.has_passed() {
        course.end(CancelReason::DeadlineExceeded);
    }
    course.begin_due();
    let mut first = None;
    if primary == Primary::OnCaller {
        course.run_attempt(0, |event| match course.inbox.get() {
            None => first = Some(event),
            Some(_) => course.tell(event), // something was here before it
        });
    }
    let outcome = course.collect(first);
    course.report_race(&outcome);
    outcome
}

/// All that wakes the waiting thread.
enum Event<T, E> {
    Ended(usize, Result<T, Cause<E>>),
    Canceled(CancelReason),
}

type Inbox<T, E> = (Sender<Event<T, E>>, Receiver<Event<T, E>>);

/// A race under way, shared by the waiting thread, the attempts and the alarm.
struct Course<T, E, F> {
    race: Race,
    id: u64,
    wanted: Wanted,
    primary: Primary,
    started: Instant,
    /// Decided once, and with it the race.
    token: CancelToken,
    /// Made for the first message: a race that its primary wins on the calling thread sends none, and a channel would be
    /// a third of what it costs.
    inbox: OnceLock<Inbox<T, E>>,
    lineup: Mutex<Lineup>,
    call: F,
}

/// The attempts yet to begin.
struct Lineup {
    /// The next to be sent off.
    next: usize,
    /// How many of those sent off have begun their call.
    begun: usize,
    alarm: Option<AlarmGuard>,
}

impl<T, E, F> Course<T, E, F>
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
        let offsets = self.race.schedule.offsets();
        let mut lineup = lock(&self.lineup);
        if self.token.is_canceled() {
            return None;
        }
        // An offset beyond what the clock can express is never due.
        let start = offsets.get(lineup.next).and_then(|offset| self.started.checked_add(*offset));
        if start.is_some_and(|start| start <= Instant::now()) {
            lineup.next += 1;
            return Some(lineup.next - 1);
        }
        // The waiting thread keeps the deadline itself, except while it runs the primary.
        let deadline = self.race.deadline.instant().filter(|_| self.primary == Primary::OnCaller);
        let edge = match (start, deadline) {
            (Some(start), Some(deadline)) => start.min(deadline),
            (start, deadline) => start.or(deadline)?,
        };
        // The course holds the alarm's guard, so the alarm does not hold the course.
        let course = Arc::downgrade(self);
        let at_edge = move || {
            if let Some(course) = course.upgrade() {
                course.at_edge();
            }
        };
        lineup.alarm = Some(self.race.crew.alarm().set(edge, at_edge));
        None
    }

    /// The alarm rings: the time is over, or the next attempt is due.
    fn at_edge(self: &Arc<Self>) {
        if self.race.deadline.has_passed() {
            self.end(CancelReason::DeadlineExceeded);
        } else {
            self.begin_due();
        }
    }

    fn begin(self: &Arc<Self>, number: usize) {
        let course = self.clone();
        let job = Job {
            label: self.race.label.clone(),
            token: Some(self.token.clone()),
            run: Box::new(move || course.run_attempt(number, |event| course.tell(event))),
        };
        let claim = if number == 0 { Claim::Request } else { Claim::Hedge };
        if let Err(error) = self.race.crew.spawn(claim, job) {
            log::debug!("race {} attempt {number} not begun: {error}", self.id);
            self.report_end(number, AttemptEnd::Shed, Duration::ZERO);
            self.tell(Event::Ended(number, Err(Cause::Shed(error))));
        }
    }

    /// One attempt, from its beginning to the message about its end, which `deliver` takes.
    fn run_attempt(self: &Arc<Self>, number: usize, deliver: impl FnOnce(Event<T, E>)) {
        if !self.may_begin() {
            return;
        }
        let began = Instant::now();
        let at = began - self.started;
        self.observe(|observer| observer.attempt_began(&AttemptBegan { race: self.id, attempt: number, at }));
        let attempt = Attempt { race: self.id, number, deadline: self.race.deadline, token: self.token.clone() };
        let result = match catch_unwind(AssertUnwindSafe(|| (self.call)(&attempt))) {
            Ok(result) => result.map_err(Cause::Error),
            Err(panic) => Err(Cause::Panicked(panic_message(&*panic).to_owned())),
        };
        let elapsed = began.elapsed();
        let end = match &result {
            Ok(_) => self.succeed(number, result, deliver),
            Err(cause) => {
                // A call knows the deadline too, and one that ends by it may be ahead of the alarm and the waiting thread.
                if self.race.deadline.has_passed() {
                    self.end(CancelReason::DeadlineExceeded);
                }
                let decided = self.token.reason();
                let end = match (cause, decided) {
                    (Cause::Panicked(message), _) => {
                        log::error!("{} panicked in attempt {number}: {message}", self.race.label);
                        AttemptEnd::Panicked
                    }
                    (_, Some(reason)) => AttemptEnd::Canceled(reason),
                    (_, None) => AttemptEnd::Failed,
                };
                // Who decided the race sends the message that counts. Were this one to overtake it, a race whose attempts
                // are all ended would pass for one in which all have failed.
                if decided.is_none() {
                    deliver(Event::Ended(number, result));
                    if self.race.after_failure == AfterFailure::Hedge {
                        self.hurry();
                    }
                }
                end
            }
        };
        self.report_end(number, end, elapsed);
    }

    /// Counts an attempt as begun, unless the race is decided. Looks and counts under one lock, so that the caller, who
    /// takes it when the race is decided, counts all that ever begin.
    fn may_begin(&self) -> bool {
        let mut lineup = lock(&self.lineup);
        let open = !self.token.is_canceled();
        lineup.begun += usize::from(open);
        open
    }

    /// A success: the first one decides the race, when one is all that is wanted.
    fn succeed(&self, number: usize, result: Result<T, Cause<E>>, deliver: impl FnOnce(Event<T, E>)) -> AttemptEnd {
        match self.wanted {
            Wanted::First => match self.token.decide(CancelReason::Superseded) {
                // The message goes out before the losers are ended, so no cleanup stands between it and the answer.
                Some(_losers) => deliver(Event::Ended(number, result)),
                None => return AttemptEnd::Late,
            },
            Wanted::All if self.token.is_canceled() => return AttemptEnd::Late,
            Wanted::All => deliver(Event::Ended(number, result)),
        }
        AttemptEnd::Succeeded
    }

    /// Begins the next attempt although it is not due.
    fn hurry(self: &Arc<Self>) {
        let next = {
            let mut lineup = lock(&self.lineup);
            if self.token.is_canceled() || lineup.next == self.race.schedule.offsets().len() {
                return;
            }
            lineup.next += 1;
            lineup.next - 1
        };
        self.begin(next);
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
        self.inbox.get_or_init(|| bounded(self.race.schedule.offsets().len() + 1))
    }

    /// The one place where the caller waits. `first` is what came before any message. Nothing begins once it has returned.
    fn collect(&self, mut first: Option<Event<T, E>>) -> Outcome<T, E> {
        let attempts = self.race.schedule.offsets().len();
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
        Outcome { end, successes, failures, begun: self.close() }
    }

    fn next_event(&self) -> Event<T, E> {
        const OPEN: &str = "this race holds a sender";
        let (_, arrivals) = self.inbox();
        if let Deadline::At(deadline) = self.race.deadline {
            match arrivals.recv_deadline(deadline) {
                Ok(event) => return event,
                Err(RecvTimeoutError::Timeout) => self.end(CancelReason::DeadlineExceeded),
                Err(RecvTimeoutError::Disconnected) => unreachable!("{OPEN}"),
            }
        }
        // Without a deadline; or the token is decided, and who decided it sends a message next.
        arrivals.recv().expect(OPEN)
    }

    /// Takes the alarm back, so that it does not wake for a race that is over, and says how many attempts have begun.
    fn close(&self) -> usize {
        let mut lineup = lock(&self.lineup);
        let (alarm, begun) = (lineup.alarm.take(), lineup.begun);
        drop(lineup);
        drop(alarm);
        begun
    }

    fn report_end(&self, attempt: usize, end: AttemptEnd, elapsed: Duration) {
        log::debug!("race {} attempt {attempt} {end:?} after {elapsed:?}", self.id);
        self.observe(|observer| observer.attempt_ended(&AttemptEnded { race: self.id, attempt, end, elapsed }));
    }

    fn report_race(&self, outcome: &Outcome<T, E>) {
        let winner = match outcome.end {
            RaceEnd::Won => outcome.winner().map(|success| success.attempt),
            _ => None,
        };
        let elapsed = self.started.elapsed();
        let ended = RaceEnded { race: self.id, end: outcome.end, winner, begun: outcome.begun, elapsed };
        self.observe(|observer| observer.race_ended(&ended));
    }

    /// An observer that panics must not cost the race a message, nor its caller the outcome.
    fn observe(&self, report: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.race.observer
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| report(&**observer)))
        {
            log::error!("an observer panicked: {}", panic_message(&*panic));
        }
    }
}
