//! How many may use a server at a time.

use crate::cancel::CancelReason;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crossbeam_channel::{Receiver, Sender, at, bounded, never, select_biased};

/// A fixed number of seats, taken and given back.
pub(super) struct Seats {
    free: Receiver<()>,
    back: Sender<()>,
}

/// The right to have one connection. Dropping it gives it back.
pub(super) struct Seat {
    back: Sender<()>,
}

impl Seats {
    pub(super) fn new(count: usize) -> Seats {
        let (back, free) = bounded(count);
        let seats = Seats { free, back };
        (0..count).for_each(|_| drop(seats.seat()));
        seats
    }

    fn seat(&self) -> Seat {
        Seat { back: self.back.clone() }
    }

    /// A seat, as soon as there is one.
    pub(super) fn take(&self, limit: &TimeLimit) -> Result<Seat, Error> {
        let (cancel, canceled) = bounded(1);
        let over = limit.deadline().instant().map_or_else(never, at);
        let _canceled = limit.token().on_cancel(move |reason| {
            let _ = cancel.try_send(reason);
        });
        select_biased! {
            recv(self.free) -> _ => Ok(self.seat()),
            recv(canceled) -> reason => Err(Error::ended(reason.unwrap_or(CancelReason::Shutdown), Phase::Wait)),
            recv(over) -> _ => Err(Error::TimedOut { during: Phase::Wait }),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.back.try_send(()); // there is room for every seat
    }
}
