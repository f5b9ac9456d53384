//! Several blocking calls for one result, against a deadline.
//!
//! The problem: an unreliable call is made better by a second one started when the first is late (hedging: Dean and
//! Barroso, "The Tail at Scale", 2013; gRPC proposal A6), but in blocking code the loser's thread hangs in a system call.
//!
//! The answer: every attempt has a thread of the [`Crew`] and they share one [`CancelToken`]. Whoever decides the token
//! decides the race: the first success, the deadline, or the caller's own token. Deciding runs the cleanups the
//! attempts registered, so the losers come back; the caller waits at one place, on one inbox, and later starts are kept by
//! the crew's alarm, so an attempt that never becomes due costs no thread.
//!
//! Invariants: `race` knows no HTTP and no sockets. An attempt that has not begun when the race is decided never begins.
//! Losers never block: the inbox holds a message of each attempt and one of the canceler.

use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{AlarmGuard, Claim, Crew, Job};
use crate::deadline::Deadline;
use crate::error::{Error, panic_message};
use crate::event::{AttemptBegan, AttemptEnd, AttemptEnded, Observer, RaceEnd, RaceEnded};
use crate::sync::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crate::sync::{Arc, Mutex, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When each attempt of a race starts, as offsets from the race's beginning.
///
/// Defaults to 0, 300 and 300 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Arc<[Duration]>);

impl Schedule {
    /// The most attempts a race can have.
    pub const MAX_ATTEMPTS: usize = 16;

    /// A schedule of these start offsets.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless there are 1 to 16 offsets, the first is 0 and none is smaller than the one before it.
    pub fn new(offsets: &[Duration]) -> Result<Schedule, Error> {
        let in_order = offsets.first() == Some(&Duration::ZERO) && offsets.is_sorted();
        if !in_order || offsets.len() > Self::MAX_ATTEMPTS {
            let millis: Vec<String> = offsets.iter().map(|offset| offset.as_millis().to_string()).collect();
            return Err(Error::Setting {
                key: "schedule".to_owned(),
                value: millis.join(","),
                allowed: "1 to 16 start offsets in milliseconds, the first 0, none smaller than the one before it"
                    .to_owned(),
            });
        }
        Ok(Schedule(offsets.into()))
    }

    /// As many attempts as this schedule has, all at once.
    pub fn at_once(&self) -> Schedule {
        Schedule(vec![Duration::ZERO; self.0.len()].into())
    }

    /// The start offsets.
    pub fn offsets(&self) -> &[Duration] {
        &self.0
    }
}

impl Default for Schedule {
    fn default() -> Self {
        let late = Duration::from_millis(300);
        Schedule([Duration::ZERO, late, late].into())
    }
}

/// What a failure before the next start offset leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterFailure {
    /// Nothing: the next attempt starts when it is due. The default.
    #[default]
    Wait,
    /// The next attempt starts at once (gRPC A6 calls such failures non-fatal).
    Hedge,
}

/// A race to be run: what is set here, and the call to be raced.
///
/// ```
/// use headstart::{Crew, CrewSettings, Deadline, Race};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let outcome = Race::new(&crew)
///     .deadline(Deadline::after(Duration::from_secs(2)))
///     .first(|attempt| match attempt.number() {
///         0 => Err("the primary fails"),
///         hedge => Ok(hedge),
///     });
/// assert!(outcome.winner().unwrap().attempt >= 1);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct Race {
    crew: Crew,
    schedule: Schedule,
    deadline: Deadline,
    after_failure: AfterFailure,
    label: Arc<str>,
    token: Option<CancelToken>,
    observer: Option<Arc<dyn Observer>>,
}

impl Race {
    /// A race on the threads of `crew`: 0/300/300 ms, without a deadline.
    pub fn new(crew: &Crew) -> Race {
        Race {
            crew: crew.clone(),
            schedule: Schedule::default(),
            deadline: Deadline::Never,
            after_failure: AfterFailure::default(),
            label: "attempt".into(),
            token: None,
            observer: None,
        }
    }

