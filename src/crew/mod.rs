//! OS threads: borrowed, returned, woken late.
//!
//! The problem: a thread that is started for one call costs more than the call (mapping and unmapping its stack is most
//! of a small request's CPU), and a thread that is started without asking how many there are ends the process on the day
//! it matters, since the system's limits are lower than people think.
//!
//! The answer: a [`Crew`] keeps finished threads for the next call, last used first, and lets them leave after a while.
//! It knows its bound; near it hedges are refused first, then requests, and every refusal is an [`Error`] for the caller to
//! answer with. One more thread, the [`Alarm`], wakes what is to begin or end later.
//!
//! What this does not do: end a job. A job that has to be endable brings a [`CancelToken`]; the crew only remembers it, so
//! that a call which runs on after its cancellation can be counted and named ([`CrewStats::stuck`]).

mod alarm;
mod cleanup;
mod limits;

pub use alarm::{Alarm, AlarmGuard};
pub use limits::ThreadLimit;

use crate::cancel::{CancelReason, CancelToken};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, lock, thread, wait_until};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How a [`Crew`] is set up.
#[derive(Clone, Debug)]
pub struct CrewSettings {
    /// The most threads at a time. Defaults to what the system allows this process, less a margin
    /// ([`ThreadLimit::of_this_system`]).
    pub max_threads: usize,
    /// How many of them are kept free of hedges, so that requests still find a thread when hedges no longer do. Defaults to
    /// a sixteenth of the default `max_threads`; more than half of `max_threads` counts as half, so that a small crew
    /// hedges too.
    pub kept_for_requests: usize,
    /// How many cancelled jobs may run on before calls that could become one more are refused
    /// ([`Error::TooManyStuck`]). Defaults to a sixteenth of the default `max_threads`.
    pub max_stuck: usize,
    /// How many files the jobs may have open together. A request's job counts as two, its client's and its upstream's, a
    /// hedge's as one; a hedge that would be one too many is refused ([`Error::TooFewFiles`]), so that requests find theirs.
    /// Defaults to `None`: not counted.
    pub max_files: Option<u64>,
    /// How long a thread waits for its next job before it leaves. Defaults to 5 s.
    pub idle_timeout: Duration,
    /// The stack of each thread, in bytes. Defaults to 1 MiB, of which the system only backs what is touched.
    pub stack_size: usize,
    /// What the threads are called in debuggers and `ps`. Defaults to `headstart`.
    pub name: String,
}

impl Default for CrewSettings {
    fn default() -> Self {
        let max_threads = ThreadLimit::of_this_system().threads;
        CrewSettings {
            max_threads,
            kept_for_requests: max_threads / 16,
            max_stuck: max_threads / 16,
            max_files: None,
            idle_timeout: Duration::from_secs(5),
            stack_size: 1 << 20,
            name: "headstart".to_owned(),
        }
    }
}

/// Who asks for a thread. Near the bound it decides who gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Work that an answer depends on: refused last.
    Request,
    /// A hedge, without which the answer is only slower: refused first.
    Hedge,
}

/// What runs on a thread of the crew.
pub struct Job {
    /// The name it goes by in [`CrewStats::stuck`] and in the log.
    pub label: Arc<str>,
    /// What ends it. A job whose token is cancelled and that still runs is counted as stuck.
    pub token: Option<CancelToken>,
    /// The work itself. A panic is logged and costs nothing else.
    pub run: Box<dyn FnOnce() + Send>,
}

/// How long a cancelled job has run on when it counts against [`CrewSettings::max_stuck`], and its return is logged.
const STUCK_AFTER: Duration = Duration::from_millis(100);

/// A handle to a set of threads; clones are handles to the same set.
///
/// Without [`shutdown`](Crew::shutdown), the threads leave when they have been idle for long enough, and the alarm's with the
/// last of them once no handle is left.
///
/// ```
/// use headstart::{Claim, Crew, CrewSettings, Job};
///
/// let crew = Crew::new(CrewSettings { max_threads: 8, ..CrewSettings::default() })?;
/// let (tx, rx) = crossbeam_channel::bounded(1);
/// crew.spawn(Claim::Request, Job { label: "sum".into(), token: None, run: Box::new(move || tx.send(1 + 1).unwrap()) })?;
/// assert_eq!(rx.recv().unwrap(), 2);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct Crew {
    shared: Arc<Shared>,
}

