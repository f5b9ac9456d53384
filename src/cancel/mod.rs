//! Ending a blocking call from another thread.
//!
//! The problem: a thread that sits in `read(2)` looks at no flag. It has to be freed from what it hangs in, by shutting
//! its socket down or ending its process, and this must not happen a moment too late, when the socket already serves
//! the next call.
//!
//! The answer: a [`CancelToken`] that is decided once, with a reason, and runs the cleanups registered with it. A call
//! registers how it can be freed before it blocks and takes that back when it is done. Taking it back waits for a
//! cleanup that runs at that moment, so once [`CleanupGuard`] is gone nobody touches the resource any more (the
//! semantics of C++'s `std::stop_callback`).
//!
//! What this does not do: interrupt code that registers nothing and never asks. Such a call runs on until it returns by
//! itself; [`Crew::stats`](crate::Crew::stats) shows it meanwhile.

mod handed_over;
mod reason;

pub(crate) use handed_over::HandedOver;
pub use reason::CancelReason;

use crate::deadline::Deadline;
use crate::sync::{Arc, AtomicU8, Condvar, Mutex, MutexGuard, Ordering, lock, thread, wait_until};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

type Cleanup = Box<dyn FnOnce(CancelReason) + Send>;

/// A decision to end a call, shared by who makes it and who has to hear of it. Clones are handles to the same decision.
///
/// ```
/// use headstart::{CancelReason, CancelToken};
/// use std::net::{Shutdown, TcpListener, TcpStream};
/// use std::{io::Read, sync::Arc, thread};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let socket = Arc::new(TcpStream::connect(listener.local_addr()?)?);
/// let token = CancelToken::new();
///
/// let blocked = thread::spawn({
///     let (socket, token) = (socket.clone(), token.clone());
///     move || {
///         let handle = socket.clone();
///         let _cleanup = token.on_cancel(move |_| drop(handle.shutdown(Shutdown::Both)));
///         (&*socket).read(&mut [0; 1])
///     }
/// });
/// token.cancel(CancelReason::DeadlineExceeded);
/// assert_eq!(blocked.join().unwrap()?, 0); // the read came back
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

struct Shared {
    /// 0 until decided, then a reason's code for good. The winning exchange releases what the canceler wrote before.
    reason: AtomicU8,
    cleanups: Mutex<Cleanups>,
    /// Signalled when the token is decided and when a cleanup has returned.
    changed: Condvar,
}

#[derive(Default)]
struct Cleanups {
    /// When the cleanups began to run.
    canceled_at: Option<Instant>,
    next_id: u64,
    /// By order of registration. A map, since one token may end thousands of calls that come and go.
    registered: BTreeMap<u64, Cleanup>,
    /// The cleanup that runs right now, outside the lock, and the thread that runs it.
    running: Option<(u64, thread::ThreadId)>,
    /// How many threads wait on `changed`: mostly none, and to wake nobody is a system call too.
    waiting: usize,
}

impl Shared {
    fn wait<'a>(&'a self, mut cleanups: MutexGuard<'a, Cleanups>, until: Option<Instant>) -> MutexGuard<'a, Cleanups> {
        cleanups.waiting += 1;
        cleanups = wait_until(&self.changed, cleanups, until);
        cleanups.waiting -= 1;
        cleanups
    }

    fn wake(&self, cleanups: &Cleanups) {
        if cleanups.waiting > 0 {
            self.changed.notify_all();
        }
    }
}

impl CancelToken {
    /// A token nobody has canceled yet.
    pub fn new() -> Self {
        CancelToken {
            shared: Arc::new(Shared {
                reason: AtomicU8::new(0),
                cleanups: Mutex::new(Cleanups::default()),
                changed: Condvar::new(),
            }),
        }
    }

    /// Cancels: the first call decides, runs the registered cleanups in the order of their registration and returns
    /// `true`; every later call changes nothing and returns `false`.
    ///
    /// A cleanup that panics is logged and hides nothing: the others still run.
    pub fn cancel(&self, reason: CancelReason) -> bool {
        match self.decide(reason) {
            Some(decision) => {
                decision.run_cleanups();
                true
            }
            None => false,
        }
    }

    /// Decides without running the cleanups yet, for who has something to say in between.
    pub(crate) fn decide(&self, reason: CancelReason) -> Option<Decision<'_>> {
        self.shared
            .reason
            .compare_exchange(0, reason.to_code(), Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then_some(Decision { token: self, reason })
    }

    /// Why the token was canceled, or `None` while it was not.
    pub fn reason(&self) -> Option<CancelReason> {
        CancelReason::from_code(self.shared.reason.load(Ordering::Acquire))
    }

