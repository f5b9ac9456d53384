//! One attempt at one place.

use super::place::Place;
use super::shared::Shared;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One attempt at one place, from its beginning to its end. Dropped without a word, it was ended before it had an
/// answer, which says nothing against its place.
#[must_use = "dropped at once, it is an attempt that was ended at once"]
pub struct Visit {
    shared: Arc<Shared>,
    place: Arc<Place>,
    attempt: usize,
    is_measured: bool,
    began: Instant,
    is_told: bool,
}

impl Visit {
    pub(super) fn new(shared: Arc<Shared>, place: Arc<Place>, attempt: usize, is_measured: bool) -> Visit {
        place.began(attempt > 0);
        Visit { shared, place, attempt, is_measured, began: Instant::now(), is_told: false }
    }

    /// Where it goes.
    pub fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// An answer came that speaks for its place.
    pub fn succeeded(mut self) {
        self.is_told = true;
        self.shared.succeeded(&self.place, self.attempt, self.time());
    }

    /// It failed, which speaks against its place: no connection, no answer in time, one that says that the server is in
    /// trouble. `why` is for the log.
    pub fn failed(mut self, why: &dyn Display) {
        self.is_told = true;
        self.shared.failed(&self.place, self.attempt, self.time(), why);
    }

    /// How long it took, if that says something.
    fn time(&self) -> Option<Duration> {
        self.is_measured.then(|| self.began.elapsed())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.place.is_over();
        if !self.is_told {
            self.shared.ended(&self.place, self.attempt, self.time());
        }
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").field("place", &self.place.label()).finish_non_exhaustive()
    }
}