struct Shared {
    settings: CrewSettings,
    state: Mutex<State>,
    /// Signalled when a thread leaves.
    left: Condvar,
    alarm: Alarm,
}

/// Held for a few instructions at a time; a seat's lock is taken after this one or without it, never before.
#[derive(Default)]
struct State {
    closing: bool,
    /// Every thread there is, busy or idle. A seat taken by a thread that is being started counts.
    seats: Vec<Arc<Seat>>,
    /// The threads without a job; the last one has waited least and its caches are warmest.
    idle: Vec<Arc<Seat>>,
    /// How many of the busy ones run a hedge. Kept only where files are counted.
    hedges: usize,
    peak: usize,
    started: u64,
    refused_hedges: u64,
    refused_requests: u64,
}

/// Where one thread waits for its next job.
#[derive(Default)]
struct Seat {
    work: Mutex<Work>,
    called: Condvar,
}

/// How long a thread stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tenure {
    /// Until it has been idle for long enough.
    Kept,
    /// For the job it was started for.
    OneJob,
}

/// A seat's state. `Idle` -> `Called` by who spawns, `Called` -> `Running` -> `Idle` by the thread, `Idle` -> `Dismissed`
/// by who shuts the crew down or needs the place; each under the seat's lock.
#[derive(Default)]
enum Work {
    #[default]
    Idle,
    Called(Job),
    Running {
        label: Arc<str>,
        token: Option<CancelToken>,
        since: Instant,
    },
    Dismissed,
}

impl Crew {
    /// A crew without threads but the alarm's; the others start when there is work.
    ///
    /// # Errors
    ///
    /// [`Error::ThreadStart`] when the system refuses the alarm's thread.
    pub fn new(settings: CrewSettings) -> Result<Crew, Error> {
        let alarm = Alarm::start(&settings.name)?;
        Ok(Crew {
            shared: Arc::new(Shared { settings, state: Mutex::new(State::default()), left: Condvar::new(), alarm }),
        })
    }

    /// Runs `job` on an idle thread, or on a new one when none is idle.
    ///
    /// # Errors
    ///
    /// [`Error::NoThread`] and [`Error::TooFewFiles`] at the bounds, [`Error::ThreadStart`] when the system refuses a thread. The
    /// job has not begun then and never will.
    pub fn spawn(&self, claim: Claim, mut job: Job) -> Result<(), Error> {
        let mut state = self.admit(claim, &mut job)?;
        if let Some(seat) = state.idle.pop() {
            drop(state);
            *lock(&seat.work) = Work::Called(job);
            seat.called.notify_one();
            return Ok(());
        }
        self.start_thread(state, job, Tenure::Kept)
    }

    /// Runs `job` on a thread started for it alone, which ends with it. Counted and bounded like those of
    /// [`spawn`](Crew::spawn), and dearer: starting a thread costs more than most jobs.
    ///
    /// # Errors
    ///
    /// As of [`spawn`](Crew::spawn).
    pub fn spawn_fresh(&self, claim: Claim, mut job: Job) -> Result<(), Error> {
        let mut state = self.admit(claim, &mut job)?;
        // An idle thread makes room for this one.
        if state.seats.len() >= self.shared.settings.max_threads && !state.idle.is_empty() {
            state.idle.remove(0).dismiss();
        }
        self.start_thread(state, job, Tenure::OneJob)
    }

