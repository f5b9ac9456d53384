//! The call itself: a thread of the crew runs it, the caller waits for it at one place.

use super::cleanup::{Cleanup, CleanupResult};
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Crew, CrewSettings, Job};
use crate::deadline::Deadline;
use crate::error::{Error, Phase, panic_message};
use crate::limit::TimeLimit;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long past its end a call is waited for, so that its thread is home when the caller is told: 5 ms.
pub(crate) const GRACE: Duration = Duration::from_millis(5);

/// Runs `call` on a thread of the process's own crew and returns what it returns, if it does so within `limit`.
///
/// ```
/// use headstart::{Error, with_timeout};
/// use std::time::Duration;
///
/// let length = with_timeout(Duration::from_secs(5), || std::fs::read("Cargo.toml").map(|text| text.len()))??;
/// assert!(length > 0);
///
/// let (_open, never) = std::sync::mpsc::channel::<()>();
/// let late = with_timeout(Duration::from_millis(20), move || never.recv());
/// assert!(matches!(late, Err(Error::TimedOut { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::TimedOut`] when the time is over; then the call itself runs on for as long as it likes, since nothing here
/// can end it (see [`TimedCall::cleanup`] and [`with_timeout_on`] for what can). Otherwise as [`TimedCall::run`].
///
/// # Panics
///
/// With what `call` panics with.
pub fn with_timeout<T: Send + 'static>(
    limit: impl Into<TimeLimit>,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    TimedCall::new(limit).run(|_| call())
}

/// Runs `call` on a resource that can be freed: when the time is over, `free` is called on it.
///
/// ```
/// use headstart::{Error, with_timeout_on};
/// use std::io::Read;
/// use std::net::{Shutdown, TcpListener, TcpStream};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let silent = TcpListener::bind("127.0.0.1:0")?;
/// let socket = Arc::new(TcpStream::connect(silent.local_addr()?)?);
/// let read = with_timeout_on(
///     Duration::from_millis(20),
///     &socket,
///     |socket| socket.shutdown(Shutdown::Both),
///     |mut socket| socket.read(&mut [0; 64]),
/// );
/// assert!(matches!(read, Err(Error::TimedOut { .. })));
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// As [`TimedCall::run`].
///
/// # Panics
///
/// With what `call` panics with.
pub fn with_timeout_on<R, T, C>(
    limit: impl Into<TimeLimit>,
    resource: &Arc<R>,
    free: impl FnOnce(&R) -> C + Send + 'static,
    call: impl FnOnce(&R) -> T + Send + 'static,
) -> Result<T, Error>
where
    R: Send + Sync + 'static,
    T: Send + 'static,
    C: CleanupResult,
{
    let (freed, used) = (resource.clone(), resource.clone());
    TimedCall::new(limit).cleanup(move || free(&freed)).run(move |_| call(&used))
}

/// A call to be run against a deadline: what is set here, and the closure.
///
/// ```
/// use headstart::{Crew, CrewSettings, Deadline, TimedCall};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let reason = TimedCall::new(Duration::from_millis(20))
///     .on(&crew)
///     .label("wait for the door")
///     .run(|token| token.wait(Deadline::Never));
/// assert!(reason.is_err()); // timed out, and the closure was told so by its token
/// # Ok::<(), headstart::Error>(())
/// ```
#[must_use = "nothing is called before `run`"]
pub struct TimedCall {
    crew: Option<Crew>,
    label: Arc<str>,
    limit: TimeLimit,
    cleanup: Cleanup,
}

impl TimedCall {
    /// A call that may take this long, counted from here, on the process's own crew and without a cleanup.
    pub fn new(limit: impl Into<TimeLimit>) -> TimedCall {
        TimedCall { crew: None, label: "timed call".into(), limit: limit.into(), cleanup: Cleanup::Nothing }
    }

    /// The crew whose thread runs the call. Defaults to one that the process has for this, with default settings.
    pub fn on(mut self, crew: &Crew) -> TimedCall {
        self.crew = Some(crew.clone());
        self
    }

