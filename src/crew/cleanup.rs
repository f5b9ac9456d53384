//! Cleanups that may block.
//!
//! The problem: a cleanup runs on the thread that cancels, which may be the one that waits for a race, or the alarm's.
//! One that sleeps, asks a server or waits for a lock holds up all of them. The answer: the canceling thread hands such
//! a cleanup to the crew and goes on.

use super::job::{Claim, Job};
use super::threads::Crew;
use crate::cancel::{CancelReason, CancelToken, CleanupGuard, HandedOver};
use crate::sync::Arc;

impl CancelToken {
    /// Like [`on_cancel`](CancelToken::on_cancel), for a cleanup that may block: it runs on a thread of `crew`, and
    /// whoever cancels does not wait for it. Also when the token was canceled before.
    ///
    /// Dropping the guard means what it always means: afterwards the cleanup does not run, for which the drop waits if
    /// it runs at that moment. So the call whose resource it frees ends as late as the cleanup, on its own thread, and
    /// should not be a primary [on the calling thread](crate::race::Primary::OnCaller).
    ///
    /// The cleanup counts as a request's job. Where the crew has no thread left, it runs on the canceling thread, late
    /// rather than never. While it runs, it is listed as `cleanup` among the [stuck calls](crate::CrewStats::stuck),
    /// and [`Crew::shutdown`] waits for it.
    ///
    /// ```
    /// use headstart::{CancelReason, CancelToken, Crew, CrewSettings};
    /// use std::sync::mpsc;
    ///
    /// let crew = Crew::new(CrewSettings::default())?;
    /// let token = CancelToken::new();
    /// let (go_on, wait) = mpsc::channel();
    /// let guard = token.on_cancel_blocking(&crew, move |_| wait.recv().unwrap());
    /// token.cancel(CancelReason::Shutdown); // returns at once
    /// go_on.send(()).unwrap();
    /// drop(guard); // waits for the cleanup, if it has begun
    /// # Ok::<(), headstart::Error>(())
    /// ```
    #[must_use = "dropping the guard takes the cleanup back"]
    pub fn on_cancel_blocking(&self, crew: &Crew, cleanup: impl FnOnce(CancelReason) + Send + 'static) -> CleanupGuard {
        let cleanup = HandedOver::new(cleanup);
        let (crew, handed_over) = (crew.clone(), cleanup.clone());
        self.on_cancel(move |reason| crew.clean_up("cleanup", reason, &handed_over)).of(cleanup)
    }
}

impl Crew {
    /// Has a thread run `cleanup`; or runs it here, when there is none.
    pub(crate) fn clean_up(&self, label: &str, reason: CancelReason, cleanup: &Arc<HandedOver>) {
        // Canceled from the start, so that it is listed for as long as it takes.
        let token = CancelToken::new();
        token.cancel(reason);
        let handed_over = cleanup.clone();
        let run = Box::new(move || handed_over.run(reason));
        if let Err(error) = self.spawn(Claim::Request, Job { label: label.into(), token: Some(token), run }) {
            log::warn!("{label} holds up the thread that cancels, since it may block and has no other: {error}");
            cleanup.run(reason);
        }
    }
}
