//! The race, the plain way: every attempt has an OS thread started for it, and the later ones sleep on theirs.
//!
//! The problem is that of the [module](super); this is the answer without its economies, as one would write it first.
//! Three threads begin at once. The primary's calls at once; the others' wait at a gate, which opens when they are due,
//! when a failure hurries them, or when the race is over. Each sends one message about its end; the caller waits for these
//! with a deadline. The first success decides the token, which wakes the sleepers and ends the losers; a message that comes
//! later stays in the channel, which has room for all of them, and is dropped with it.
//!
//! It costs three thread starts for each race, also for the ones its primary wins at once. And as the threads are taken at the
//! beginning, a hedge that finds none then is a failed attempt then, although one might be there when it is due.

use super::course::NEXT_RACE;
use super::{AfterFailure, Attempt, Cause, Failure, Outcome, Race, Success, Wanted};
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Job};
use crate::deadline::Deadline;
use crate::error::panic_message;
use crate::event::{AttemptBegan, AttemptEnd, AttemptEnded, Observer, RaceEnd, RaceEnded};
use crate::sync::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crate::sync::{Arc, Mutex, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Runs `race` from its first attempt to its outcome.
pub(super) fn run<T, E, F>(race: Race, wanted: Wanted, call: F) -> Outcome<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
{
    let attempts = race.schedule.offsets().len();
    // Room for a message of each attempt and one of the canceler: nobody ever blocks on it.
    let (tell, inbox) = bounded(attempts + 1);
    let (open, gates): (Vec<_>, Vec<_>) = (0..attempts).map(|_| bounded(1)).unzip();
    let parent = race.token.clone();
    let heat = Arc::new(Heat {
        race,
        id: NEXT_RACE.fetch_add(1, Ordering::Relaxed),
        wanted,
        started: Instant::now(),
        token: CancelToken::new(),
        tell,
        open,
        lineup: Mutex::new(Lineup { hurried: 0, begun: 0 }),
        call,
    });
    let _parent_cleanup = parent.map(|parent| {
        let heat = heat.clone();
        parent.on_cancel(move |reason| heat.end(reason))
    });
    if heat.race.deadline.has_passed() {
        heat.end(CancelReason::DeadlineExceeded);
    }
    for (number, gate) in gates.into_iter().enumerate() {
        heat.start(number, gate);
    }
    let outcome = heat.collect(&inbox);
    heat.report_race(&outcome);
    outcome
}

/// All that wakes the waiting thread.
enum Message<T, E> {
    Ended(usize, Result<T, Cause<E>>),
    Canceled(CancelReason),
}

/// A race under way, shared by the waiting thread and the attempts.
struct Heat<T, E, F> {
    race: Race,
    id: u64,
    wanted: Wanted,
    started: Instant,
    /// Decided once, and with it the race.
    token: CancelToken,
    tell: Sender<Message<T, E>>,
    /// By attempt: what is sent here ends its sleep.
    open: Vec<Sender<()>>,
    lineup: Mutex<Lineup>,
    call: F,
}

/// Held for a look and a count.
struct Lineup {
    /// The attempts below this number have been hurried, or were due before that.
    hurried: usize,
    /// How many have begun their call.
    begun: usize,
}

impl<T, E, F> Heat<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
{
    /// Starts the thread of one attempt. One that is refused is an attempt that failed.
    fn start(self: &Arc<Self>, number: usize, gate: Receiver<()>) {
        if self.token.is_canceled() {
            return;
        }
        let heat = self.clone();
        let job = Job {
            label: self.race.label.clone(),
            token: Some(self.token.clone()),
            run: Box::new(move || heat.run_attempt(number, &gate)),
        };
        let claim = if number == 0 { Claim::Request } else { Claim::Hedge };
        if let Err(error) = self.race.crew.spawn_fresh(claim, job) {
            log::debug!("race {} attempt {number} not begun: {error}", self.id);
            self.report_end(number, AttemptEnd::Shed, Duration::ZERO);
            self.send(Message::Ended(number, Err(Cause::Shed(error))));
        }
    }

    /// The life of an attempt's thread: the sleep, the call, the message.
    fn run_attempt(&self, number: usize, gate: &Receiver<()>) {
        self.sleep(number, gate);
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
        let end = match result {
            Ok(value) => self.succeed(number, value),
            Err(cause) => self.fail(number, cause),
        };
        self.report_end(number, end, elapsed);
    }

    /// Waits until the attempt is due, is hurried, or is no longer needed, whichever comes first.
    fn sleep(&self, number: usize, gate: &Receiver<()>) {
        let offset = self.race.schedule.offsets()[number];
        if offset.is_zero() {
            return;
        }
        let opened = self.open[number].clone();
        let _opens_when_canceled = self.token.on_cancel(move |_| {
            let _ = opened.try_send(()); // full when it is open already
        });
        // Opened or due: whether it may begin is asked next.
        let _ = match self.started.checked_add(offset) {
            Some(start) => gate.recv_deadline(start).ok(),
            None => gate.recv().ok(), // beyond what the clock can express
        };
    }

    /// Counts an attempt as begun, unless the race is decided: looks and counts under one lock, so that the caller, who
    /// takes it when the race is decided, counts all that ever begin.
    fn may_begin(&self) -> bool {
        let mut lineup = lock(&self.lineup);
        let open = !self.token.is_canceled();
        lineup.begun += usize::from(open);
        open
    }

    /// The first success decides the race, when one is all that is wanted.
    fn succeed(&self, number: usize, value: T) -> AttemptEnd {
        match self.wanted {
            Wanted::First => match self.token.decide(CancelReason::Superseded) {
                // The message goes out before the losers are ended, which happens at the end of this arm.
                Some(_losers) => self.send(Message::Ended(number, Ok(value))),
                None => return AttemptEnd::Late,
            },
            Wanted::All if self.token.is_canceled() => return AttemptEnd::Late,
            Wanted::All => self.send(Message::Ended(number, Ok(value))),
        }
        AttemptEnd::Succeeded
    }

    fn fail(&self, number: usize, cause: Cause<E>) -> AttemptEnd {
        // A call knows the deadline too, and one that ends by it may be ahead of the waiting thread.
        if self.race.deadline.has_passed() {
            self.end(CancelReason::DeadlineExceeded);
        }
        let canceled = self.token.reason();
        let end = match (&cause, canceled) {
            (Cause::Panicked(message), _) => {
                log::error!("{} panicked in attempt {number}: {message}", self.race.label);
                AttemptEnd::Panicked
            }
            (_, Some(reason)) => AttemptEnd::Canceled(reason),
            (_, None) => AttemptEnd::Failed,
        };
        // Who decided the race tells the caller; an attempt that ended for it has nothing to add.
        if canceled.is_none() {
            self.send(Message::Ended(number, Err(cause)));
            if self.race.after_failure == AfterFailure::Hedge {
                self.hurry();
            }
        }
        end
    }

    /// Opens the gate of the next attempt, although it is not due.
    fn hurry(&self) {
        let offsets = self.race.schedule.offsets();
        let elapsed = self.started.elapsed();
        let due = offsets.iter().take_while(|offset| **offset <= elapsed).count();
        let mut lineup = lock(&self.lineup);
        let next = lineup.hurried.max(due);
        if next < offsets.len() {
            lineup.hurried = next + 1;
            let _ = self.open[next].try_send(()); // full when it is open already
        }
    }

    /// Ends the race from outside.
    fn end(&self, reason: CancelReason) {
        if let Some(_attempts) = self.token.decide(reason) {
            self.send(Message::Canceled(reason));
        }
    }

    /// Nobody reads what is late.
    fn send(&self, message: Message<T, E>) {
        let _ = self.tell.try_send(message);
    }

    /// The one place where the caller waits. Nothing begins once it has returned.
    fn collect(&self, inbox: &Receiver<Message<T, E>>) -> Outcome<T, E> {
        let attempts = self.race.schedule.offsets().len();
        let (mut successes, mut failures) = (Vec::new(), Vec::new());
        let end = loop {
            match self.next_message(inbox) {
                Message::Ended(attempt, Ok(value)) => successes.push(Success { attempt, value }),
                Message::Ended(attempt, Err(cause)) => failures.push(Failure { attempt, cause }),
                Message::Canceled(reason) => break RaceEnd::Canceled(reason),
            }
            if self.wanted == Wanted::First && !successes.is_empty() {
                break RaceEnd::Won;
            }
            if successes.len() + failures.len() == attempts {
                break RaceEnd::Finished;
            }
        };
        Outcome { end, successes, failures, begun: lock(&self.lineup).begun }
    }

    fn next_message(&self, inbox: &Receiver<Message<T, E>>) -> Message<T, E> {
        const OPEN: &str = "this race holds a sender";
        if let Deadline::At(deadline) = self.race.deadline {
            match inbox.recv_deadline(deadline) {
                Ok(message) => return message,
                Err(RecvTimeoutError::Timeout) => self.end(CancelReason::DeadlineExceeded),
                Err(RecvTimeoutError::Disconnected) => unreachable!("{OPEN}"),
            }
        }
        // Without a deadline; or the token is decided, and who decided it sends a message next.
        inbox.recv().expect(OPEN)
    }

    fn report_end(&self, attempt: usize, end: AttemptEnd, elapsed: Duration) {
        log::debug!("race {} attempt {attempt} {end:?} after {elapsed:?}", self.id);
        self.observe(|observer| observer.attempt_ended(&AttemptEnded { race: self.id, attempt, end, elapsed }));
    }

    fn report_race(&self, outcome: &Outcome<T, E>) {
        let winner = outcome.winner().filter(|_| outcome.end == RaceEnd::Won).map(|success| success.attempt);
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
