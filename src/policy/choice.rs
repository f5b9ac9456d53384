//! Which place an attempt goes to: the better of two random ones.
//!
//! The rule is that of Prequal (Wydrowski and others, NSDI 2024), without its probes. A place is hot when it has more
//! attempts in flight than the 0.6 quantile of all places. Of two cold ones the faster is chosen; a cold one goes
//! before a hot one; of two hot ones that with fewer in flight. Two random ones, and not the best of all, so that not
//! everybody goes to the same place at the same moment.
//!
//! Places that are ejected, ill or silent are left out, except for one attempt now and then that tries whether a silent
//! one answers again. When all are left out, all take part: a bad place is better than none.

use super::place::Place;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Primary,
    Hedge,
}

/// The place for an attempt, by its index in `places`, of which there is at least one. One for which `avoid` says so is
/// chosen only when there is no other.
pub(super) fn choose<'a, I>(places: I, avoid: impl Fn(usize) -> bool, what: For) -> usize
where
    I: ExactSizeIterator<Item = &'a Place> + Clone,
{
    let count = places.len();
    if count <= 1 {
        return 0;
    }
    let now = places.clone().next().map_or(0, Place::now);
    if what == For::Primary {
        let mut in_trial = places.clone().enumerate().filter(|(at, place)| !avoid(*at) && place.is_due_for_trial(now));
        if let Some((at, _)) = in_trial.next() {
            return at;
        }
    }
    let all = places.enumerate();
    // Rather two attempts of a race at one place than a hedge at one that wants none.
    let may = all.clone().filter(|(_, place)| what == For::Primary || !place.is_left_alone(now));
    let left = may.clone().filter(|(at, _)| !avoid(*at));
    let good = left.clone().filter(|(_, place)| place.serves(now));
    better_of_two(good, now)
        .or_else(|| better_of_two(left, now))
        .or_else(|| better_of_two(may, now))
        .or_else(|| better_of_two(all, now))
        .unwrap_or(0)
}

fn better_of_two<'a, I>(candidates: I, now: u64) -> Option<usize>
where
    I: Iterator<Item = (usize, &'a Place)> + Clone,
{
    let count = candidates.clone().count();
    if count <= 1 {
        return candidates.map(|(at, _)| at).next();
    }
    let random = random();
    let first = (random >> 32) as usize % count;
    let second = (first + 1 + random as u32 as usize % (count - 1)) % count;
    let mut two = [first, second].map(|nth| candidates.clone().nth(nth).expect("it was counted"));
    let is_hot = two.map(|(_, place)| {
        let fewer = candidates.clone().filter(|(_, other)| other.in_flight() < place.in_flight()).count();
        fewer * 10 > (count - 1) * 6
    });
    if is_hot[0] != is_hot[1] {
        return Some(two[usize::from(is_hot[0])].0);
    }
    let order = |(_, place): &(usize, &Place)| match is_hot[0] {
        true => (0, place.in_flight()),
        false => (place.speed(now), place.in_flight()),
    };
    two.sort_by_key(order); // stable: the first of equals is a random one
    Some(two[0].0)
}

/// A random number (SplitMix64). It has to be spread well, nothing else.
fn random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn places(count: usize) -> Vec<Place> {
        let clock = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        (0..count).map(|at| Place::new(format!("place {at}").into(), clock)).collect()
    }

    /// How many of 3,000 choices went to each.
    fn shares(places: &[Place], avoid: impl Fn(usize) -> bool + Copy, what: For) -> Vec<usize> {
        let mut shares = vec![0; places.len()];
        (0..3_000).for_each(|_| shares[choose(places.iter(), avoid, what)] += 1);
        shares
    }

    fn answers(place: &Place, millis: u64) {
        place.succeeded();
        (0..20).for_each(|_| place.finished(Duration::from_millis(millis)));
    }

    #[test]
    fn equals_get_equal_shares() {
        for share in shares(&places(3), |_| false, For::Primary) {
            assert!((800..1_200).contains(&share), "{share}");
        }
    }

    #[test]
    fn the_faster_of_two_is_chosen_and_no_difference_is_made_of_noise() {
        let places = places(3);
        for (place, time) in places.iter().zip([10, 10, 40]) {
            answers(place, time);
        }
        let shares = shares(&places, |_| false, For::Primary);
        assert_eq!(shares[2], 0, "{shares:?}");
        assert!(shares[0] > 1_200 && shares[1] > 1_200, "{shares:?}");
    }

    #[test]
    fn a_hot_one_is_left_out_however_fast_it_is() {
        let places = places(3);
        for (place, time) in places.iter().zip([1, 10, 10]) {
            answers(place, time);
        }
        places[0].began(false);
        let shares = shares(&places, |_| false, For::Primary);
        assert_eq!(shares[0], 0, "{shares:?}");
    }

    #[test]
    fn of_hot_ones_the_less_busy_is_chosen() {
        let places = places(6);
        (0..2).for_each(|_| places[4].began(false));
        (0..9).for_each(|_| places[5].began(false));
        let shares = shares(&places, |at| at < 4, For::Primary);
        assert_eq!(shares[4..], [3_000, 0]);
    }

    #[test]
    fn an_attempt_goes_where_no_other_of_its_race_is_if_it_can() {
        let places = places(2);
        assert_eq!(shares(&places, |at| at == 0, For::Hedge), [0, 3_000]);
        assert!(shares(&places, |_| true, For::Hedge)[0] > 0);
        assert_eq!(choose(places[..1].iter(), |_| true, For::Hedge), 0);
    }

    #[test]
    fn a_silent_one_is_left_out() {
        let places = places(2);
        places[0].fall_silent();
        assert_eq!(shares(&places, |_| false, For::Primary), [0, 3_000]);
        answers(&places[0], 5);
        answers(&places[1], 5);
        assert!(shares(&places, |_| false, For::Primary)[0] > 0);
    }

    #[test]
    fn an_ejected_one_gets_nothing_unless_all_are() {
        let places = places(2);
        (0..5).for_each(|_| _ = places[0].failed(Duration::ZERO));
        places[0].eject(&"it is a test");
        assert_eq!(shares(&places, |_| false, For::Primary), [0, 3_000]);
        (0..5).for_each(|_| _ = places[1].failed(Duration::ZERO));
        places[1].checked(Err(&"it is a test"));
        let both = shares(&places, |_| false, For::Primary);
        assert!(both[0] > 0 && both[1] > 0, "{both:?}");
    }

    #[test]
    fn one_that_asked_to_be_left_alone_gets_primaries_only() {
        let places = places(2);
        places[0].leave_alone(Duration::from_secs(60));
        assert_eq!(shares(&places, |_| false, For::Hedge), [0, 3_000]);
        assert_eq!(shares(&places, |at| at == 1, For::Hedge), [0, 3_000], "where the primary is, if need be");
        assert!(shares(&places, |_| false, For::Primary)[0] > 0);
    }
}
