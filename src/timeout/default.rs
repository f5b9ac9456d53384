//! How long a call may take that does not say so itself.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::limit::TimeLimit;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

static OF_THE_PROCESS: RwLock<Option<Arc<dyn Fn() -> Duration + Send + Sync>>> = RwLock::new(None);

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Rc<dyn Fn() -> Duration>>> = const { RefCell::new(None) };
}

/// The limit of a call that has none of its own: what the installed function answers, asked anew for each call.
///
/// The function of the calling thread goes before that of the process. With neither, a call fails with
/// [`Error::NoDefaultTimeout`] instead of waiting without end.
///
/// ```
/// use headstart::timeout::{DefaultTimeout, with_timeout};
/// use std::time::Duration;
///
/// let _scope = DefaultTimeout::for_this_thread(|| Duration::from_secs(2));
/// assert_eq!(with_timeout(DefaultTimeout::limit()?, || 1 + 1)?, 2);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultTimeout;

impl DefaultTimeout {
    /// Installs `ask` for every thread of the process that has no function of its own, in place of the one before.
    pub fn install(ask: impl Fn() -> Duration + Send + Sync + 'static) {
        replace(Some(Arc::new(ask)));
    }

    /// Takes the function of the process back.
    pub fn uninstall() {
        replace(None);
    }

    /// Installs `ask` for this thread until the scope is dropped. Scopes nest.
    ///
    /// A closure that runs under a limit runs on another thread, where this scope does not reach: hand it the
    /// [`Budget`], which is `Copy`.
    #[must_use = "dropping the scope brings back what was before"]
    pub fn for_this_thread(ask: impl Fn() -> Duration + 'static) -> DefaultTimeoutScope {
        let before = OF_THIS_THREAD.replace(Some(Rc::new(ask)));
        DefaultTimeoutScope { before, same_thread: PhantomData }
    }

    /// The limit of a call that begins now and has none of its own.
    ///
    /// # Errors
    ///
    /// [`Error::NoDefaultTimeout`] when nothing is installed: no call waits without end because somebody forgot to say
    /// how long.
    pub fn limit() -> Result<TimeLimit, Error> {
        DefaultTimeout::current().map(TimeLimit::from).ok_or(Error::NoDefaultTimeout)
    }

    /// How long a call may take that begins now; `None` when nothing is installed.
    pub fn current() -> Option<Duration> {
        // Asked outside the lock and the borrow: what was installed is foreign code.
        if let Some(ask) = OF_THIS_THREAD.with_borrow(Clone::clone) {
            return Some(ask());
        }
        let ask = OF_THE_PROCESS.read().unwrap_or_else(PoisonError::into_inner).clone();
        ask.map(|ask| ask())
    }
}

fn replace(ask: Option<Arc<dyn Fn() -> Duration + Send + Sync>>) {
    let before = std::mem::replace(&mut *OF_THE_PROCESS.write().unwrap_or_else(PoisonError::into_inner), ask);
    drop(before); // outside the lock
}

/// Keeps a default timeout installed for one thread.
pub struct DefaultTimeoutScope {
    before: Option<Rc<dyn Fn() -> Duration>>,
    same_thread: PhantomData<*const ()>,
}

impl Drop for DefaultTimeoutScope {
    fn drop(&mut self) {
        let scoped = OF_THIS_THREAD.replace(self.before.take());
        drop(scoped); // outside the borrow
    }
}

impl fmt::Debug for DefaultTimeoutScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultTimeoutScope").finish_non_exhaustive()
    }
}

/// Time for several calls together: each has what those before it have left.
///
/// ```
/// use headstart::timeout::{Budget, DefaultTimeout, with_timeout};
/// use std::time::Duration;
///
/// let budget = Budget::new(Duration::from_secs(30));
/// with_timeout(budget, || "one call")?;
/// // Or for every call on this thread that names no timeout.
/// let _scope = budget.for_this_thread();
/// with_timeout(DefaultTimeout::limit()?, || "the next one")?;
/// assert!(budget.remaining() <= Duration::from_secs(30));
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    deadline: Deadline,
}

impl Budget {
    /// This long, from now.
    pub fn new(total: Duration) -> Budget {
        Budget { deadline: Deadline::after(total) }
    }

    /// What is left: zero once it is spent.
    pub fn remaining(&self) -> Duration {
        self.deadline.remaining().unwrap_or(Duration::MAX)
    }

    /// When it is spent.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Makes what is left the default timeout of this thread's calls, until the scope is dropped.
    #[must_use = "dropping the scope brings back what was before"]
    pub fn for_this_thread(self) -> DefaultTimeoutScope {
        DefaultTimeout::for_this_thread(move || self.remaining())
    }

    /// Makes what is left the default timeout of the process.
    pub fn install(self) {
        DefaultTimeout::install(move || self.remaining());
    }
}

/// Over when the budget is spent.
impl From<Budget> for TimeLimit {
    fn from(budget: Budget) -> TimeLimit {
        budget.deadline.into()
    }
}