    /// When the attempts start. Defaults to 0, 300 and 300 ms.
    pub fn schedule(mut self, schedule: Schedule) -> Race {
        self.schedule = schedule;
        self
    }

    /// When the race is over. Defaults to [`Deadline::Never`].
    pub fn deadline(mut self, deadline: Deadline) -> Race {
        self.deadline = deadline;
        self
    }

    /// Whether a failure hurries the next attempt. Defaults to [`AfterFailure::Wait`].
    pub fn after_failure(mut self, after_failure: AfterFailure) -> Race {
        self.after_failure = after_failure;
        self
    }

    /// What the attempts are called among the crew's stuck calls and in the log. Defaults to `attempt`.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Race {
        self.label = label.into();
        self
    }

    /// Ends the race when `token` is cancelled. The race never cancels it.
    pub fn token(mut self, token: &CancelToken) -> Race {
        self.token = Some(token.clone());
        self
    }

    /// Who is told of what happens.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Race {
        self.observer = Some(observer);
        self
    }

    /// Runs `call` once per attempt and returns with the first success, everything else ended.
    ///
    /// `call` runs on threads of the crew. It should end soon after its [`Attempt::token`] is cancelled; one that does not
    /// runs on without holding anybody up.
    pub fn first<T, E, F>(self, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        self.run(Wanted::First, Primary::OnCrew, call)
    }

    /// Runs `call` once per attempt and returns when all have ended or the time is over, with everything that succeeded
    /// by then in order of arrival.
    pub fn all<T, E, F>(self, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        self.run(Wanted::All, Primary::OnCrew, call)
    }

    /// The race itself. With [`Primary::OnCaller`] attempt 0 runs on the calling thread, which saves a thread switch; `call`
    /// then has to be endable by its token in every phase, or the deadline would not hold.
    pub(crate) fn run<T, E, F>(self, wanted: Wanted, primary: Primary, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        let attempts = self.schedule.offsets().len();
        let (inbox, arrivals) = bounded(attempts + 1);
        let parent = self.token.clone();
        let course = Arc::new(Course {
            race: self,
            id: NEXT_RACE.fetch_add(1, Ordering::Relaxed),
            wanted,
            primary,
            started: Instant::now(),
            token: CancelToken::new(),
            inbox,
            lineup: Mutex::new(Lineup { next: 0, begun: 0, over: false, alarm: None }),
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
        if primary == Primary::OnCaller {
            course.run_attempt(0);
        }
        let outcome = course.collect(&arrivals);
        course.report_race(&outcome);
        outcome
    }
}

/// Only numbers are taken from it; it orders nothing.
static NEXT_RACE: AtomicU64 = AtomicU64::new(0);

/// What a race is run for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    First,
    All,
}

/// Where attempt 0 runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primary {
    OnCaller,
    OnCrew,
}

/// One try of a race, as its call sees it.
#[derive(Clone, Debug)]
pub struct Attempt {
    race: u64,
    number: usize,
    deadline: Deadline,
    token: CancelToken,
}

impl Attempt {
    /// 0 for the primary, 1 and up for the hedges.
    pub fn number(&self) -> usize {
        self.number
    }

    /// When the race is over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Cancelled when this attempt is no longer needed.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }

    /// The race's number, as in the observer's events.
    pub fn race(&self) -> u64 {
        self.race
    }
}

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

/// All that wakes the waiting thread.
enum Event<T, E> {
    Ended(usize, Result<T, Cause<E>>),
    Canceled(CancelReason),
}

/// A race under way, shared by the waiting thread, the attempts and the alarm.
struct Course<T, E, F> {
    race: Race,
    id: u64,
    wanted: Wanted,
    primary: Primary,
    started: Instant,
    /// Decided once, and with it the race.
    token: CancelToken,
    inbox: Sender<Event<T, E>>,
    lineup: Mutex<Lineup>,
    call: F,
}

