//! How many may use a server at a time.

use crate::cancel::CancelReason;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crossbeam_channel::{Receiver, Sender, at, bounded, never, select_biased};

/// A fixed number of permits, each for one connection.
pub(super) struct Permits {
    free: Receiver<()>,
    back: Sender<()>,
}

/// The right to have one connection. Dropping it gives it back.
pub(super) struct Permit {
    back: Sender<()>,
}

impl Permits {
    pub(super) fn new(count: usize) -> Permits {
        let (back, free) = bounded(count);
        let permits = Permits { free, back };
        (0..count).for_each(|_| drop(permits.permit()));
        permits
    }

    fn permit(&self) -> Permit {
        Permit { back: self.back.clone() }
    }

    /// A permit, as soon as there is one.
    ///
    /// # Errors
    ///
    /// The end of `limit`.
    pub(super) fn take(&self, limit: &TimeLimit) -> Result<Permit, Error> {
        let (cancel, canceled) = bounded(1);
        let over = limit.deadline().instant().map_or_else(never, at);
        let _canceled = limit.token().on_cancel(move |reason| {
            let _ = cancel.try_send(reason);
        });
        select_biased! {
            recv(self.free) -> _ => Ok(self.permit()),
            recv(canceled) -> reason => Err(Error::ended(reason.unwrap_or(CancelReason::Shutdown), Phase::Wait)),
            recv(over) -> _ => Err(Error::TimedOut { during: Phase::Wait }),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let _ = self.back.try_send(()); // there is room for every permit
    }
}
