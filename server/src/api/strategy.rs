//! What a route does: when its attempts start, what counts as done, and which statuses it answers with.

use headstart::Schedule;

/// What a route answers, as the endpoint of the same name does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The first success of attempts that start by the schedule. The default.
    #[default]
    Smart,
    /// The first success of attempts that start at once.
    First,
    /// All successes, once all attempts have ended.
    All,
    /// What has succeeded when the time is over.
    WithinTimeout,
}

impl Strategy {
    /// The names, as they are written in settings.
    pub const NAMES: [(&str, Strategy); 4] = [
        ("smart", Strategy::Smart),
        ("first", Strategy::First),
        ("all", Strategy::All),
        ("within-timeout", Strategy::WithinTimeout),
    ];

    /// Its name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Smart => "smart",
            Strategy::First => "first",
            Strategy::All => "all",
            Strategy::WithinTimeout => "within-timeout",
        }
    }

    /// When the attempts start where a race has `schedule`.
    pub(super) fn starts(self, schedule: &Schedule) -> Schedule {
        match self {
            Strategy::Smart => schedule.clone(),
            Strategy::First | Strategy::All | Strategy::WithinTimeout => schedule.at_once(),
        }
    }

    /// Whether one success ends the race.
    pub(super) fn is_for_first(self) -> bool {
        matches!(self, Strategy::Smart | Strategy::First)
    }

    /// All it answers with, save for defects. `openapi.json` says the same at length; a test compares them.
    pub(super) fn statuses(self) -> &'static [u16] {
        match self {
            Strategy::Smart | Strategy::First => &[200, 400, 405, 408, 499, 503],
            Strategy::All => &[200, 400, 405, 408, 499, 502, 503],
            Strategy::WithinTimeout => &[200, 400, 405, 499, 503],
        }
    }
}
