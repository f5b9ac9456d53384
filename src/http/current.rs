//! The call that this thread makes, for the connection code beneath ureq.
//!
//! The problem: the traits by which ureq is given connections carry no context, so a transport that is taken from the
//! pool does not learn for whom. The answer: ureq runs a call on the thread that made it, so the call's token waits in
//! a thread-local for as long as the call lasts, and what the connection saw is left there for the caller to judge.
//!
//! What this does not do: hold anything beyond a call, or reach another thread.

use crate::cancel::CancelToken;
use crate::error::Phase;
use crate::net::lease::Reached;
use std::cell::RefCell;
use std::marker::PhantomData;

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

struct Current {
    token: CancelToken,
    seen: Seen,
    phase: Phase,
    patience: Patience,
}

/// What became of the call's connection so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) reached: Reached,
    /// The connection was made for this call.
    pub(super) is_fresh: bool,
    /// The call is done with the connection, which may serve another one.
    pub(super) kept: bool,
}

impl Seen {
    /// A connection that nothing has gone over in this call.
    pub(super) const NOTHING: Seen = Seen { reached: Reached::Unsent, is_fresh: false, kept: false };
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
    let current =
        Current { token: token.clone(), seen: Seen::NOTHING, phase: Phase::Connect, patience: Patience::default() };
    Entered { previous: CURRENT.replace(Some(current)), same_thread: PhantomData }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.previous.take());
    }
}

fn read<T>(default: T, of: impl FnOnce(&Current) -> T) -> T {
    CURRENT.with_borrow(|current| current.as_ref().map_or(default, of))
}

fn change(change: impl FnOnce(&mut Current)) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(current) = current {
            change(current);
        }
    });
}

/// The token of the current call; `None` outside of one.
pub(super) fn token() -> Option<CancelToken> {
    read(None, |current| Some(current.token.clone()))
}

/// What the current call's connection saw so far.
pub(super) fn seen() -> Seen {
    read(Seen::NOTHING, |current| current.seen)
}

/// Changes what the current call's connection saw.
pub(super) fn see(see: impl FnOnce(&mut Seen)) {
    change(|current| see(&mut current.seen));
}

/// What the current call is doing.
pub(super) fn phase() -> Phase {
    read(Phase::Wait, |current| current.phase)
}

/// Says what the current call does from here on.
pub(super) fn enter_phase(phase: Phase) {
    change(|current| current.phase = phase);
}

/// Whether the current call's reads wait.
pub(super) fn patience() -> Patience {
    read(Patience::default(), |current| current.patience)
}

/// Decides whether the current call's reads wait from here on.
pub(super) fn set_patience(patience: Patience) {
    change(|current| current.patience = patience);
}
