//! What a request's timeout counts, and what holds without a ceiling over it.

use crate::support::http::{get, read_reply, send};
use crate::support::served;
use crate::support::served::Served;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use std::io::Write;
use std::thread;
use std::time::Duration;

#[test]
fn a_timeout_counts_from_the_end_of_the_head_however_late_the_body_comes() {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start(&upstream.url(), |_| {});
    let mut client = send(served.address(), "GET", "/api/smart?timeout=200", &["Content-Length: 1"]);
    // The body comes when the time is over, so nothing is left for a race: the upstream is never called.
    thread::sleep(Duration::from_millis(400));
    client.write_all(b"x").unwrap();
    let reply = read_reply(client);
    assert_eq!(reply.status, 408, "{}", reply.text());
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn without_a_ceiling_any_timeout_is_taken_and_none_is_no_limit() {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    for (ceiling, status) in [(Some(Duration::from_secs(60)), 400), (None, 200)] {
        let served = Served::start(&upstream.url(), |settings| settings.api.timeout_ceiling = ceiling);
        assert_eq!(get(served.address(), "/api/smart?timeout=86400000").status, status, "{ceiling:?}");
        assert_eq!(get(served.address(), "/api/smart").status, 200);
    }
}

#[test]
fn without_a_ceiling_a_request_without_a_timeout_waits_for_the_first_success() {
    let turns = [Behavior::HangsAfterRequest, Behavior::AnswersAfter(Duration::from_millis(300))];
    let upstream = FakeUpstream::start(Behavior::TakesTurns(turns.into()));
    let served = Served::start(&upstream.url(), |settings| {
        settings.api.timeout_ceiling = None;
        settings.client.schedule = served::schedule(&[0, 0]);
    });
    let reply = get(served.address(), "/api/smart");
    assert_eq!((reply.status, reply.text()), (200, r#"{"success":true,"response":{"late":true}}"#));
}
