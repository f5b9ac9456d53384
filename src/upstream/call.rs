//! What the connection code has to know of the call it works for.
//!
//! The problem: the traits by which ureq is given connections carry no context, so a transport that is taken from the pool
//! does not learn for whom. The answer: ureq runs a call on the thread that made it, so the call's token waits in a
//! thread-local for as long as the call lasts, and what the connection saw is left there for the caller to judge.
//!
//! What this does not do: hold anything beyond a call, or reach another thread.

use crate::cancel::CancelToken;
use std::cell::RefCell;
use std::marker::PhantomData;

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The call this thread makes.
struct Current {
    token: CancelToken,
    seen: Seen,
    patience: Patience,
}

/// What became of the call's connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The connection had served a call before.
    pub(super) reused: bool,
    /// The system took something that was to be sent.
    pub(super) sent: bool,
    /// Something was received.
    pub(super) received: bool,
    /// The call is done with the connection, which may serve another one.
    pub(super) kept: bool,
}

/// Whether a read waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Patience {
    /// It does.
    #[default]
    Waits,
    /// It takes what has arrived and fails when that is nothing.
    TakesWhatIsHere,
}

/// Keeps a call the current one of its thread; dropping it brings back the one before.
pub(super) struct Entered {
    previous: Option<Current>,
    same_thread: PhantomData<*const ()>,
}

/// Makes the call that `token` ends the current one.
pub(super) fn enter(token: &CancelToken) -> Entered {
    let current = Current { token: token.clone(), seen: Seen::default(), patience: Patience::default() };
    Entered { previous: CURRENT.replace(Some(current)), same_thread: PhantomData }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.previous.take());
    }
}

/// The token of the current call; `None` outside of one.
pub(super) fn token() -> Option<CancelToken> {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.token.clone()))
}

/// What the current call's connection saw so far.
pub(super) fn seen() -> Seen {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.seen).unwrap_or_default())
}

/// Changes what the current call's connection saw.
pub(super) fn see(change: impl FnOnce(&mut Seen)) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(current) = current {
            change(&mut current.seen);
        }
    });
}

/// Whether the current call's reads wait.
pub(super) fn patience() -> Patience {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.patience).unwrap_or_default())
}

/// Decides whether the current call's reads wait from here on.
pub(super) fn set_patience(patience: Patience) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(current) = current {
            current.patience = patience;
        }
    });
}
