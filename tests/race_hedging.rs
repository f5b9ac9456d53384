//! Who decides about hedges is asked before each of them, can do no harm, and hears what came of every one.

use crate::support::core::{FAR, SOON, crew, eventually, next, occupy, schedule, soon, until_canceled};
use crate::support::hedging::{Heard, REASON, Script, all, asked, later, skipped, wait_for_skips};
use crossbeam_channel::{Sender, unbounded};
use headstart::event::{AttemptBegan, AttemptEnded, HedgeSkipped, Observer, RaceEnd, RaceEnded, SkipReason};
use headstart::race::{Cause, Due, Hedging, Pace, Permit, Primary, Verdict};
use headstart::{AfterFailure, CancelReason, CancelToken, Claim, Crew, CrewSettings, Error, Outcome, Race, Threads};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A race with a script.
fn race(crew: &Crew, threads: Threads, offsets_in_ms: &[u64], script: Arc<Script>) -> Race {
    Race::new(crew).threads(threads).schedule(schedule(offsets_in_ms)).limit(soon()).hedging(script)
}

fn far() -> u64 {
    FAR.as_millis() as u64
}

fn each_hedge_that_is_due_is_asked_about_once(threads: Threads) {
    const DELAY: Duration = Duration::from_millis(20);
    let (crew, (script, hears)) =
        (crew(3), Script::new(Pace::Every { delay: DELAY, hedges: 2 }, |_| Verdict::Begin(None)));
    let outcome = race(&crew, threads, &[0, 0], script).first(|attempt| match attempt.number() {
        2 => Ok(()),
        _ => Err(until_canceled(attempt)),
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 3));
    let heard = all(&crew, &hears);
    assert_eq!((asked(&heard), skipped(&heard)), (vec![1, 2], vec![]));
    let is_early = |due: &Due| due.at < DELAY * due.attempt as u32;
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Asked(due) if is_early(due))), "{heard:?}");
}

fn nobody_is_asked_about_a_hedge_that_is_not_due(threads: Threads) {
    let (crew, (script, hears)) = (crew(2), Script::new(Pace::Every { delay: FAR, hedges: 1 }, |_| later(FAR)));
    let outcome = race(&crew, threads, &[0, 0], script).first(|attempt| Ok::<_, ()>(attempt.number()));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 1));
    let heard = all(&crew, &hears);
    assert_eq!((asked(&heard), skipped(&heard)), (vec![], vec![]));
}

fn a_hedge_that_is_refused_for_now_is_asked_about_again_and_may_begin_then(threads: Threads) {
    const AFTER: Duration = Duration::from_millis(5);
    let (crew, asks) = (crew(2), AtomicUsize::new(0));
    let (script, hears) = Script::new(Pace::AsScheduled, move |_| match asks.fetch_add(1, Ordering::SeqCst) {
        0..3 => later(AFTER),
        _ => Verdict::Begin(None),
    });
    let outcome = race(&crew, threads, &[0, 5], script).first(|attempt| match attempt.number() {
        0 => Err(until_canceled(attempt)),
        hedge => Ok(hedge),
    });
    assert_eq!(outcome.winner().unwrap().attempt, 1);
    let heard = all(&crew, &hears);
    assert_eq!((asked(&heard), skipped(&heard)), (vec![1; 4], vec![]));
    let at: Vec<_> =
        heard.iter().filter_map(|heard| if let Heard::Asked(due) = heard { Some(due.at) } else { None }).collect();
    assert!(at.windows(2).all(|two| two[1] - two[0] >= AFTER), "asked again too early: {at:?}");
}

fn where_a_thread_waits_for_each_attempt_what_is_refused_for_now_is_refused(threads: Threads) {
    let (crew, (script, hears)) = (crew(2), Script::new(Pace::AsScheduled, |_| later(Duration::ZERO)));
    let (tell, told) = unbounded();
    let outcome = race(&crew, threads, &[0, 0], script.clone()).first(move |_| {
        wait_for_skips(1, &hears);
        tell.send(hears.clone()).unwrap();
        Ok::<_, ()>(())
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 1));
    assert_eq!(skipped(&all(&crew, &next(&told))), [], "more than once");
}

