//! Attempts begin when the schedule says, and no sooner.

use crate::support::http::{get, read_reply, send};
use crate::support::served::{Served, figure, schedule};
use crate::support::stack::Stack;
use headstart::{AfterFailure, Schedule};
use headstart_testing::upstream::{Behavior, FakeUpstream, Sight, answer_with};
use std::time::{Duration, Instant};

const EDGE: Duration = Duration::from_millis(300);

fn fails() -> Behavior {
    Behavior::Says(answer_with("500 Internal Server Error", "application/json", "{}"))
}

/// The number that a request says to be.
fn attempt(head: &str) -> u64 {
    let head = head.to_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("x-attempt:")).expect("an attempt's number");
    value.trim().parse().unwrap()
}

fn a_success_before_the_edge_costs_the_upstream_one_request(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = Schedule::default());
    assert_eq!(get(served.address(), "/api/smart").status, 200);
    assert_eq!(attempt(&upstream.next_request()), 0);
    // An absence can only be waited for: until well after the hedges would have come.
    let until = Instant::now() + 2 * EDGE;
    while let Ok(sight) = upstream.sights.recv_deadline(until) {
        assert!(!matches!(sight, Sight::Request(_)), "{sight:?}");
    }
    assert_eq!(figure(served.address(), "headstart_hedges_begun_total"), 0);
}

fn both_hedges_begin_at_the_edge_when_the_primary_is_late(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = Schedule::default());
    let began = Instant::now();
    let client = send(served.address(), "GET", "/api/smart", &[]);
    assert_eq!(attempt(&upstream.next_request()), 0);
    let mut hedges = [0; 2].map(|_| attempt(&upstream.next_request()));
    let elapsed = began.elapsed();
    hedges.sort_unstable();
    assert_eq!(hedges, [1, 2]);
    assert!(elapsed >= EDGE, "{elapsed:?}");
    assert!(elapsed < EDGE + Duration::from_secs(2), "{elapsed:?}");
    drop(client);
}

fn a_late_primary_may_still_win(stack: Stack) {
    let turns = [Behavior::AnswersAfter(EDGE), Behavior::HangsAfterRequest, Behavior::HangsAfterRequest];
    let upstream = FakeUpstream::start(Behavior::TakesTurns(turns.into()));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    assert_eq!(get(served.address(), "/api/smart").text(), r#"{"success":true,"response":{"late":true}}"#);
    assert_eq!(upstream.requests(), 3);
    assert_eq!(figure(served.address(), "headstart_winners_total{attempt=\"0\"}"), 1);
}

fn a_failure_before_the_edge_waits_for_the_hedges(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::TakesTurns([fails(), Behavior::Answers("1")].into()));
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = schedule(&[0, 300]));
    let began = Instant::now();
    assert_eq!(get(served.address(), "/api/smart").text(), r#"{"success":true,"response":1}"#);
    assert!(began.elapsed() >= EDGE, "{:?}", began.elapsed());
}

fn a_failure_hurries_the_next_attempt_when_asked(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::TakesTurns([fails(), fails(), Behavior::Answers("1")].into()));
    let served = Served::start_on(stack, &upstream.url(), |settings| {
        settings.client.schedule = schedule(&[0, 30_000, 30_000]);
        settings.client.after_failure = AfterFailure::Hedge;
    });
    let began = Instant::now();
    assert_eq!(get(served.address(), "/api/smart").text(), r#"{"success":true,"response":1}"#);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(upstream.requests(), 3);
}

fn the_other_endpoints_begin_all_attempts_at_once(stack: Stack) {
    for path in ["/api/first", "/api/all", "/api/within-timeout"] {
        let (tell, told) = crossbeam_channel::unbounded();
        let upstream = FakeUpstream::start(Behavior::AnswersWhenTold(told));
        let served = Served::start_on(stack, &upstream.url(), |settings| {
            settings.client.schedule = schedule(&[0, 30_000, 30_000])
        });
        let client = send(served.address(), "GET", path, &[]);
        // All three are there before any of them is answered.
        let mut attempts = [0; 3].map(|_| attempt(&upstream.next_request()));
        attempts.sort_unstable();
        assert_eq!(attempts, [0, 1, 2], "{path}");
        (0..3).for_each(|_| tell.send(()).unwrap());
        assert_eq!(read_reply(client).status, 200, "{path}");
    }
}

on_every_stack! {
    a_success_before_the_edge_costs_the_upstream_one_request,
    both_hedges_begin_at_the_edge_when_the_primary_is_late,
    a_late_primary_may_still_win,
    a_failure_before_the_edge_waits_for_the_hedges,
    a_failure_hurries_the_next_attempt_when_asked,
    the_other_endpoints_begin_all_attempts_at_once
}