    /// Whether the token was canceled.
    pub fn is_canceled(&self) -> bool {
        self.reason().is_some()
    }

    /// When the token was canceled.
    pub(crate) fn canceled_at(&self) -> Option<Instant> {
        lock(&self.shared.cleanups).canceled_at
    }

    /// Registers what frees the call that is about to block. Runs `cleanup` at once, on this thread, when the token was
    /// canceled before; otherwise on the thread that cancels, at most once.
    ///
    /// A cleanup has to be quick and must not block: everything else that is being canceled waits for it. For one that
    /// may block there is [`on_cancel_blocking`](CancelToken::on_cancel_blocking).
    #[must_use = "dropping the guard takes the cleanup back"]
    pub fn on_cancel(&self, cleanup: impl FnOnce(CancelReason) + Send + 'static) -> CleanupGuard {
        let mut cleanups = lock(&self.shared.cleanups);
        if let Some(reason) = self.reason() {
            drop(cleanups);
            cleanup(reason);
            return CleanupGuard { token: self.clone(), id: None, handed_over: None };
        }
        let id = cleanups.next_id;
        cleanups.next_id += 1;
        cleanups.registered.insert(id, Box::new(cleanup));
        CleanupGuard { token: self.clone(), id: Some(id), handed_over: None }
    }

    /// Has this token canceled when `other` is, for the same reason.
    #[allow(dead_code)] // not in every set of features is there a call with a token of its own
    #[must_use = "dropping the guard ends it"]
    pub(crate) fn follow(&self, other: &CancelToken) -> CleanupGuard {
        let token = self.clone();
        other.on_cancel(move |reason| _ = token.cancel(reason))
    }

    /// Sleeps until the token is canceled or `deadline` passes: the cooperative counterpart of a cleanup.
    pub fn wait(&self, deadline: Deadline) -> Option<CancelReason> {
        let mut cleanups = lock(&self.shared.cleanups);
        loop {
            if let Some(reason) = self.reason() {
                return Some(reason);
            }
            if deadline.has_passed() {
                return None;
            }
            cleanups = self.shared.wait(cleanups, deadline.instant());
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("reason", &self.reason()).finish()
    }
}

/// A token decided by this thread, whose cleanups have yet to run. They run at the latest when this is dropped.
pub(crate) struct Decision<'a> {
    token: &'a CancelToken,
    reason: CancelReason,
}

impl Decision<'_> {
    pub(crate) fn run_cleanups(self) {}
}

impl Drop for Decision<'_> {
    fn drop(&mut self) {
        let shared = &self.token.shared;
        let mut cleanups = lock(&shared.cleanups);
        cleanups.canceled_at = Some(Instant::now());
        shared.wake(&cleanups);
        while let Some((id, cleanup)) = cleanups.registered.pop_first() {
            cleanups.running = Some((id, thread::current().id()));
            drop(cleanups);
            if catch_unwind(AssertUnwindSafe(|| cleanup(self.reason))).is_err() {
                log::error!("a cleanup panicked while canceling ({})", self.reason);
            }
            cleanups = lock(&shared.cleanups);
            cleanups.running = None;
            shared.wake(&cleanups);
        }
    }
}

/// Keeps a cleanup registered. Dropping it takes the cleanup back, first waiting for it if it runs on another thread
/// right now, so that afterwards the resource is the caller's alone.
pub struct CleanupGuard {
    token: CancelToken,
    /// `None` when the cleanup ran at registration.
    id: Option<u64>,
    /// The cleanup itself, when what is registered only hands it to another thread.
    handed_over: Option<Arc<HandedOver>>,
}

impl CleanupGuard {
    /// A guard of `cleanup` as well, which what this one guards hands to another thread.
    pub(crate) fn of(self, cleanup: Arc<HandedOver>) -> CleanupGuard {
        let mut guard = self;
        guard.handed_over = Some(cleanup);
        guard
    }

    fn take_back(&self, id: u64) {
        let shared = &self.token.shared;
        let mut cleanups = lock(&shared.cleanups);
        if let Some(cleanup) = cleanups.registered.remove(&id) {
            drop(cleanups);
            drop(cleanup); // what it captured is foreign code's to drop: not under our lock
            return;
        }
        let me = thread::current().id();
        while cleanups.running.is_some_and(|(running, thread)| running == id && thread != me) {
            cleanups = shared.wait(cleanups, None);
        }
    }
}

impl Drop for CleanupGuard {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.take_back(id);
        }
        if let Some(cleanup) = &self.handed_over {
            cleanup.take_back();
        }
    }
}

impl fmt::Debug for CleanupGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CleanupGuard").field("token", &self.token).finish_non_exhaustive()
    }
}
