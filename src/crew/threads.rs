//! The threads of a crew: taken, given back, refused, sent away.

use super::alarm::Alarm;
use super::job::{Claim, Job, STUCK_AFTER};
use super::member::{Member, Work};
use super::settings::CrewSettings;
use super::stats::CrewStats;
use crate::cancel::CancelReason;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, lock, thread, wait_until};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A handle to a set of threads; clones are handles to the same set.
///
/// Without [`shutdown`](Crew::shutdown), the threads leave when they have been idle for long enough, and the alarm's
/// with the last of them once no handle is left.
///
/// ```
/// use headstart::{Claim, Crew, CrewSettings, Job};
///
/// let crew = Crew::new(CrewSettings::default().max_threads(8))?;
/// let (tx, rx) = crossbeam_channel::bounded(1);
/// let sum = Box::new(move || tx.send(1 + 1).unwrap());
/// crew.spawn(Claim::Request, Job { label: "sum".into(), token: None, run: sum })?;
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

/// Held for a few instructions at a time; a member's lock is taken after this one or without it, never before.
#[derive(Default)]
struct State {
    closing: bool,
    /// Every thread there is, busy or idle. A member taken by a thread that is being started counts.
    members: Vec<Arc<Member>>,
    /// The threads without a job; the last one has waited least and its caches are warmest.
    idle: Vec<Arc<Member>>,
    /// How many of the busy ones run a hedge. Kept only where files are counted.
    hedges: usize,
    peak: usize,
    started: u64,
    refused_hedges: u64,
    refused_requests: u64,
}

/// How long a thread stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tenure {
    /// Until it has been idle for long enough.
    Kept,
    /// For the job it was started for.
    OneJob,
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
    /// [`Error::NoThread`] and [`Error::TooFewFiles`] at the bounds, [`Error::ThreadStart`] when the system refuses a
    /// thread. The job has not begun then and never will.
    pub fn spawn(&self, claim: Claim, mut job: Job) -> Result<(), Error> {
        let mut state = self.admit(claim, &mut job)?;
        if let Some(member) = state.idle.pop() {
            drop(state);
            *lock(&member.work) = Work::Called(job);
            member.called.notify_one();
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
        if state.members.len() >= self.shared.settings.max_threads && !state.idle.is_empty() {
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
        let busy = state.members.len() - state.idle.len();
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
        let member = Arc::new(Member::default());
        state.members.push(member.clone());
        state.started += 1;
        state.peak = state.peak.max(state.members.len());
        drop(state);
        *lock(&member.work) = Work::Called(job);
        let builder = thread::Builder::new().name(settings.name.clone()).stack_size(settings.stack_size);
        let started = builder.spawn({
            let (shared, member) = (self.shared.clone(), member.clone());
            move || shared.serve(&member, tenure)
        });
        // The handle is dropped: the member stands for the thread from here on, and `shutdown` waits for members.
        started.map(drop).map_err(|error| {
            self.shared.leave(&member);
            Error::ThreadStart(error)
        })
    }

    /// The clock that wakes what is due later.
    pub(crate) fn alarm(&self) -> &Alarm {
        &self.shared.alarm
    }

    /// What the threads do right now, and what they have done.
    pub fn stats(&self) -> CrewStats {
        let state = lock(&self.shared.state);
        let mut stats = CrewStats {
            threads: state.members.len(),
            idle: state.idle.len(),
            peak: state.peak,
            max_threads: self.shared.settings.max_threads,
            started: state.started,
            refused_hedges: state.refused_hedges,
            refused_requests: state.refused_requests,
            stuck: Vec::new(),
        };
        // Thousands of members may have to be looked at: not while nobody can get a thread.
        let members = state.members.clone();
        drop(state);
        let now = Instant::now();
        stats.stuck = members.iter().filter_map(|member| lock(&member.work).stuck(now)).collect();
        stats
    }

    /// The bound of stuck jobs, when it is reached. Jobs canceled within the last [`STUCK_AFTER`] do not count: most of
    /// them are about to return.
    pub(crate) fn is_full_of_stuck_calls(&self) -> Option<usize> {
        let most = self.shared.settings.max_stuck;
        let state = lock(&self.shared.state);
        if state.members.len() - state.idle.len() < most {
            return None; // mostly so, and known without looking at each
        }
        let members = state.members.clone();
        drop(state);
        let now = Instant::now();
        let stuck = members.iter().filter_map(|member| lock(&member.work).stuck(now));
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
        for member in std::mem::take(&mut state.idle) {
            member.dismiss();
        }
        while !state.members.is_empty() && !deadline.has_passed() {
            state = wait_until(&self.shared.left, state, deadline.instant());
        }
        state.members.len()
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
    fn serve(&self, member: &Arc<Member>, tenure: Tenure) {
        while let Some(job) = self.next_job(member) {
            let Job { label, token, run } = job;
            *lock(&member.work) = Work::Running { label: label.clone(), token, since: Instant::now() };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
                log::error!("{label} panicked: {}", crate::error::panic_message(&*panic));
            }
            let ended = std::mem::take(&mut *lock(&member.work));
            if let Some(call) = ended.stuck(Instant::now()).filter(|call| call.overdue >= STUCK_AFTER) {
                log::warn!("{label} returned {:?} after it was canceled", call.overdue);
            }
            let mut state = lock(&self.state);
            if state.closing || tenure == Tenure::OneJob {
                break;
            }
            state.idle.push(member.clone());
        }
        self.leave(member);
    }

    fn next_job(&self, member: &Arc<Member>) -> Option<Job> {
        let patience = Deadline::after(self.settings.idle_timeout);
        let mut work = lock(&member.work);
        loop {
            match std::mem::take(&mut *work) {
                Work::Called(job) => return Some(job),
                Work::Dismissed => return None,
                Work::Idle | Work::Running { .. } => {}
            }
            if patience.has_passed() {
                drop(work);
                let mut state = lock(&self.state);
                if let Some(at) = state.idle.iter().position(|idle| Arc::ptr_eq(idle, member)) {
                    state.idle.remove(at);
                    return None;
                }
                drop(state); // no longer listed as idle: a call is on its way
                work = lock(&member.work);
                while matches!(*work, Work::Idle) {
                    work = wait_until(&member.called, work, None);
                }
                continue;
            }
            work = wait_until(&member.called, work, patience.instant());
        }
    }

    fn leave(&self, member: &Arc<Member>) {
        let mut state = lock(&self.state);
        if let Some(at) = state.members.iter().position(|other| Arc::ptr_eq(other, member)) {
            state.members.swap_remove(at);
        }
        self.left.notify_all();
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}