fn a_failure_has_a_hedge_that_is_held_back_asked_about_once_more_at_once(threads: Threads) {
    for begins in [true, false] {
        let (crew, asks) = (crew(2), AtomicUsize::new(0));
        let (script, hears) = Script::new(Pace::AsScheduled, move |_| match asks.fetch_add(1, Ordering::SeqCst) {
            1 if begins => Verdict::Begin(None),
            _ => later(FAR),
        });
        // On the caller, the primary begins when the hedge is held back already.
        let race = race(&crew, threads, &[0, 0], script).primary(Primary::OnCaller);
        let outcome = race.first(|attempt| if attempt.number() == 0 { Err("fails") } else { Ok("wins") });
        let heard = all(&crew, &hears);
        assert_eq!(asked(&heard), [1, 1]);
        if begins {
            assert_eq!(outcome.winner().unwrap().value, "wins");
            assert_eq!(skipped(&heard), []);
        } else {
            assert_eq!((outcome.end, outcome.failures.len()), (RaceEnd::Finished, 1));
            assert_eq!(skipped(&heard), [(1, REASON)]);
        }
    }
}

fn what_was_due_behind_a_hedge_that_was_held_back_begins_after_it(threads: Threads) {
    let (crew, asks) = (crew(3), AtomicUsize::new(0));
    let (script, hears) = Script::new(Pace::AsScheduled, move |_| match asks.fetch_add(1, Ordering::SeqCst) {
        0 => later(FAR),
        _ => Verdict::Begin(None),
    });
    let race = race(&crew, threads, &[0, 0, 0], script).primary(Primary::OnCaller);
    let outcome = race.first(|attempt| match attempt.number() {
        0 => Err(()),
        1 => {
            until_canceled(attempt);
            Err(())
        }
        _ => Ok(()),
    });
    assert_eq!(outcome.winner().map(|winner| winner.attempt), Some(2));
    assert_eq!(asked(&all(&crew, &hears)), [1, 1, 2]);
}

fn a_hedge_that_a_failure_began_to_ask_about_is_asked_about_again_in_its_time(threads: Threads) {
    let (crew, asks) = (crew(3), AtomicUsize::new(0));
    let (script, _hears) = Script::new(Pace::AsScheduled, move |due| match asks.fetch_add(1, Ordering::SeqCst) {
        1 => later(Duration::from_millis(5)), // long before it would have been due
        _ => {
            assert!(due.attempt > 0);
            Verdict::Begin(None)
        }
    });
    let race = race(&crew, threads, &[0, 0, far()], script).after_failure(AfterFailure::Hedge);
    let outcome = race.first(|attempt| match attempt.number() {
        0 => Err(Some(until_canceled(attempt))),
        1 => Err(None),
        _ => Ok(()),
    });
    assert_eq!(outcome.winner().map(|winner| winner.attempt), Some(2));
}

fn hedges_that_are_refused_for_now_at_the_same_time_are_not_lost(threads: Threads) {
    let (crew, (third_tx, third), (asked_tx, both)) = (crew(3), unbounded(), unbounded());
    let is_first = AtomicBool::new(true);
    let (script, hears) = Script::new(Pace::AsScheduled, move |due| {
        // The one that a failure has begun early is asked about for as long as it takes the alarm to ask about the
        // other.
        match due.attempt {
            2 if is_first.swap(false, Ordering::SeqCst) => next(&third),
            3 => third_tx.send(()).unwrap(),
            _ => {}
        }
        if due.attempt > 1 {
            let _ = asked_tx.send(());
            return later(FAR);
        }
        Verdict::Begin(None)
    });
    let race = race(&crew, threads, &[0, 0, 30, 30], script).after_failure(AfterFailure::Hedge);
    let outcome: Outcome<(), _> = race.first(move |attempt| {
        if attempt.number() == 0 {
            next(&both);
            next(&both);
        }
        Err(())
    });
    assert_eq!((outcome.end, outcome.failures.len()), (RaceEnd::Finished, 2));
    assert_eq!(skipped(&all(&crew, &hears)), [(2, REASON), (3, REASON)]);
}

