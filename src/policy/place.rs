//! A place that attempts go to: how fast it is, how busy, and whether it works.
//!
//! What is known of it comes from the attempts themselves, so no probes are needed. What grows old is forgotten: a
//! place that was slow is tried again.

use super::curve::Curve;
use super::record::Record;
use crate::sync::lock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The window of a place's times: ten epochs.
const EPOCHS: usize = 10;
const EPOCH: Duration = Duration::from_secs(3);
/// How often the curve is made anew.
const LOOK: Duration = Duration::from_millis(250);
/// So many failures in a row eject.
const FAILURES: u32 = 5;
/// A place that gave no answer so many times in a row, and for so long, is tried only now and then. Not at once: one
/// slow request holds up all those behind it in a queue, and to leave such a place out would fill the other queues.
const SILENCES: u32 = 3;
const SILENT_FOR: Duration = Duration::from_millis(500);
/// How long it is left alone, at least and at most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_EJECTION: Duration = Duration::from_secs(30);
/// What a failure counts for among the times.
const FAILED: Duration = Duration::from_secs(1);
/// "Not known" where a time in microseconds is kept.
const UNKNOWN: u64 = u64::MAX;

/// A place that attempts go to, such as one address of an upstream. [`Policy::place`](super::Policy::place) makes it.
pub struct Place {
    label: Arc<str>,
    clock: Instant,
    in_flight: AtomicUsize,
    pub(super) record: Record,
    /// When the curve is due to be made anew, in milliseconds.
    next_look: AtomicU64,
    curve: Mutex<Arc<Curve>>,
    /// What follows from it, in microseconds.
    delay: AtomicU64,
    median: AtomicU64,
    /// The moving average of recent times in microseconds in the upper half, when it last changed in milliseconds in
    /// the lower.
    recent: AtomicU64,
    /// How many attempts in a row brought no answer, those that were ended included.
    silences: AtomicU32,
    /// Since when that is so, in milliseconds.
    silent_since: AtomicU64,
    is_silent: AtomicBool,
    /// How many attempts have tried in vain whether it answers again.
    trials: AtomicU32,
    failures: AtomicU32,
    ejections: AtomicU32,
    /// All in milliseconds.
    ejected_until: AtomicU64,
    next_trial: AtomicU64,
    left_alone_until: AtomicU64,
    /// What a check of its own says.
    is_ill: AtomicBool,
    primaries: AtomicU64,
    hedges: AtomicU64,
}

/// Whether a place gets primaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaceState {
    /// It does.
    Serving,
    /// It has given no answer to its last attempts, so it is tried now and then only.
    Silent,
    /// Not for this time: too many attempts in a row have failed.
    Ejected(Duration),
    /// Not until a check of its health succeeds.
    Ill,
}

impl Place {
    pub(super) fn new(label: Arc<str>, clock: Instant) -> Place {
        Place {
            label,
            clock,
            in_flight: AtomicUsize::new(0),
            record: Record::new(EPOCHS, EPOCH),
            next_look: AtomicU64::new(0),
            curve: Mutex::default(),
            delay: AtomicU64::new(UNKNOWN),
            median: AtomicU64::new(UNKNOWN),
            recent: AtomicU64::new(0),
            silences: AtomicU32::new(0),
            silent_since: AtomicU64::new(0),
            is_silent: AtomicBool::new(false),
            trials: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            next_trial: AtomicU64::new(0),
            left_alone_until: AtomicU64::new(0),
            is_ill: AtomicBool::new(false),
            primaries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
        }
    }

    /// What it is called in logs and figures.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Attempts that run there now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it gets primaries.
    pub fn state(&self) -> PlaceState {
        let now = self.now();
        let until = self.ejected_until.load(Ordering::Relaxed);
        if self.is_ill.load(Ordering::Relaxed) {
            PlaceState::Ill
        } else if until > now {
            PlaceState::Ejected(Duration::from_millis(until - now))
        } else if self.is_silent() {
            PlaceState::Silent
        } else {
            PlaceState::Serving
        }
    }

    /// Milliseconds since the policy began.
    pub(super) fn now(&self) -> u64 {
        millis(self.clock.elapsed())
    }