    /// What the call is called among the stuck calls and in the log. Defaults to `timed call`.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> TimedCall {
        self.label = label.into();
        self
    }

    /// What frees the resource the call hangs in: a socket shut down, a process killed.
    ///
    /// Runs when the call is ended early, because its time is over or its limit's token was canceled: exactly once
    /// then, also when the time was over before the call began, and never otherwise. It runs on the calling thread,
    /// before the caller is told, so a cleanup that blocks holds the caller up
    /// ([`cleanup_blocking`](TimedCall::cleanup_blocking) does not).
    ///
    /// It returns nothing, or a `Result`. That it failed or panicked is logged; the caller is told of the timeout. A
    /// later cleanup replaces an earlier one.
    pub fn cleanup<C: CleanupResult>(mut self, cleanup: impl FnOnce() -> C + 'static) -> TimedCall {
        self.cleanup = Cleanup::OnCaller(Box::new(|| cleanup().into_result()));
        self
    }

    /// Like [`cleanup`](TimedCall::cleanup), for what may take a while: it runs on a thread of the call's crew, and the
    /// caller is told in time. It may still run then; among the [stuck calls](crate::CrewStats::stuck) it is `cleanup
    /// of …` meanwhile. Where the crew has no thread left, it runs on the calling thread, late rather than never.
    pub fn cleanup_blocking<C: CleanupResult>(mut self, cleanup: impl FnOnce() -> C + Send + 'static) -> TimedCall {
        self.cleanup = Cleanup::OnCrew(Box::new(|| cleanup().into_result()));
        self
    }

    /// Runs `call` and returns what it returns. `call` is given a token that is canceled when the call is to end, for
    /// code that asks or registers its own cleanup there.
    ///
    /// # Errors
    ///
    /// - [`Error::TimedOut`] when the time is over, [`Error::Canceled`] when the limit's token was canceled. The call
    ///   has ended then, or is given up after 5 ms more.
    /// - [`Error::NoThread`], [`Error::TooManyStuck`] and [`Error::ThreadStart`]: nothing was called.
    ///
    /// # Panics
    ///
    /// With what `call` panics with.
    pub fn run<T: Send + 'static>(self, call: impl FnOnce(&CancelToken) -> T + Send + 'static) -> Result<T, Error> {
        let limit = self.limit;
        let crew = self.crew.map_or_else(own_crew, Ok)?;
        if let Err(over) = limit.check(Phase::Wait) {
            let reason = limit.token().reason().unwrap_or(CancelReason::DeadlineExceeded);
            self.cleanup.run(&self.label, &crew, reason);
            return Err(over);
        }
        if let Some(most) = crew.is_full_of_stuck_calls() {
            return Err(Error::TooManyStuck { most });
        }
        let token = CancelToken::new();
        let (inbox, arrivals) = bounded(2);
        // Only a message: the cleanup is foreign code, and the canceling thread has others to see to.
        let _canceled = limit.token().on_cancel({
            let inbox = inbox.clone();
            move |reason| drop(inbox.try_send(Event::Canceled(reason)))
        });
        let run = {
            let (token, label) = (token.clone(), self.label.clone());
            move || {
                let result = catch_unwind(AssertUnwindSafe(|| call(&token)));
                if let (Err(panic), true) = (&result, token.is_canceled()) {
                    log::error!("{label} panicked after it was ended: {}", panic_message(&**panic));
                }
                drop(inbox.try_send(Event::Returned(result))); // nobody is left to read what comes too late
            }
        };
        crew.spawn(Claim::Request, Job { label: self.label.clone(), token: Some(token.clone()), run: Box::new(run) })?;
        let reason = match next(&arrivals, limit.deadline()) {
            Event::Returned(result) => return returned(result),
            Event::Canceled(reason) => reason,
        };
        token.cancel(reason);
        self.cleanup.run(&self.label, &crew, reason);
        if matches!(next(&arrivals, Deadline::after(GRACE)), Event::Canceled(_)) {
            log::warn!("{} runs on after it was ended ({reason})", self.label);
        }
        Err(Error::ended(reason, Phase::Wait))
    }
}

impl fmt::Debug for TimedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedCall").field("label", &self.label).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// All that wakes the waiting thread.
enum Event<T> {
    Returned(Result<T, Box<dyn Any + Send>>),
    Canceled(CancelReason),
}

/// What comes first; that the time is over, when nothing does.
fn next<T>(arrivals: &Receiver<Event<T>>, until: Deadline) -> Event<T> {
    let arrived = match until.instant() {
        Some(until) => arrivals.recv_deadline(until),
        None => arrivals.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    arrived.unwrap_or(Event::Canceled(CancelReason::DeadlineExceeded))
}

fn returned<T>(result: Result<T, Box<dyn Any + Send>>) -> Result<T, Error> {
    result.map_err(|panic| resume_unwind(panic))
}

/// The crew of calls that name none.
pub(crate) fn own_crew() -> Result<Crew, Error> {
    static CREW: OnceLock<Crew> = OnceLock::new();
    match CREW.get() {
        Some(crew) => Ok(crew.clone()),
        None => {
            let crew = Crew::new(CrewSettings::default())?;
            Ok(CREW.get_or_init(|| crew).clone()) // of two that came at once, the later one's is dropped
        }
    }
}