fn a_refusal_with_nothing_running_ends_the_race_at_once(threads: Threads) {
    let (crew, (script, hears)) = (crew(3), Script::new(Pace::AsScheduled, |_| Verdict::Never(REASON)));
    let outcome: Outcome<(), _> = race(&crew, threads, &[0, 20, far()], script).first(|_| Err("failed"));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 1), "nobody waits for what is not due");
    assert!(matches!(outcome.failures[..], [ref only] if matches!(only.cause, Cause::Error("failed"))));
    let heard = all(&crew, &hears);
    assert_eq!((asked(&heard), skipped(&heard)), (vec![1], vec![(1, REASON)]));
}

fn a_refused_hedge_neither_ends_its_race_nor_what_runs_in_it(threads: Threads) {
    let (crew, (script, hears)) = (crew(3), Script::new(Pace::AsScheduled, |_| Verdict::Never(REASON)));
    let outcome = race(&crew, threads, &[0, 0, 0], script).first(move |attempt| {
        wait_for_skips(2, &hears);
        eventually("those that were refused are no rivals", || !attempt.has_rival());
        assert!(!attempt.token().is_canceled());
        Ok::<_, ()>("won")
    });
    assert_eq!(outcome.winner().map(|winner| winner.value), Some("won"), "{:?}", outcome.end);
    assert!(outcome.failures.is_empty() && outcome.begun == 1);
}

fn a_hedge_may_begin_after_one_that_was_refused(threads: Threads) {
    let (crew, (script, hears)) = (
        crew(3),
        Script::new(Pace::AsScheduled, |due| match due.attempt {
            1 => Verdict::Never(REASON),
            _ => Verdict::Begin(None),
        }),
    );
    let outcome = race(&crew, threads, &[0, 0, 20], script).first(|attempt| match attempt.number() {
        0 => Err(until_canceled(attempt)),
        hedge => Ok(hedge),
    });
    assert_eq!(outcome.winner().map(|winner| winner.value), Some(2));
    let heard = all(&crew, &hears);
    assert_eq!((asked(&heard), skipped(&heard)), (vec![1, 2], vec![(1, REASON)]));
}

fn a_stop_ends_further_attempts_at_once_and_lets_the_running_ones_win(threads: Threads) {
    let (crew, stops) = (crew(4), Arc::new(AtomicBool::new(false)));
    let (script, hears) = Script::stopping(Pace::AsScheduled, |_| Verdict::Begin(None), {
        let stops = stops.clone();
        move || stops.load(Ordering::SeqCst).then_some(SkipReason::Pushback)
    });
    let (began_tx, began) = unbounded();
    let outcome = race(&crew, threads, &[0, 0, far(), far()], script).first({
        let hears = hears.clone();
        move |attempt| {
            if attempt.number() == 0 {
                next(&began);
                stops.store(true, Ordering::SeqCst);
                return Err("fails");
            }
            began_tx.send(()).unwrap();
            wait_for_skips(1, &hears);
            Ok("wins")
        }
    });
    assert_eq!(outcome.winner().map(|winner| winner.value), Some("wins"), "{outcome:?}");
    assert_eq!(outcome.begun, 2);
    assert_eq!(skipped(&all(&crew, &hears)), [], "one was skipped, and is told of once");
}

fn a_stop_with_nothing_running_ends_the_race_at_once(threads: Threads) {
    let (crew, (script, hears)) =
        (crew(3), Script::stopping(Pace::AsScheduled, |_| Verdict::Begin(None), || Some(SkipReason::Pushback)));
    let outcome: Outcome<(), _> = race(&crew, threads, &[0, far(), far()], script).first(|_| Err(()));
    assert_eq!((outcome.end, outcome.begun, outcome.failures.len()), (RaceEnd::Finished, 1, 1));
    let heard = all(&crew, &hears);
    assert_eq!((asked(&heard), skipped(&heard)), (vec![], vec![(1, SkipReason::Pushback)]));
}