    /// Whether primaries go there as to any other.
    pub(super) fn serves(&self, now: u64) -> bool {
        !self.is_silent() && self.ejected_until.load(Ordering::Relaxed) <= now && !self.is_ill.load(Ordering::Relaxed)
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > self.now()
    }

    /// Whether it has asked to get no hedges.
    pub(super) fn is_left_alone(&self, now: u64) -> bool {
        self.left_alone_until.load(Ordering::Relaxed) > now
    }

    /// Whether one attempt is to find out if it answers again. Says so to one caller each time.
    pub(super) fn is_due_for_trial(&self, now: u64) -> bool {
        let due = self.next_trial.load(Ordering::Relaxed);
        let may = self.is_silent()
            && due <= now
            && self.ejected_until.load(Ordering::Relaxed) <= now
            && !self.is_ill.load(Ordering::Relaxed);
        let next = now + millis(self.pause());
        let is_mine = may && self.next_trial.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_mine {
            self.trials.fetch_add(1, Ordering::Relaxed);
        }
        is_mine
    }

    /// The recent times as a class, four to a doubling; 0 when they are not known or grown old.
    pub(super) fn speed(&self, now: u64) -> u32 {
        let recent = self.recent.load(Ordering::Relaxed);
        let (micros, at) = ((recent >> 32) as u32, recent as u32);
        if micros == 0 || u64::from((now as u32).wrapping_sub(at)) > millis(self.pause()) {
            return 0;
        }
        let doubling = micros.ilog2();
        let quarter = if doubling >= 2 { (micros >> (doubling - 2)) & 3 } else { 0 };
        1 + doubling * 4 + quarter
    }

    fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    /// How long what is known of it stays true: the longer, the more often it gave no answer.
    fn pause(&self) -> Duration {
        (PAUSE * (1 + 2 * self.trials.load(Ordering::Relaxed).min(60))).min(LONGEST_PAUSE)
    }

    pub(super) fn began(&self, is_hedge: bool) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let counter = if is_hedge { &self.hedges } else { &self.primaries };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// An attempt took this time.
    pub(super) fn finished(&self, time: Duration) {
        self.record.finished(time);
        let old = (self.recent.load(Ordering::Relaxed) >> 32) as i64;
        let new = time.as_micros().clamp(1, u128::from(u32::MAX)) as i64;
        self.note_recent(if old == 0 { new } else { old + (new - old) / 4 });
    }

