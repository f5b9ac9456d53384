//! One thread that knows what is due next.
//!
//! Most of what is scheduled never happens: a race is usually won long before its hedges are due. So scheduling costs a
//! lock and a tree insertion, taking it back the same, and the alarm's thread sleeps through both: it is woken only for
//! something due before the moment it means to wake at anyway.

use crate::cancel::{CancelReason, CancelToken};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::sync::{Arc, Condvar, Mutex, lock, thread, wait_until};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

type Due = Box<dyn FnOnce() + Send>;

/// Calls back at a given moment, on a thread of its own, unless taken back before.
///
/// Owned by the crew; its thread ends when the crew is dropped.
pub(crate) struct Alarm {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    schedule: Mutex<Schedule>,
    changed: Condvar,
}

#[derive(Default)]
struct Schedule {
    due: BTreeMap<(Instant, u64), Due>,
    next_id: u64,
    /// When the thread wakes by itself; `None` while it waits to be woken.
    wakes_at: Option<Instant>,
    stopping: bool,
}

impl Alarm {
    pub(super) fn start(name: &str) -> Result<Alarm, Error> {
        let shared = Arc::new(Shared { schedule: Mutex::new(Schedule::default()), changed: Condvar::new() });
        let thread = thread::Builder::new()
            .name(format!("{name}-alarm"))
            .spawn({
                let shared = shared.clone();
                move || shared.serve()
            })
            .map_err(Error::ThreadStart)?;
        Ok(Alarm { shared, thread: Some(thread) })
    }

    /// Has `token` canceled at `deadline`, if there is one.
    #[allow(dead_code)] // not in every set of features is there a call with a token of its own
    #[must_use = "dropping the guard takes it back"]
    pub(crate) fn cancel_at(&self, deadline: Deadline, token: &CancelToken) -> Option<AlarmGuard> {
        let token = token.clone();
        deadline.instant().map(|at| self.set(at, move || _ = token.cancel(CancelReason::DeadlineExceeded)))
    }

    /// Has `due` called at `at`, on the alarm's thread, which everybody shares: it has to be quick. A panic in it is
    /// logged.
    ///
    /// Dropping the guard takes the call back; it does not wait for one that has begun.
    #[must_use = "dropping the guard takes the call back"]
    pub(crate) fn set(&self, at: Instant, due: impl FnOnce() + Send + 'static) -> AlarmGuard {
        let mut schedule = lock(&self.shared.schedule);
        let key = (at, schedule.next_id);
        schedule.next_id += 1;
        schedule.due.insert(key, Box::new(due));
        if schedule.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            schedule.wakes_at = Some(at);
            self.shared.changed.notify_one();
        }
        AlarmGuard { shared: self.shared.clone(), key }
    }
}

impl Shared {
    fn serve(&self) {
        let mut schedule = lock(&self.schedule);
        while !schedule.stopping {
            let now = Instant::now();
            match schedule.due.first_entry() {
                Some(first) if first.key().0 <= now => {
                    let due = first.remove();
                    drop(schedule);
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(due)) {
                        log::error!("a scheduled call panicked: {}", crate::error::panic_message(&*panic));
                    }
                    schedule = lock(&self.schedule);
                    continue;
                }
                Some(first) => schedule.wakes_at = Some(first.key().0),
                None => schedule.wakes_at = None,
            }
            let until = schedule.wakes_at;
            schedule = wait_until(&self.changed, schedule, until);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        lock(&self.shared.schedule).stopping = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A crew whose last handle goes in a scheduled call is dropped on the alarm's own thread.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}

/// Keeps a call scheduled; dropping it takes the call back.
pub(crate) struct AlarmGuard {
    shared: Arc<Shared>,
    key: (Instant, u64),
}

impl Drop for AlarmGuard {
    fn drop(&mut self) {
        let taken = lock(&self.shared.schedule).due.remove(&self.key);
        drop(taken); // what it captured is foreign code's to drop: not under our lock
    }
}

impl fmt::Debug for AlarmGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlarmGuard").field("at", &self.key.0).finish_non_exhaustive()
    }
}