fn nothing_begins_and_nobody_is_asked_after_a_stop(threads: Threads) {
    let (crew, calls) = (crew(3), Arc::new(AtomicUsize::new(0)));
    let (script, hears) = Script::stopping(Pace::AsScheduled, |_| Verdict::Begin(None), || Some(SkipReason::Pushback));
    let race = race(&crew, threads, &[0, 30, 30], script);
    let outcome: Outcome<(), _> = race.first({
        let calls = calls.clone();
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            Err(())
        }
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 1));
    // Whatever sleeps until it is due, or waits for the alarm, has had its time.
    thread::sleep(Duration::from_millis(60));
    assert_eq!(asked(&all(&crew, &hears)), [0; 0]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// A permit that says when it is dropped.
struct Tells(Sender<()>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn a_permit_is_kept_until_its_attempt_is_over(threads: Threads) {
    for succeeds in [true, false] {
        let (crew, (dropped_tx, dropped)) = (crew(2), unbounded());
        let (script, _hears) =
            Script::new(Pace::AsScheduled, move |_| Verdict::Begin(Some(Permit::new(Tells(dropped_tx.clone())))));
        let race = race(&crew, threads, &[0, 0], script);
        let kept = dropped.clone();
        let outcome = race.all(move |attempt| match attempt.number() {
            1 => {
                assert!(kept.is_empty(), "dropped while the attempt runs");
                if succeeds { Ok(()) } else { panic!("as it was told") }
            }
            // Were it kept until the race is over, this would fail.
            _ => kept.recv_timeout(SOON).map_err(drop),
        });
        assert_eq!(outcome.successes.len(), 1 + usize::from(succeeds));
        assert_eq!(crew.shutdown(SOON), 0);
    }
}

fn a_permit_is_dropped_when_no_thread_is_there(threads: Threads) {
    let (crew, (dropped_tx, dropped)) = (crew(1), unbounded());
    let (script, hears) =
        Script::new(Pace::AsScheduled, move |_| Verdict::Begin(Some(Permit::new(Tells(dropped_tx.clone())))));
    let outcome = race(&crew, threads, &[0, 0], script).first(move |_| dropped.recv_timeout(SOON));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 1));
    assert_eq!(skipped(&all(&crew, &hears)), [(1, SkipReason::Threads)]);
}

fn a_permit_is_dropped_when_the_race_is_decided_before_its_attempt_begins(threads: Threads) {
    let (crew, token, (dropped_tx, dropped)) = (crew(2), CancelToken::new(), unbounded());
    let (script, hears) = Script::new(Pace::AsScheduled, {
        let token = token.clone();
        move |_| {
            token.cancel(CancelReason::ClientGone);
            Verdict::Begin(Some(Permit::new(Tells(dropped_tx.clone()))))
        }
    });
    let race = race(&crew, threads, &[0, 5], script).limit(&token);
    let outcome: Outcome<(), _> = race.first(|attempt| Err(until_canceled(attempt)));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Canceled(CancelReason::ClientGone), 1));
    next(&dropped);
    assert_eq!(skipped(&all(&crew, &hears)), []);
}

/// Panics whatever it is asked or told.
struct Panics;

impl Observer for Panics {
    fn attempt_began(&self, _event: &AttemptBegan) {
        panic!("as it does");
    }

    fn attempt_ended(&self, _event: &AttemptEnded) {
        panic!("as it does");
    }

    fn hedge_skipped(&self, _event: &HedgeSkipped) {
        panic!("as it does");
    }

    fn race_ended(&self, _event: &RaceEnded) {
        panic!("as it does");
    }
}

impl Hedging for Panics {
    fn pace(&self) -> Pace {
        panic!("as it does");
    }