    /// An attempt has succeeded.
    pub(super) fn succeeded(&self) {
        if self.silences.load(Ordering::Relaxed) > 0 || self.is_silent() {
            self.speaks();
        }
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
            if self.ejections.swap(0, Ordering::Relaxed) > 0 {
                self.ejected_until.store(0, Ordering::Relaxed);
                log::warn!("upstream {} serves again", self.label);
            }
        }
    }

    /// An attempt was ended before it had an answer.
    pub(super) fn ended(&self, time: Duration) {
        self.record.ended(time);
        let now = self.now();
        let before = self.silences.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            self.silent_since.store(now, Ordering::Relaxed);
        }
        let since = self.silent_since.load(Ordering::Relaxed);
        // Set once: whoever is sent there all the same does not put the trial off.
        if before + 1 >= SILENCES && since + millis(SILENT_FOR) <= now && !self.is_silent.swap(true, Ordering::Relaxed)
        {
            self.next_trial.store(now + millis(self.pause()), Ordering::Relaxed);
        }
        self.takes_longer_than(time);
    }

    fn speaks(&self) {
        self.silences.store(0, Ordering::Relaxed);
        self.trials.store(0, Ordering::Relaxed);
        self.is_silent.store(false, Ordering::Relaxed);
    }

    fn takes_longer_than(&self, time: Duration) {
        let old = self.recent.load(Ordering::Relaxed) >> 32;
        // That it takes longer than a time which is shorter than usual says nothing.
        self.note_recent(old.max(time.as_micros().min(u128::from(u32::MAX)) as u64) as i64);
    }

    /// An attempt has failed. `true` when that makes one too many in a row.
    pub(super) fn failed(&self, time: Duration) -> bool {
        self.takes_longer_than(time.max(FAILED));
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES
            && self.ejected_until.load(Ordering::Relaxed) <= self.now()
    }

    /// No primaries for a while: a second, doubling to 30 s. Then it is tried like a silent one, by one attempt.
    pub(super) fn eject(&self, why: &dyn std::fmt::Display) {
        let before = self.ejections.fetch_add(1, Ordering::Relaxed);
        let length = (PAUSE * 2_u32.saturating_pow(before.min(10))).min(LONGEST_EJECTION);
        let until = self.now() + millis(length);
        self.ejected_until.store(until, Ordering::Relaxed);
        self.is_silent.store(true, Ordering::Relaxed);
        self.next_trial.store(until, Ordering::Relaxed);
        if before == 0 {
            log::warn!("upstream {} is ejected: {FAILURES} failures in a row, the last one: {why}", self.label);
        } else {
            log::debug!("upstream {} stays ejected for {length:?}: {why}", self.label);
        }
    }

    /// What a check of its health says. `Err` has what is wrong.
    #[allow(dead_code)] // not in every set of features is there one who checks
    pub(crate) fn checked(&self, health: Result<(), &dyn std::fmt::Display>) {
        let was_ill = self.is_ill.swap(health.is_err(), Ordering::Relaxed);
        match (was_ill, health) {
            (false, Err(why)) => log::warn!("upstream {} gets no primaries: its check failed: {why}", self.label),
            (true, Ok(())) => {
                // What it did before it was ill is not held against it.
                self.speaks();
                self.failures.store(0, Ordering::Relaxed);
                self.ejections.store(0, Ordering::Relaxed);
                self.ejected_until.store(0, Ordering::Relaxed);
                log::warn!("upstream {} serves again: its check succeeded", self.label);
            }
            _ => {}
        }
    }

    /// No hedges for a while, as it has asked.
    pub(super) fn leave_alone(&self, length: Duration) {
        self.left_alone_until.store(self.now() + millis(length), Ordering::Relaxed);
    }

    fn note_recent(&self, micros: i64) {
        let micros = micros.clamp(1, i64::from(u32::MAX)) as u64;
        self.recent.store(micros << 32 | u64::from(self.now() as u32), Ordering::Relaxed);
    }

    /// Makes the curve anew if that is due, and what follows from it: by `delay_of` the delay.
    #[inline]
    pub(super) fn look(&self, now: Duration, delay_of: impl FnOnce(&Curve) -> Option<Duration>) {
        let due = self.next_look.load(Ordering::Relaxed);
        let now_in_millis = millis(now);
        if due > now_in_millis {
            return;
        }
        let next = now_in_millis + millis(LOOK);
        if self.next_look.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let curve = self.record.curve(now);
            let in_micros = |time: Option<Duration>| time.map_or(UNKNOWN, |time| time.as_micros() as u64);
            self.delay.store(in_micros(delay_of(&curve)), Ordering::Relaxed);
            self.median.store(in_micros(curve.quantile(0.5)), Ordering::Relaxed);
            *lock(&self.curve) = Arc::new(curve);
        }
    }

    /// Has the next look be due.
    pub(super) fn look_soon(&self) {
        self.next_look.store(0, Ordering::Relaxed);
    }

    pub(super) fn curve(&self) -> Arc<Curve> {
        lock(&self.curve).clone()
    }

    /// The delay that follows from what was seen, if enough was.
    pub(super) fn delay(&self) -> Option<Duration> {
        known(&self.delay)
    }

    pub(super) fn median(&self) -> Option<Duration> {
        known(&self.median)
    }

    /// Primaries and hedges that were sent there.
    pub(super) fn sent(&self) -> (u64, u64) {
        (self.primaries.load(Ordering::Relaxed), self.hedges.load(Ordering::Relaxed))
    }
}

