//! Every outcome of a race has the answer that the interface promises.

use crate::support::http::{Reply, ask, get, read_reply, send};
use crate::support::served;
use crate::support::served::{Served, schedule};
use crate::support::stack::Stack;
use headstart_testing::eventually;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer, answer_with};
use std::time::{Duration, Instant};

const RACED: [&str; 4] = ["/api/smart", "/api/first", "/api/all", "/api/within-timeout"];

/// JSON that every parser would write differently.
const PECULIAR: &str = " {\"b\" : 12345678901234567890123456789.50,\t\"a\":1E2,\r\n \"b\":[ ],\"\\u00e9\":\"é\\/\"}\n ";

fn fails() -> Behavior {
    Behavior::Says(answer_with("500 Internal Server Error", "application/json", "{}"))
}

fn takes_turns(behaviors: impl IntoIterator<Item = Behavior>) -> FakeUpstream {
    FakeUpstream::start(Behavior::TakesTurns(behaviors.into_iter().collect()))
}

#[track_caller]
fn assert_json(reply: &Reply, body: &str) {
    assert_eq!((reply.status, reply.text()), (200, body), "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.is_whole());
}

/// An error says what is wrong in the four members of its problem details.
#[track_caller]
fn assert_problem(reply: &Reply, status: u16, title: &str, detail: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem = reply.json();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["title"], title);
    assert_eq!(problem["status"], status);
    let said = problem["detail"].as_str().unwrap();
    assert!(said.contains(detail), "'{detail}' is not in '{said}'");
}

fn smart_and_first_wrap_the_first_success_byte_for_byte(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers(PECULIAR));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for path in ["/api/smart", "/api/first"] {
        let reply = get(served.address(), path);
        assert_json(&reply, &format!(r#"{{"success":true,"response":{PECULIAR}}}"#));
    }
}

fn all_and_within_timeout_list_the_successes_byte_for_byte(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers(PECULIAR));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for path in ["/api/all", "/api/within-timeout"] {
        assert_json(&get(served.address(), path), &format!("[{PECULIAR}, {PECULIAR}, {PECULIAR}]"));
    }
}

