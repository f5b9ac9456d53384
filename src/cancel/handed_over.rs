//! A cleanup that another thread than the canceling one runs.
//!
//! The canceling thread hands it over and goes on. The promise of a guard stays the same: once it is gone, the cleanup
//! is over or never begins. So the guard and the thread that runs the cleanup meet here, at a stage of three, changed
//! under one lock.

use super::reason::CancelReason;
use crate::sync::{Arc, Condvar, Mutex, lock, thread, wait_until};
use std::panic::{AssertUnwindSafe, catch_unwind};

type Cleanup = Box<dyn FnOnce(CancelReason) + Send>;

/// A cleanup to be run once, on whatever thread, or taken back.
pub(crate) struct HandedOver {
    stage: Mutex<Stage>,
    /// Signaled when the cleanup has returned.
    over: Condvar,
}

/// `Waiting` -> `Running` -> `Over` by the thread that runs it, `Waiting` -> `Over` by the guard.
enum Stage {
    Waiting(Cleanup),
    Running(thread::ThreadId),
    Over,
}

impl HandedOver {
    pub(crate) fn new(cleanup: impl FnOnce(CancelReason) + Send + 'static) -> Arc<HandedOver> {
        Arc::new(HandedOver { stage: Mutex::new(Stage::Waiting(Box::new(cleanup))), over: Condvar::new() })
    }

    /// Runs the cleanup on this thread, unless it has begun elsewhere or was taken back.
    pub(crate) fn run(&self, reason: CancelReason) {
        let me = thread::current().id();
        let Some(cleanup) = self.leave_waiting(Stage::Running(me)) else { return };
        if catch_unwind(AssertUnwindSafe(|| cleanup(reason))).is_err() {
            log::error!("a cleanup panicked ({reason})");
        }
        *lock(&self.stage) = Stage::Over;
        self.over.notify_all();
    }

    /// Takes the cleanup back. Waits for it if it runs on another thread right now.
    pub(super) fn take_back(&self) {
        if let Some(cleanup) = self.leave_waiting(Stage::Over) {
            drop(cleanup); // what it captured is foreign code's to drop: not under our lock
            return;
        }
        let me = thread::current().id();
        let mut stage = lock(&self.stage);
        while matches!(*stage, Stage::Running(thread) if thread != me) {
            stage = wait_until(&self.over, stage, None);
        }
    }

    /// The cleanup, if it is still waiting; then it is at `next`.
    fn leave_waiting(&self, next: Stage) -> Option<Cleanup> {
        let mut stage = lock(&self.stage);
        if !matches!(*stage, Stage::Waiting(_)) {
            return None;
        }
        match std::mem::replace(&mut *stage, next) {
            Stage::Waiting(cleanup) => Some(cleanup),
            Stage::Running(_) | Stage::Over => None,
        }
    }
}
