//! What the races of a policy share, and the decision about a hedge.

use super::budget::Budget;
use super::figures::{Figures, PlaceFigures};
use super::ledger::Ledger;
use super::pace;
use super::place::Place;
use super::record::Record;
use super::settings::{Delay, PolicySettings};
use super::throttle::Throttle;
use super::worth::Worth;
use crate::cancel::CancelReason;
use crate::event::{RaceEnd, RaceEnded, SkipReason};
use crate::race::{Due, Pace, Permit, Verdict};
use crate::sync::lock;
use arc_swap::ArcSwap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How far the times of all attempts go back: fifteen epochs.
const EPOCHS: usize = 15;
const EPOCH: Duration = Duration::from_secs(60);
/// How often they are taken over, so that each falls into its epoch.
const TAKE_OVER: Duration = Duration::from_secs(10);
/// When a hedge that is refused for now is asked for again: after its delay, but no sooner than this.
const AGAIN: Duration = Duration::from_millis(10);
/// The longest that an upstream is left alone because it asked for that.
pub(super) const LONGEST_PUSHBACK: Duration = Duration::from_secs(60);

/// The state of a policy.
pub(super) struct Shared {
    settings: ArcSwap<PolicySettings>,
    clock: Instant,
    budget: Budget,
    throttle: Throttle,
    worth: Worth,
    /// How many hedges run. Their permits hold it.
    running: Arc<AtomicUsize>,
    pub(super) ledger: Ledger,
    /// The times of primaries and of hedges, wherever they went.
    times: [Record; 2],
    next_take_over: AtomicU64,
    places: ArcSwap<Vec<Arc<Place>>>,
    /// Held while `places` are changed.
    changing: Mutex<()>,
    one_place: OnceLock<Arc<Place>>,
}