fn all_leaves_failures_out_and_keeps_the_order_of_arrival(stack: Stack) {
    let upstream = takes_turns([Behavior::AnswersAfter(Duration::from_millis(200)), Behavior::Answers("1"), fails()]);
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for path in ["/api/all", "/api/within-timeout"] {
        assert_json(&get(served.address(), path), r#"[1, {"late":true}]"#);
    }
}

fn when_every_attempt_fails_each_endpoint_says_so_in_its_way(stack: Stack) {
    let upstream = FakeUpstream::start(fails());
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    assert_json(&get(served.address(), "/api/smart"), r#"{"success":false,"response":{}}"#);
    assert_json(&get(served.address(), "/api/first"), r#"{"success":false,"response":{}}"#);
    assert_problem(&get(served.address(), "/api/all"), 502, "Bad Gateway", "failed");
    assert_json(&get(served.address(), "/api/within-timeout"), "[]");
}

fn only_complete_json_with_status_200_counts_as_success(stack: Stack) {
    let json = "application/json";
    let not_successes = [
        answer_with("201 Created", json, "{}"),
        answer_with("404 Not Found", json, "{}"),
        answer_with("200 OK", "text/html", "{}"),
        answer_with("200 OK", json, "{\"time\": 1"),
        answer_with("200 OK", json, ""),
        answer_with("200 OK", json, "{} {}"),
    ];
    for bytes in not_successes {
        let upstream = FakeUpstream::start(Behavior::Says(bytes.clone()));
        let served = Served::start_on(stack, &upstream.url(), |_| {});
        let reply = get(served.address(), "/api/smart");
        assert_eq!(reply.text(), r#"{"success":false,"response":{}}"#, "{}", String::from_utf8_lossy(&bytes));
    }
}

fn a_timeout_ends_every_race_in_time(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for path in RACED {
        let began = Instant::now();
        let reply = get(served.address(), &format!("{path}?timeout=150"));
        let elapsed = began.elapsed();
        if path == "/api/within-timeout" {
            assert_json(&reply, "[]");
        } else {
            assert_problem(&reply, 408, "Request Timeout", "in time");
        }
        assert!(elapsed >= Duration::from_millis(150), "{path} after {elapsed:?}");
        assert!(elapsed < Duration::from_secs(3), "{path} after {elapsed:?}");
    }
}

fn without_a_timeout_the_ceiling_holds(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    let served = Served::start_on(stack, &upstream.url(), |settings| {
        settings.api.timeout_ceiling = Some(Duration::from_millis(100))
    });
    assert_problem(&get(served.address(), "/api/smart"), 408, "Request Timeout", "in time");
    assert_json(&get(served.address(), "/api/within-timeout"), "[]");
    assert_problem(&get(served.address(), "/api/smart?timeout=101"), 400, "Bad Request", "from 1 to 100");
}

fn when_one_attempt_hangs_all_is_late_and_within_timeout_has_the_others(stack: Stack) {
    let upstream = takes_turns([Behavior::Answers("1"), Behavior::Answers("2"), Behavior::HangsAfterRequest]);
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    assert_problem(&get(served.address(), "/api/all?timeout=500"), 408, "Request Timeout", "in time");
    let mut there: Vec<u64> =
        serde_json::from_slice(&get(served.address(), "/api/within-timeout?timeout=500").body).unwrap();
    there.sort_unstable();
    assert_eq!(there, [1, 2]);
}

fn a_timeout_that_is_not_understood_is_refused_with_the_value_and_what_is_allowed(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    let refused = [
        ("timeout=abc", "'abc'"),
        ("timeout=", "''"),
        ("timeout", "''"),
        ("timeout=0", "'0'"),
        ("timeout=-1", "'-1'"),
        ("timeout=%2B1", "'+1'"),
        ("timeout=+1", "' 1'"),
        ("timeout=1.5", "'1.5'"),
        ("timeout=1e3", "'1e3'"),
        ("timeout=60001", "'60001'"),
        ("timeout=99999999999999999999999", "'99999999999999999999999'"),
        ("timeout=%D9%A3", "'٣'"),
        ("timeout=%22%0A", "'\"\n'"),
        ("timeout=5&timeout=5", "more than once"),
    ];
    for path in RACED {
        for (query, named) in refused {
            let reply = get(served.address(), &format!("{path}?{query}"));
            assert_problem(&reply, 400, "Bad Request", named);
            assert_problem(&reply, 400, "Bad Request", "integer from 1 to 60000");
        }
    }
    assert_eq!(upstream.requests(), 0);
}

fn a_timeout_that_is_understood_is_taken_and_other_parameters_are_ignored(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for query in ["timeout=60000", "timeout=%35000", "a=b&timeout=5000&timeouts=0", "", "x"] {
        assert_json(&get(served.address(), &format!("/api/smart?{query}")), r#"{"success":true,"response":1}"#);
    }
}

fn head_gets_the_head_of_get_without_its_body(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for target in ["/api/smart", "/api/all", "/api/smart?timeout=0", "/healthz", "/openapi.json", "/nothing"] {
        let (get, head) = (get(served.address(), target), ask(served.address(), "HEAD", target, &[]));
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{target}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{target}");
        assert!(head.body.is_empty(), "{target}");
    }
}

fn other_methods_are_refused_with_those_allowed(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    let others = ["/healthz", "/readyz", "/metrics", "/hedging.json", "/", "/openapi.json"];
    for path in RACED.into_iter().chain(others) {
        for method in ["DELETE", "OPTIONS", "PATCH", "get"] {
            let reply = ask(served.address(), method, path, &[]);
            assert_problem(&reply, 405, "Method Not Allowed", "GET and HEAD");
            assert_eq!(reply.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
        assert_eq!(ask(served.address(), "POST", path, &["Content-Length: 0"]).status, 405, "POST {path}");
    }
    assert_eq!(upstream.requests(), 0);
}

fn unknown_paths_are_not_found_whatever_the_method(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for path in ["/api", "/api/smart/", "/API/smart", "//", "/unknown", "/api/%73mart"] {
        assert_problem(&get(served.address(), path), 404, "Not Found", "nothing at this path");
    }
    assert_eq!(ask(served.address(), "DELETE", "/nothing", &[]).status, 404);
}

fn over_the_limit_in_flight_requests_are_refused_at_once_and_health_is_not(stack: Stack) {
    let (tell, told) = crossbeam_channel::bounded(1);
    let upstream = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let served = Served::start_on(stack, &upstream.url(), |settings| {
        settings.api.max_in_flight = 1;
        settings.client.schedule = schedule(&[0]);
    });
    let first = send(served.address(), "GET", "/api/smart", &[]);
    upstream.next_request();
    for path in RACED {
        let reply = get(served.address(), path);
        assert_problem(&reply, 503, "Service Unavailable", "in flight");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    assert_eq!(get(served.address(), "/healthz").status, 200);
    assert_eq!(get(served.address(), "/metrics").status, 200);
    tell.send(()).unwrap();
    assert_eq!(read_reply(first).status, 200);
    tell.send(()).unwrap();
    assert_eq!(get(served.address(), "/api/smart").status, 200);
}

fn a_race_ended_by_shutdown_is_answered_as_unavailable(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    for path in RACED {
        let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = schedule(&[0]));
        let waiting = send(served.address(), "GET", path, &[]);
        upstream.next_request();
        served.shut_down(Duration::from_millis(50));
        let reply = read_reply(waiting);
        assert_problem(&reply, 503, "Service Unavailable", "shutting down");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
}

fn the_trace_of_the_client_goes_on_at_the_upstream(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    ask(served.address(), "GET", "/api/smart", &[&format!("traceparent: 00-{trace}-00f067aa0ba902b7-01")]);
    let head = upstream.next_request().to_lowercase();
    assert!(head.contains(&format!("traceparent: 00-{trace}-")), "{head}");
}

fn a_client_that_leaves_ends_its_race_within_50_ms(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    let mut fastest = Duration::MAX;
    for path in RACED {
        let before = served::figure(served.address(), "headstart_clients_gone_total");
        let client = send(served.address(), "GET", path, &[]);
        (0..3).for_each(|_| drop(upstream.next_request()));
        let left = Instant::now();
        drop(client);
        let gone = (0..3).map(|_| upstream.next_gone()).max().unwrap();
        fastest = fastest.min(gone.saturating_duration_since(left));
        headstart_testing::eventually("the client's leaving is counted", || {
            served::figure(served.address(), "headstart_clients_gone_total") == before + 1
        });
    }
    // The machine may be busy during some of the four, hardly during all.
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

fn a_success_is_answered_even_when_the_other_attempts_fail(stack: Stack) {
    let upstream = takes_turns([fails(), fails(), Behavior::Says(answer("\"saved\""))]);
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    for path in ["/api/smart", "/api/first"] {
        assert_json(&get(served.address(), path), r#"{"success":true,"response":"saved"}"#);
    }
    assert_json(&get(served.address(), "/api/all"), r#"["saved"]"#);
}

fn without_threads_for_hedges_the_primary_answers_alone(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::AnswersAfter(Duration::from_millis(100)));
    let served = Served::start_on(stack, &upstream.url(), |settings| {
        // Two threads, one of them not for hedges: the connection itself takes the other.
        settings.crew = headstart::CrewSettings::default().max_threads(2).kept_for_requests(1);
    });
    assert_json(&get(served.address(), "/api/smart"), r#"{"success":true,"response":{"late":true}}"#);
    // The next connection needs a thread that this one or its attempt has given back.
    eventually("all threads are home", || served.crew.stats().idle == served.crew.stats().threads);
    assert_json(&get(served.address(), "/api/all"), r#"[{"late":true}]"#);
    assert_eq!(upstream.requests(), 2);
    // Once the thread of an attempt is back, the next request gets it.
    eventually("four are shed", || served::figure(served.address(), "headstart_hedges_shed_total") == 4);
}

on_every_stack! {
    smart_and_first_wrap_the_first_success_byte_for_byte,
    all_and_within_timeout_list_the_successes_byte_for_byte,
    all_leaves_failures_out_and_keeps_the_order_of_arrival,
    when_every_attempt_fails_each_endpoint_says_so_in_its_way,
    only_complete_json_with_status_200_counts_as_success,
    a_timeout_ends_every_race_in_time,
    without_a_timeout_the_ceiling_holds,
    when_one_attempt_hangs_all_is_late_and_within_timeout_has_the_others,
    a_timeout_that_is_not_understood_is_refused_with_the_value_and_what_is_allowed,
    a_timeout_that_is_understood_is_taken_and_other_parameters_are_ignored,
    head_gets_the_head_of_get_without_its_body,
    other_methods_are_refused_with_those_allowed,
    unknown_paths_are_not_found_whatever_the_method,
    over_the_limit_in_flight_requests_are_refused_at_once_and_health_is_not,
    a_race_ended_by_shutdown_is_answered_as_unavailable,
    the_trace_of_the_client_goes_on_at_the_upstream,
    a_success_is_answered_even_when_the_other_attempts_fail,
    without_threads_for_hedges_the_primary_answers_alone;
    not_on_tiny_http:
    a_client_that_leaves_ends_its_race_within_50_ms = "tiny_http shows no socket, so a client cannot be seen to leave",
}