/// The attempts yet to begin.
struct Lineup {
    /// The next to be sent off.
    next: usize,
    /// How many of those sent off have begun their call.
    begun: usize,
    /// Set when the caller goes: nothing begins from then on.
    over: bool,
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
        if lineup.over || self.token.is_canceled() {
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
        let course = self.clone();
        lineup.alarm = Some(self.race.crew.alarm().set(edge, move || course.at_edge()));
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
            run: Box::new(move || course.run_attempt(number)),
        };
        let claim = if number == 0 { Claim::Request } else { Claim::Hedge };
        if let Err(error) = self.race.crew.spawn(claim, job) {
            log::debug!("race {} attempt {number} not begun: {error}", self.id);
            self.report_end(number, AttemptEnd::Shed, Duration::ZERO);
            self.tell(Event::Ended(number, Err(Cause::Shed(error))));
        }
    }

    /// One attempt, from its beginning to the message about its end.
    fn run_attempt(self: &Arc<Self>, number: usize) {
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
            Ok(_) => self.succeed(number, result),
            Err(cause) => {
                let end = match (cause, self.token.reason()) {
                    (Cause::Panicked(message), _) => {
                        log::error!("{} panicked in attempt {number}: {message}", self.race.label);
                        AttemptEnd::Panicked
                    }
                    (_, Some(reason)) => AttemptEnd::Canceled(reason),
                    (_, None) => AttemptEnd::Failed,
                };
                self.tell(Event::Ended(number, result));
                if self.race.after_failure == AfterFailure::Hedge {
                    self.hurry();
                }
                end
            }
        };
        self.report_end(number, end, elapsed);
    }

    /// Counts an attempt as begun, unless the race is decided.
    fn may_begin(&self) -> bool {
        let mut lineup = lock(&self.lineup);
        let open = !lineup.over && !self.token.is_canceled();
        lineup.begun += usize::from(open);
        open
    }

    /// A success: the first one decides the race, when one is all that is wanted.
    fn succeed(&self, number: usize, result: Result<T, Cause<E>>) -> AttemptEnd {
        match self.wanted {
            Wanted::First => match self.token.decide(CancelReason::Superseded) {
                // The message goes out before the losers are ended, so no cleanup stands between it and the answer.
                Some(_losers) => self.tell(Event::Ended(number, result)),
                None => return AttemptEnd::Late,
            },
            Wanted::All if self.token.is_canceled() => return AttemptEnd::Late,
            Wanted::All => self.tell(Event::Ended(number, result)),
        }
        AttemptEnd::Succeeded
    }

    /// Begins the next attempt although it is not due.
    fn hurry(self: &Arc<Self>) {
        let next = {
            let mut lineup = lock(&self.lineup);
            if lineup.over || self.token.is_canceled() || lineup.next == self.race.schedule.offsets().len() {
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
        // The inbox has room for everything that is ever sent, and a late message may find nobody reading.
        let _ = self.inbox.try_send(event);
    }

    /// The one place where the caller waits. Nothing begins once it has returned.
    fn collect(&self, arrivals: &Receiver<Event<T, E>>) -> Outcome<T, E> {
        let attempts = self.race.schedule.offsets().len();
        let (mut successes, mut failures) = (Vec::new(), Vec::new());
        let end = loop {
            match self.next_event(arrivals) {
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

    fn next_event(&self, arrivals: &Receiver<Event<T, E>>) -> Event<T, E> {
        const OPEN: &str = "this race holds a sender";
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

    /// Nothing begins from here on. Returns how many attempts have begun.
    fn close(&self) -> usize {
        let (alarm, begun) = {
            let mut lineup = lock(&self.lineup);
            lineup.over = true;
            (lineup.alarm.take(), lineup.begun)
        };
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