/// Counts a hedge as running until it is dropped.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn new(settings: PolicySettings) -> Shared {
        Shared {
            settings: ArcSwap::from_pointee(settings),
            clock: Instant::now(),
            budget: Budget::new(),
            throttle: Throttle::new(),
            worth: Worth::new(),
            running: Arc::default(),
            ledger: Ledger::default(),
            times: [(); 2].map(|()| Record::new(EPOCHS, EPOCH)),
            next_take_over: AtomicU64::new(0),
            places: ArcSwap::default(),
            changing: Mutex::default(),
            one_place: OnceLock::new(),
        }
    }

    pub(super) fn settings(&self) -> Arc<PolicySettings> {
        self.settings.load_full()
    }

    pub(super) fn change(&self, settings: PolicySettings) {
        self.settings.store(Arc::new(settings));
        for place in self.places.load().iter() {
            place.look_soon();
            self.look(place);
        }
    }

    pub(super) fn add(&self, label: Arc<str>) -> Arc<Place> {
        let place = Arc::new(Place::new(label, self.clock));
        let _changing = lock(&self.changing);
        let mut places = self.places.load().to_vec();
        places.push(place.clone());
        self.places.store(Arc::new(places));
        place
    }

    pub(super) fn remove(&self, place: &Arc<Place>) {
        let _changing = lock(&self.changing);
        let mut places = self.places.load().to_vec();
        places.retain(|other| !Arc::ptr_eq(other, place));
        self.places.store(Arc::new(places));
    }

    /// The place of races that know none.
    pub(super) fn one_place(&self) -> &Arc<Place> {
        self.one_place.get_or_init(|| self.add("calls".into()))
    }

    /// When the hedges of a race are due whose primary goes to `place`.
    #[inline]
    pub(super) fn pace(&self, place: &Place) -> Pace {
        let settings = self.settings.load();
        let delay = match settings.delay {
            Delay::Scheduled => return Pace::AsScheduled,
            Delay::Off => return Pace::Every { delay: Duration::MAX, hedges: 0 },
            Delay::After(delay) => delay,
            Delay::Quantile { bounds, .. } | Delay::Auto(bounds) => place.delay().unwrap_or(bounds.longest),
        };
        Pace::Every { delay, hedges: settings.hedges }
    }

    /// Whether hedges have limits: a schedule has none.
    pub(super) fn is_limited(&self) -> bool {
        self.settings.load().delay != Delay::Scheduled
    }

    /// Whether a hedge that is due may be sent.
    pub(super) fn ask(&self, due: &Due) -> Verdict {
        let settings = self.settings.load();
        if settings.delay == Delay::Scheduled {
            return Verdict::Begin(None);
        }
        let later = |reason| {
            let after = (due.at / due.attempt.max(1) as u32).max(AGAIN);
            Verdict::Later { reason, after }
        };
        if !self.throttle.is_open() {
            return later(SkipReason::Throttle);
        }
        if self.is_everybody_left_alone() {
            return Verdict::Never(SkipReason::Pushback);
        }
        if due.deadline.remaining().is_some_and(|left| self.shortest_median().is_some_and(|median| left < median)) {
            return Verdict::Never(SkipReason::Deadline);
        }
        let Some(running) = self.one_more(settings.max_concurrent.unwrap_or(usize::MAX)) else {
            return later(SkipReason::Concurrency);
        };
        if !self.budget.take(self.clock.elapsed(), self.share(&settings), settings.min_rate) {
            return later(SkipReason::Budget);
        }
        if settings.is_dry_run {
            return Verdict::Never(SkipReason::DryRun);
        }
        Verdict::Begin(Some(Permit::new(running)))
    }

    /// Why a race waits for no hedge once an attempt has failed: as things are, none would be sent. So that who hedges
    /// gets failures as soon as who does not.
    pub(super) fn stop(&self) -> Option<SkipReason> {
        let settings = self.settings.load();
        if settings.delay == Delay::Scheduled {
            return None;
        }
        if !self.throttle.is_open() {
            return Some(SkipReason::Throttle);
        }
        settings.is_dry_run.then_some(SkipReason::DryRun)
    }

    fn one_more(&self, most: usize) -> Option<Running> {
        let one_more = |running: usize| (running < most).then_some(running + 1);
        self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Running(self.running.clone()))
    }

    fn is_everybody_left_alone(&self) -> bool {
        let now = millis(self.clock.elapsed());
        let places = self.places.load();
        !places.is_empty() && places.iter().all(|place| place.is_left_alone(now))
    }

    fn shortest_median(&self) -> Option<Duration> {
        self.places.load().iter().filter_map(|place| place.median()).min()
    }

    #[inline]
    pub(super) fn attempt_began(&self, attempt: usize) {
        self.ledger.sent(attempt);
        if attempt == 0 {
            self.budget.count_primary(self.clock.elapsed());
        }
    }

    /// Counts a race, and whether a hedge has won it. One that was ended for want of time shows that its hedge was of
    /// no use; one whose client left shows nothing.
    pub(super) fn race_ended(&self, event: &RaceEnded) {
        let is_won_by_hedge = event.winner.is_some_and(|winner| winner > 0);
        if is_won_by_hedge {
            self.ledger.won();
        }
        if event.begun > 1 && matches!(event.end, RaceEnd::Won | RaceEnd::Canceled(CancelReason::DeadlineExceeded)) {
            self.worth.count(is_won_by_hedge);
        }
    }

    /// How many hedges there may be for each primary. `auto` uses less than the budget where hedges win nothing.
    fn share(&self, settings: &PolicySettings) -> f64 {
        match settings.delay {
            Delay::Auto(_) => settings.budget * self.worth.part(),
            _ => settings.budget,
        }
    }

    /// An attempt at `place` has succeeded, after `time` if that says something.
    pub(super) fn succeeded(&self, place: &Place, attempt: usize, time: Option<Duration>) {
        place.succeeded();
        self.throttle.succeeded();
        if let Some(time) = time {
            place.finished(time);
            self.times[usize::from(attempt > 0)].finished(time);
        }
        self.look(place);
    }

    /// An attempt at `place` was ended before it had an answer.
    pub(super) fn ended(&self, place: &Place, attempt: usize, time: Option<Duration>) {
        if let Some(time) = time {
            place.ended(time);
            self.times[usize::from(attempt > 0)].ended(time);
        }
        self.look(place);
    }

    /// An attempt at `place` has failed: what it would have taken to succeed is as little known as of one that was
    /// ended.
    pub(super) fn failed(&self, place: &Place, attempt: usize, time: Option<Duration>, why: &dyn Display) {
        if place.failed(time.unwrap_or_default()) && self.may_eject() {
            place.eject(why);
        }
        self.throttle.failed();
        if let Some(time) = time {
            place.record.ended(time);
            self.times[usize::from(attempt > 0)].ended(time);
        }
        self.look(place);
    }

    /// No more than half of the places are ejected at a time.
    fn may_eject(&self) -> bool {
        let places = self.places.load();
        let ejected = places.iter().filter(|place| place.is_ejected()).count();
        (ejected + 1) * 2 <= places.len()
    }

    #[inline]
    fn look(&self, place: &Place) {
        let now = self.clock.elapsed();
        place.look(now, |curve| {
            let settings = self.settings.load();
            pace::delay(&settings, self.share(&settings), curve)
        });
        let due = self.next_take_over.load(Ordering::Relaxed);
        if due <= millis(now) {
            self.next_take_over.store(millis(now + TAKE_OVER), Ordering::Relaxed);
            self.times.iter().for_each(|times| times.take_over(now));
        }
    }

    pub(super) fn figures(&self) -> Figures {
        let now = self.clock.elapsed();
        let (settings, sent) = (self.settings.load(), self.budget.sent(now));
        let allowed = self.share(&settings) * sent.primaries as f64;
        let places = self.places.load();
        Figures {
            primaries_sent: self.ledger.primaries_sent(),
            hedges_sent: self.ledger.hedges_sent(),
            hedges_won: self.ledger.hedges_won(),
            skipped: self.ledger.all_skipped(),
            saved: self.ledger.all_saved(),
            wasted: self.ledger.all_wasted(),
            budget_left: (allowed - sent.hedges as f64).max(0.0) as u64,
            recent_primaries: sent.primaries,
            recent_hedges: sent.hedges,
            running_hedges: self.running.load(Ordering::Relaxed),
            window: EPOCH * EPOCHS as u32,
            primaries: self.times[0].observed(now),
            hedges: self.times[1].observed(now),
            places: places
                .iter()
                .map(|place| PlaceFigures {
                    label: place.label().to_owned(),
                    state: place.state(),
                    in_flight: place.in_flight(),
                    primaries_sent: place.sent().0,
                    hedges_sent: place.sent().1,
                    delay: match self.pace(place) {
                        Pace::Every { delay, hedges: 1.. } => Some(delay),
                        _ => None,
                    },
                })
                .collect(),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