fn known(micros: &AtomicU64) -> Option<Duration> {
    let micros = micros.load(Ordering::Relaxed);
    (micros != UNKNOWN).then(|| Duration::from_micros(micros))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Duration = Duration::from_millis(5);

    impl Place {
        /// Has it give no answer to three attempts, the first of them long ago.
        pub(in crate::policy) fn fall_silent(&self) {
            self.ended(BRIEF);
            self.silent_since.store(0, Ordering::Relaxed);
            (0..2).for_each(|_| self.ended(BRIEF));
        }
    }

    fn place() -> Place {
        // The clock has run for a while.
        Place::new("test".into(), Instant::now().checked_sub(Duration::from_secs(5)).unwrap())
    }

    #[test]
    fn a_place_that_is_slow_for_a_moment_is_not_silent() {
        let place = place();
        (0..100).for_each(|_| place.ended(BRIEF));
        assert_eq!(place.state(), PlaceState::Serving);
    }

    #[test]
    fn a_silent_place_is_tried_by_one_attempt_at_a_time() {
        let place = place();
        place.fall_silent();
        let now = place.now();
        assert_eq!(place.state(), PlaceState::Silent);
        assert!(!place.serves(now) && !place.is_due_for_trial(now));
        let later = now + 1_100;
        assert!(place.is_due_for_trial(later));
        assert!(!place.is_due_for_trial(later + 900), "one is enough");
        assert!(
            place.is_due_for_trial(later + 1_100) && !place.is_due_for_trial(later + 4_000),
            "then ever more seldom"
        );
        place.succeeded();
        assert_eq!(place.state(), PlaceState::Serving);
    }

    #[test]
    fn failures_in_a_row_eject_for_a_time_that_doubles() {
        let place = place();
        assert_eq!([(); 4].map(|()| place.failed(BRIEF)), [false; 4]);
        place.succeeded();
        assert_eq!([(); 5].map(|()| place.failed(BRIEF)), [false, false, false, false, true]);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            place.eject(&"test");
            let now = place.now();
            let until = place.ejected_until.load(Ordering::Relaxed);
            assert!((now + seconds * 1_000).abs_diff(until) < 500, "{seconds}");
            assert!(matches!(place.state(), PlaceState::Ejected(_)) && !place.is_due_for_trial(now));
            assert!(place.is_due_for_trial(until), "once that is over, one attempt tries it");
        }
        assert!(!place.failed(BRIEF), "it is ejected already");
        place.succeeded();
        assert_eq!((place.ejections.load(Ordering::Relaxed), place.state()), (0, PlaceState::Serving));
    }

    #[test]
    fn four_failures_in_a_row_take_nothing_from_a_place() {
        let place = place();
        (0..4).for_each(|_| _ = place.failed(BRIEF));
        assert_eq!(place.state(), PlaceState::Serving);
    }

    #[test]
    fn attempts_that_are_sent_to_a_silent_place_do_not_put_its_trial_off() {
        let place = place();
        place.fall_silent();
        let due = place.next_trial.load(Ordering::Relaxed);
        (0..20).for_each(|_| place.ended(BRIEF));
        assert_eq!(place.next_trial.load(Ordering::Relaxed), due);
    }

    #[test]
    fn a_check_outweighs_everything() {
        let place = place();
        place.checked(Err(&"test"));
        assert_eq!(place.state(), PlaceState::Ill);
        (0..5).for_each(|_| _ = place.failed(BRIEF));
        place.eject(&"test");
        place.checked(Ok(()));
        assert_eq!(place.state(), PlaceState::Serving);
    }

    #[test]
    fn what_was_fast_is_forgotten_and_a_failure_is_slow() {
        let place = place();
        assert_eq!(place.speed(place.now()), 0);
        place.finished(BRIEF);
        let fast = place.speed(place.now());
        assert_eq!(place.speed(place.now() + 1_500), 0);
        place.ended(Duration::from_millis(1));
        assert_eq!(place.speed(place.now()), fast, "that it takes longer than 1 ms was known");
        let _ = place.failed(Duration::ZERO);
        assert!(place.speed(place.now()) >= fast + 4 * 7, "a second is eight doublings of 5 ms");
    }

    #[test]
    fn classes_of_speed_are_a_quarter_of_a_doubling() {
        let class = |micros| {
            let place = place();
            place.finished(Duration::from_micros(micros));
            place.speed(place.now())
        };
        assert_eq!([1, 2, 4, 5, 6, 7, 8].map(class), [1, 5, 9, 10, 11, 12, 13]);
        assert_eq!(class(10_000), class(10_200));
    }
}