    fn ask(&self, _due: &Due) -> Verdict {
        panic!("as it does");
    }

    fn stop(&self) -> Option<SkipReason> {
        panic!("as it does");
    }
}

fn one_that_panics_changes_nothing(threads: Threads) {
    for primary in [Primary::OnCrew, Primary::OnCaller] {
        let (crew, (failed_tx, failed)) = (crew(3), unbounded());
        let race = Race::new(&crew).threads(threads).primary(primary).schedule(schedule(&[0, 20, 40]));
        let outcome = race.limit(soon()).hedging(Arc::new(Panics)).first(move |attempt| {
            if attempt.number() == 2 {
                next(&failed);
                next(&failed);
                return Ok("wins");
            }
            failed_tx.send(()).unwrap();
            Err("fails")
        });
        assert_eq!(outcome.winner().map(|winner| winner.value), Some("wins"));
        assert_eq!(outcome.begun, 3);
        assert_eq!(crew.shutdown(SOON), 0);
    }
    let outcome = Race::new(&crew(1)).hedging(Arc::new(Panics)).single(|_| Ok::<_, ()>(()));
    assert_eq!(outcome.end, RaceEnd::Won);
}

fn a_hedge_that_is_still_held_back_when_its_race_ends_is_told_of_once(threads: Threads) {
    for is_won in [true, false] {
        let (crew, token) = (crew(2), CancelToken::new());
        let (script, hears) = Script::new(Pace::AsScheduled, |_| later(FAR));
        // On the caller, the primary begins when the hedge is held back already.
        let race = race(&crew, threads, &[0, 0], script).primary(Primary::OnCaller).limit(&token);
        let outcome = race.first(move |_| {
            if is_won {
                return Ok(());
            }
            token.cancel(CancelReason::Shutdown);
            Err(())
        });
        let end = if is_won { RaceEnd::Won } else { RaceEnd::Canceled(CancelReason::Shutdown) };
        assert_eq!((outcome.end, outcome.begun), (end, 1));
        assert_eq!(skipped(&all(&crew, &hears)), [(1, REASON)]);
    }
}

fn a_hedge_that_is_asked_about_while_its_race_ends_is_told_of_once(threads: Threads) {
    let (crew, (ended_tx, ended)) = (crew(2), unbounded::<()>());
    let (asked_tx, asked) = unbounded();
    let (script, hears) = Script::new(Pace::AsScheduled, move |_| {
        asked_tx.send(()).unwrap();
        let _ = ended.recv_timeout(SOON);
        later(FAR)
    });
    let outcome = race(&crew, threads, &[0, 5], script).first(move |_| {
        next(&asked);
        Ok::<_, ()>(())
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 1));
    drop(ended_tx);
    let mut heard = Vec::new();
    eventually("the hedge is told of", || {
        heard.extend(hears.try_iter());
        !skipped(&heard).is_empty()
    });
    heard.extend(all(&crew, &hears));
    assert_eq!(skipped(&heard), [(1, REASON)]);
}

fn a_hedge_without_a_thread_is_told_of_by_reason(threads: Threads) {
    let (crew, (script, hears)) = (crew(1), Script::new(Pace::AsScheduled, |_| Verdict::Begin(None)));
    let outcome = race(&crew, threads, &[0, 0, 0], script).all({
        let hears = hears.clone();
        // Holds the only thread until the hedges have been refused theirs.
        move |_| {
            wait_for_skips(2, &hears);
            Ok::<_, ()>(())
        }
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 1));
    assert_eq!(skipped(&all(&crew, &hears)), []);

    let crew = self::crew(1);
    let _busy = occupy(&crew, Claim::Request).unwrap();
    let (script, hears) = Script::new(Pace::AsScheduled, |_| Verdict::Begin(None));
    let race = race(&crew, threads, &[0, 0, 0], script);
    let outcome = race.first(|_| Ok::<_, ()>(()));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 0));
    let heard: Vec<_> = hears.try_iter().collect();
    assert_eq!(skipped(&heard), [(1, SkipReason::Threads), (2, SkipReason::Threads)]);
}