    /// The crew's state, when one more thread may be busy with `job`.
    fn admit(&self, claim: Claim, job: &mut Job) -> Result<MutexGuard<'_, State>, Error> {
        let settings = &self.shared.settings;
        let mut state = lock(&self.shared.state);
        if state.closing {
            return Err(Error::Canceled(CancelReason::Shutdown));
        }
        let bound = match claim {
            Claim::Request => settings.max_threads,
            Claim::Hedge => settings.max_threads - settings.kept_for_requests.min(settings.max_threads / 2),
        };
        let busy = state.seats.len() - state.idle.len();
        if busy >= bound {
            match claim {
                Claim::Request => state.refused_requests += 1,
                Claim::Hedge => state.refused_hedges += 1,
            }
            return Err(Error::NoThread { bound });
        }
        if let (Claim::Hedge, Some(limit)) = (claim, settings.max_files) {
            if 2 * (busy - state.hedges) + state.hedges >= limit as usize {
                state.refused_hedges += 1;
                return Err(Error::TooFewFiles { limit });
            }
            state.hedges += 1;
            let counted = BusyHedge(self.shared.clone());
            let run = std::mem::replace(&mut job.run, Box::new(|| ()));
            job.run = Box::new(move || {
                let _counted = counted;
                run();
            });
        }
        Ok(state)
    }

    fn start_thread(&self, mut state: MutexGuard<'_, State>, job: Job, tenure: Tenure) -> Result<(), Error> {
        let settings = &self.shared.settings;
        let seat = Arc::new(Seat::default());
        state.seats.push(seat.clone());
        state.started += 1;
        state.peak = state.peak.max(state.seats.len());
        drop(state);
        *lock(&seat.work) = Work::Called(job);
        let builder = thread::Builder::new().name(settings.name.clone()).stack_size(settings.stack_size);
        let started = builder.spawn({
            let (shared, seat) = (self.shared.clone(), seat.clone());
            move || shared.serve(&seat, tenure)
        });
        // The handle is dropped: the seat stands for the thread from here on, and `shutdown` waits for seats.
        started.map(drop).map_err(|error| {
            self.shared.leave(&seat);
            Error::ThreadStart(error)
        })
    }

    /// The clock that wakes what is due later.
    pub fn alarm(&self) -> &Alarm {
        &self.shared.alarm
    }

    /// What the threads do right now, and what they have done.
    pub fn stats(&self) -> CrewStats {
        let state = lock(&self.shared.state);
        let mut stats = CrewStats {
            threads: state.seats.len(),
            idle: state.idle.len(),
            peak: state.peak,
            max_threads: self.shared.settings.max_threads,
            started: state.started,
            refused_hedges: state.refused_hedges,
            refused_requests: state.refused_requests,
            stuck: Vec::new(),
        };
        // Thousands of seats may have to be looked at: not while nobody can get a thread.
        let seats = state.seats.clone();
        drop(state);
        let now = Instant::now();
        stats.stuck = seats.iter().filter_map(|seat| lock(&seat.work).stuck(now)).collect();
        stats
    }

    /// The bound of stuck jobs, when it is reached. Jobs cancelled within the last [`STUCK_AFTER`] do not count: most of them
    /// are about to return.
    pub(crate) fn is_full_of_stuck_calls(&self) -> Option<usize> {
        let most = self.shared.settings.max_stuck;
        let state = lock(&self.shared.state);
        if state.seats.len() - state.idle.len() < most {
            return None; // mostly so, and known without looking at each
        }
        let seats = state.seats.clone();
        drop(state);
        let now = Instant::now();
        let stuck = seats.iter().filter_map(|seat| lock(&seat.work).stuck(now));
        (stuck.filter(|call| call.overdue >= STUCK_AFTER).count() >= most).then_some(most)
    }

    /// Takes no more jobs, lets idle threads leave at once and busy ones when they are done, and waits for that until
    /// `timeout` is over. Returns how many threads were still busy then; they leave when their job returns.
    ///
    /// Must not be called from a job of this crew: it would wait for itself.
    pub fn shutdown(&self, timeout: Duration) -> usize {
        let deadline = Deadline::after(timeout);
        let mut state = lock(&self.shared.state);
        state.closing = true;
        for seat in std::mem::take(&mut state.idle) {
            seat.dismiss();
        }
        while !state.seats.is_empty() && !deadline.has_passed() {
            state = wait_until(&self.shared.left, state, deadline.instant());
        }
        state.seats.len()
    }
}

