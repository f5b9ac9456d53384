//! The query of a request reaches what its route stands for, or is refused: no part of a request is dropped in silence.

use crate::support::http::get;
use crate::support::served::{Served, schedule};
use crate::support::stack::Stack;
use headstart_server::api::RouteSettings;
use headstart_testing::upstream::{Behavior, FakeUpstream};

on_every_stack!(
    a_query_is_passed_on_as_sent_but_for_the_timeout,
    a_query_follows_that_of_the_source,
    a_query_as_long_as_a_target_may_be_is_passed_on,
    each_attempt_is_told_the_query,
);

/// The target of the next request that `upstream` sees.
fn next_target(upstream: &FakeUpstream) -> String {
    let head = upstream.next_request();
    head.split(' ').nth(1).unwrap().to_owned()
}

/// The product in front of `upstream`, which it calls once for each request; the route `/own` does with a query.
fn serving(stack: Stack, upstream: &FakeUpstream) -> Served {
    let own = RouteSettings::new("/own", [format!("{}?own=1&empty=", upstream.url())]);
    Served::start_on(stack, &upstream.url(), |settings| {
        settings.client.schedule = schedule(&[0]);
        settings.routes = vec![RouteSettings::new("/bare", [upstream.url()]), own];
    })
}

fn a_query_is_passed_on_as_sent_but_for_the_timeout(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = serving(stack, &upstream);
    for (sent, passed_on) in [
        ("", ""),
        ("?", ""),
        ("?timeout=20000", ""),
        ("?x=1", "?x=1"),
        ("?b=2&timeout=20000&a=%2f+%20&b", "?b=2&a=%2f+%20&b"),
        ("?&&a=;'(:@/?$,)!*~", "?&&a=;'(:@/?$,)!*~"),
        ("?a=timeout&%74imeout=20000", "?a=timeout"),
        ("?a={\"<|>\\^`}", "?a=%7B%22%3C%7C%3E%5C%5E%60%7D"),
    ] {
        for path in ["/api/smart", "/api/first", "/api/all", "/api/within-timeout", "/bare"] {
            assert_eq!(get(served.address(), &format!("{path}{sent}")).status, 200, "{path}{sent}");
            assert_eq!(next_target(&upstream), format!("/api/work{passed_on}"), "{path}{sent}");
        }
    }
}

fn a_query_follows_that_of_the_source(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = serving(stack, &upstream);
    for (sent, called) in [
        ("/own", "/api/work?own=1&empty="),
        ("/own?timeout=20000", "/api/work?own=1&empty="),
        ("/own?own=2", "/api/work?own=1&empty=&own=2"),
    ] {
        assert_eq!(get(served.address(), sent).status, 200);
        assert_eq!(next_target(&upstream), called);
    }
}

fn a_query_as_long_as_a_target_may_be_is_passed_on(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = serving(stack, &upstream);
    let query = format!("?a={}", "x".repeat(8_000));
    assert_eq!(get(served.address(), &format!("/bare{query}")).text(), r#"{"success":true,"response":1}"#);
    assert_eq!(next_target(&upstream), format!("/api/work{query}"));
}

fn each_attempt_is_told_the_query(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = schedule(&[0, 0, 0]));
    assert_eq!(get(served.address(), "/api/all?q").text(), "[1, 1, 1]");
    assert_eq!([(); 3].map(|()| next_target(&upstream)), ["/api/work?q"; 3]);
}

#[cfg(all(feature = "command", unix))]
#[test]
fn a_source_that_takes_no_query_has_it_refused() {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start(&upstream.url(), |settings| {
        settings.routes = vec![
            RouteSettings::new("/program", ["command:printf 7"]),
            RouteSettings::new("/mixed", ["command:printf 7".to_owned(), upstream.url()]),
        ];
    });
    for path in ["/program", "/mixed"] {
        let refused = get(served.address(), &format!("{path}?timeout=20000&x=1"));
        assert_eq!((refused.status, refused.header("content-type")), (400, Some("application/problem+json")));
        assert!(refused.json()["detail"].as_str().unwrap().contains("takes no query"), "{refused:?}");
    }
    for query in ["", "?", "?timeout=20000"] {
        let reply = get(served.address(), &format!("/program{query}"));
        assert_eq!(reply.text(), r#"{"success":true,"response":7}"#, "{query}");
    }
}