#[cfg(target_os = "linux")]
fn a_hedge_without_files_is_told_of_by_reason(threads: Threads) {
    let crew = Crew::new(CrewSettings::default().max_threads(4).kept_for_requests(0).max_files(1)).unwrap();
    let (script, hears) = Script::new(Pace::AsScheduled, |_| Verdict::Begin(None));
    let outcome = race(&crew, threads, &[0, 5], script).first(move |_| {
        wait_for_skips(1, &hears);
        Ok::<_, ()>(hears.try_iter().count())
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 1));
    let refused = |cause: &Cause<()>| matches!(cause, Cause::Shed(Error::TooFewFiles { .. }));
    assert!(outcome.failures.iter().all(|failure| refused(&failure.cause)));
}

#[test]
fn a_request_that_is_sent_once_would_have_been_hedged_when_it_takes_longer() {
    let delay = Duration::from_millis(20);
    let single = |pace| {
        let (crew, (script, hears)) = (crew(1), Script::new(pace, |_| panic!("nobody asks")));
        let began = Instant::now();
        let outcome = Race::new(&crew).hedging(script).limit(soon()).single(|attempt| {
            attempt.token().wait(headstart::Deadline::At(began + delay));
            Ok::<_, ()>(())
        });
        assert_eq!(outcome.end, RaceEnd::Won);
        skipped(&all(&crew, &hears))
    };
    assert_eq!(single(Pace::Every { delay, hedges: 2 }), [(1, SkipReason::Method)]);
    assert_eq!(single(Pace::Every { delay: FAR, hedges: 2 }), []);
    assert_eq!(single(Pace::Every { delay, hedges: 0 }), []);
    assert_eq!(single(Pace::AsScheduled), []);
}

on_all_threads! {
    each_hedge_that_is_due_is_asked_about_once,
    nobody_is_asked_about_a_hedge_that_is_not_due,
    a_refusal_with_nothing_running_ends_the_race_at_once,
    a_refused_hedge_neither_ends_its_race_nor_what_runs_in_it,
    a_hedge_may_begin_after_one_that_was_refused,
    a_stop_ends_further_attempts_at_once_and_lets_the_running_ones_win,
    a_stop_with_nothing_running_ends_the_race_at_once,
    nothing_begins_and_nobody_is_asked_after_a_stop,
    a_permit_is_kept_until_its_attempt_is_over,
    a_permit_is_dropped_when_the_race_is_decided_before_its_attempt_begins,
    one_that_panics_changes_nothing,
    a_hedge_that_is_asked_about_while_its_race_ends_is_told_of_once,
    a_hedge_without_a_thread_is_told_of_by_reason;
    crew_only:
    a_hedge_that_is_refused_for_now_is_asked_about_again_and_may_begin_then = "nothing is held back there",
    a_failure_has_a_hedge_that_is_held_back_asked_about_once_more_at_once = "nothing is held back there",
    what_was_due_behind_a_hedge_that_was_held_back_begins_after_it = "nothing is held back there",
    a_hedge_that_a_failure_began_to_ask_about_is_asked_about_again_in_its_time = "nothing is held back there",
    hedges_that_are_refused_for_now_at_the_same_time_are_not_lost = "nothing is held back there",
    a_hedge_that_is_still_held_back_when_its_race_ends_is_told_of_once = "nothing is held back there",
    a_permit_is_dropped_when_no_thread_is_there = "fresh asks for the hedge's thread before anybody is asked",
}

#[test]
fn on_fresh_threads_what_is_refused_for_now_is_refused() {
    where_a_thread_waits_for_each_attempt_what_is_refused_for_now_is_refused(Threads::Fresh);
}

#[cfg(target_os = "linux")]
#[test]
fn a_hedge_without_files_is_told_of_by_reason_on_all_threads() {
    for threads in [Threads::Crew, Threads::Fresh] {
        a_hedge_without_files_is_told_of_by_reason(threads);
    }
}