/// A hedge that is counted, until it is done or was refused its thread.
struct BusyHedge(Arc<Shared>);

impl Drop for BusyHedge {
    fn drop(&mut self) {
        lock(&self.0.state).hedges -= 1;
    }
}

impl Shared {
    /// The life of one thread: a job, a wait, the next job, until it is dismissed or has waited too long.
    fn serve(&self, seat: &Arc<Seat>, tenure: Tenure) {
        while let Some(job) = self.next_job(seat) {
            let Job { label, token, run } = job;
            *lock(&seat.work) = Work::Running { label: label.clone(), token, since: Instant::now() };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
                log::error!("{label} panicked: {}", crate::error::panic_message(&*panic));
            }
            let ended = std::mem::take(&mut *lock(&seat.work));
            if let Some(call) = ended.stuck(Instant::now()).filter(|call| call.overdue >= STUCK_AFTER) {
                log::warn!("{label} returned {:?} after it was canceled", call.overdue);
            }
            let mut state = lock(&self.state);
            if state.closing || tenure == Tenure::OneJob {
                break;
            }
            state.idle.push(seat.clone());
        }
        self.leave(seat);
    }

    fn next_job(&self, seat: &Arc<Seat>) -> Option<Job> {
        let patience = Deadline::after(self.settings.idle_timeout);
        let mut work = lock(&seat.work);
        loop {
            match std::mem::take(&mut *work) {
                Work::Called(job) => return Some(job),
                Work::Dismissed => return None,
                Work::Idle | Work::Running { .. } => {}
            }
            if patience.has_passed() {
                drop(work);
                let mut state = lock(&self.state);
                if let Some(at) = state.idle.iter().position(|idle| Arc::ptr_eq(idle, seat)) {
                    state.idle.remove(at);
                    return None;
                }
                drop(state); // no longer listed as idle: a call is on its way
                work = lock(&seat.work);
                while matches!(*work, Work::Idle) {
                    work = wait_until(&seat.called, work, None);
                }
                continue;
            }
            work = wait_until(&seat.called, work, patience.instant());
        }
    }

    fn leave(&self, seat: &Arc<Seat>) {
        let mut state = lock(&self.state);
        if let Some(at) = state.seats.iter().position(|other| Arc::ptr_eq(other, seat)) {
            state.seats.swap_remove(at);
        }
        self.left.notify_all();
    }
}

impl Seat {
    /// Sends a thread away that is no longer listed as idle.
    fn dismiss(&self) {
        *lock(&self.work) = Work::Dismissed;
        self.called.notify_one();
    }
}

impl Work {
    fn stuck(&self, now: Instant) -> Option<StuckCall> {
        let Work::Running { label, token: Some(token), since } = self else { return None };
        let canceled_at = token.canceled_at()?;
        Some(StuckCall {
            label: label.clone(),
            age: now.saturating_duration_since(*since),
            overdue: now.saturating_duration_since(canceled_at),
        })
    }
}

/// A crew's figures at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CrewStats {
    /// Threads there are, busy or idle, without the alarm's.
    pub threads: usize,
    /// Threads that wait for a job.
    pub idle: usize,
    /// The most threads there ever were at a time.
    pub peak: usize,
    /// The bound.
    pub max_threads: usize,
    /// Threads ever started.
    pub started: u64,
    /// Hedges that got no thread.
    pub refused_hedges: u64,
    /// Requests that got no thread.
    pub refused_requests: u64,
    /// Jobs that were cancelled and run on nevertheless.
    pub stuck: Vec<StuckCall>,
}

/// A job that runs on although it was cancelled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StuckCall {
    /// The job's name.
    pub label: Arc<str>,
    /// How long it has been running.
    pub age: Duration,
    /// How long ago it was cancelled.
    pub overdue: Duration,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}
