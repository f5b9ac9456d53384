//! What was seen of a service, wherever it was read.

use headstart::policy::Observed;
use std::time::Duration;

/// What one source tells.
#[derive(Debug)]
pub(super) struct Seen {
    /// Where it was read, for people.
    pub(super) source: String,
    /// How far back it goes, if the source says so.
    pub(super) window: Option<Duration>,
    pub(super) routes: Vec<Figures>,
    /// Lines that could not be read.
    pub(super) malformed: u64,
}

/// What was seen of one route.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) route: String,
    /// Times of primaries, in ascending order.
    pub(super) primaries: Vec<Observed>,
    /// Times of hedges, each since its own beginning.
    pub(super) hedges: Vec<Observed>,
    /// The most hedges of one race.
    pub(super) most: u32,
    /// Hedges allowed, as a share of primaries. `None` where the source does not say.
    pub(super) budget: Option<f64>,
    /// How many different upstreams there are, if the source says so.
    pub(super) upstreams: Option<usize>,
    pub(super) now: Now,
}

/// What holds now, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Now {
    /// As it was set, such as `auto:2ms..1s`.
    pub(super) hedge: Option<String>,
    /// How long a hedge waits for its primary. `None`: there are no hedges, or nobody knows when.
    pub(super) delay: Option<Duration>,
    /// Everything is decided and nothing sent.
    pub(super) is_dry: bool,
    pub(super) primaries: u64,
    pub(super) hedges: u64,
    /// Hedges that were due and not sent, by their reason.
    pub(super) skipped: Vec<(String, u64)>,
    /// Seconds, in all. `None` where the source does not say.
    pub(super) saved: Option<f64>,
    pub(super) wasted: Option<f64>,
}
