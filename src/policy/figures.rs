//! What a policy has seen and decided, to be shown.

use super::curve::Observed;
use super::place::PlaceState;
use crate::event::SkipReason;
use std::time::Duration;

/// What a [`Policy`](super::Policy) has seen and decided.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Figures {
    /// Since the policy began, as are the next five.
    pub primaries_sent: u64,
    /// Hedges that were begun.
    pub hedges_sent: u64,
    /// Hedges that won.
    pub hedges_won: u64,
    /// Hedges that were due and not sent, for each reason.
    pub skipped: Vec<(SkipReason, u64)>,
    /// By how much winners that were hedges came earlier than their primaries would have, as far as the times of
    /// others tell.
    pub saved: Duration,
    /// How long upstreams have worked on attempts that lost.
    pub wasted: Duration,
    /// How many hedges the budget has room for now.
    pub budget_left: u64,
    /// Sent within the budget's window, the last 10 s.
    pub recent_primaries: u64,
    /// Granted within it, those of a dry run included.
    pub recent_hedges: u64,
    /// Hedges that run now.
    pub running_hedges: usize,
    /// How far the next two go back.
    pub window: Duration,
    /// The times of primaries, wherever they went.
    pub primaries: Vec<Observed>,
    /// The times of hedges, each from its own beginning.
    pub hedges: Vec<Observed>,
    /// Each place.
    pub places: Vec<PlaceFigures>,
}

/// What a policy knows of a place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlaceFigures {
    /// What it is called.
    pub label: String,
    /// Whether it gets primaries.
    pub state: PlaceState,
    /// Attempts that run there.
    pub in_flight: usize,
    /// Since the place was made.
    pub primaries_sent: u64,
    /// Since the place was made.
    pub hedges_sent: u64,
    /// The delay of a race whose primary goes there. `None` if nothing is hedged, or by a schedule.
    pub delay: Option<Duration>,
}
