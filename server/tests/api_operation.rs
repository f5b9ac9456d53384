//! What an operator looks at is there and tells the truth.

use crate::support::http::{ask, get, read_reply, send};
use crate::support::served::{Served, figure, schedule};
use crate::support::stack::Stack;
use headstart_testing::eventually;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::collections::BTreeSet;
use std::io::{Read, Write};

fn quick(stack: Stack) -> (FakeUpstream, Served) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let served = Served::start_on(stack, &upstream.url(), |_| {});
    (upstream, served)
}

fn health_and_readiness_answer_in_plain_text(stack: Stack) {
    let (_upstream, served) = quick(stack);
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let reply = get(served.address(), path);
        assert_eq!((reply.status, reply.text()), (200, text));
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

/// Takes OpenMetrics text apart by its grammar's main rules, as strictly as a few lines can.
fn parse_exposition(text: &str) -> Vec<(String, f64)> {
    let (mut declared, mut samples) = (BTreeSet::new(), Vec::new());
    let lines = text.strip_suffix("# EOF\n").expect("an end").lines();
    for line in lines {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE", "UNIT"].contains(&kind) && !rest.is_empty(), "{line}");
            if kind == "TYPE" {
                assert!(declared.insert(name.to_owned()), "{name} is declared twice");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().unwrap();
        let family = ["_total", "_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        assert!(declared.contains(family.unwrap_or(name)) || declared.contains(name), "{line}: undeclared");
        assert!(name.starts_with("headstart_"), "{line}");
        assert!(!series.contains('{') || series.ends_with('}'), "{line}");
        samples.push((series.to_owned(), value.parse().expect("a number")));
    }
    let distinct: BTreeSet<_> = samples.iter().map(|(series, _)| series).collect();
    assert_eq!(distinct.len(), samples.len(), "a series is there twice");
    samples
}

fn the_figures_are_open_metrics_text(stack: Stack) {
    let (_upstream, served) = quick(stack);
    get(served.address(), "/api/smart");
    get(served.address(), "/api/all");
    let reply = get(served.address(), "/metrics");
    assert_eq!(reply.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let samples = parse_exposition(reply.text());
    for wanted in ["headstart_crew_threads", "headstart_crew_threads_bound", "headstart_crew_stuck_calls"] {
        assert!(samples.iter().any(|(series, _)| series == wanted), "{wanted}");
    }
}

fn the_figures_move_with_what_happens(stack: Stack) {
    let failing = answer_with("500 Internal Server Error", "application/json", "{}");
    let turns = [Behavior::Answers("1"), Behavior::Says(failing), Behavior::Answers("2")];
    let upstream = FakeUpstream::start(Behavior::TakesTurns(turns.into()));
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = schedule(&[0, 200]));
    let row = |row: &str| figure(served.address(), row);

    assert_eq!(row("headstart_requests_total{endpoint=\"/api/smart\",status=\"200\"}"), 0);
    get(served.address(), "/api/smart"); // the primary wins
    get(served.address(), "/api/smart"); // the primary fails, the hedge wins
    get(served.address(), "/api/smart?timeout=0");
    get(served.address(), "/nothing");
    ask(served.address(), "DELETE", "/api/smart", &[]);

    for (name, value) in [
        ("headstart_requests_total{endpoint=\"/api/smart\",status=\"200\"}", 2),
        ("headstart_requests_total{endpoint=\"/api/smart\",status=\"400\"}", 1),
        ("headstart_requests_total{endpoint=\"/api/smart\",status=\"405\"}", 1),
        ("headstart_requests_total{endpoint=\"unknown\",status=\"404\"}", 1),
        ("headstart_request_duration_seconds_count{endpoint=\"/api/smart\"}", 4),
        ("headstart_races_total{end=\"won\"}", 2),
        ("headstart_winners_total{attempt=\"0\"}", 1),
        ("headstart_winners_total{attempt=\"1\"}", 1),
        ("headstart_attempts_begun_total{attempt=\"0\"}", 2),
        ("headstart_attempts_begun_total{attempt=\"1\"}", 1),
        ("headstart_hedges_begun_total", 1),
        ("headstart_requests_in_flight", 0),
    ] {
        assert_eq!(row(name), value, "{name}");
    }
    // An attempt's end is told after the race's, so the answer may overtake it.
    for (name, value) in [
        ("headstart_attempts_ended_total{attempt=\"0\",end=\"succeeded\"}", 1),
        ("headstart_attempts_ended_total{attempt=\"0\",end=\"failed\"}", 1),
        ("headstart_attempts_ended_total{attempt=\"1\",end=\"succeeded\"}", 1),
    ] {
        eventually(name, || row(name) == value);
    }
}

fn requests_in_flight_are_counted_while_they_are(stack: Stack) {
    let (tell, told) = crossbeam_channel::bounded(1);
    let upstream = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = schedule(&[0]));
    let client = send(served.address(), "GET", "/api/smart", &[]);
    upstream.next_request();
    assert_eq!(figure(served.address(), "headstart_requests_in_flight"), 1);
    tell.send(()).unwrap();
    read_reply(client);
    eventually("none is left in flight", || figure(served.address(), "headstart_requests_in_flight") == 0);
}

fn an_operator_is_answered_when_the_server_takes_no_more_requests(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.api.max_in_flight = 1);
    let racing = send(served.address(), "GET", "/api/smart", &[]);
    upstream.next_request();
    assert_eq!(get(served.address(), "/api/smart").status, 503);
    for path in ["/healthz", "/readyz", "/metrics", "/hedging.json", "/", "/openapi.json"] {
        assert_eq!(get(served.address(), path).status, 200, "{path}");
    }
    drop(racing);
}

fn connections_are_counted_while_they_are_open(stack: Stack) {
    let (_upstream, served) = quick(stack);
    // The scrape has one of its own.
    eventually("one is open", || figure(served.address(), "headstart_server_connections") == 1);
    let other = std::net::TcpStream::connect(served.address()).unwrap();
    eventually("two are open", || figure(served.address(), "headstart_server_connections") == 2);
    drop(other);
    eventually("one is open again", || figure(served.address(), "headstart_server_connections") == 1);
}

fn a_draining_server_is_healthy_and_not_ready(stack: Stack) {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    let served = Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = schedule(&[0]));
    // Requests whose heads are read before the drain and whose bodies are sent under it.
    let kept = ["/readyz", "/healthz"].map(|path| {
        let mut socket = std::net::TcpStream::connect(served.address()).unwrap();
        socket.set_read_timeout(Some(headstart_testing::PATIENCE)).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n").unwrap();
        let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        socket.read_exact(&mut go_on).unwrap();
        socket
    });
    let racing = send(served.address(), "GET", "/api/smart", &[]);
    upstream.next_request();
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| served.shut_down(headstart_testing::PATIENCE));
        // New connections are refused once the drain has begun.
        eventually("the drain has begun", || std::net::TcpStream::connect(served.address()).is_err());
        let [ready, healthy] = kept.map(|mut socket| {
            socket.write_all(b".").unwrap();
            read_reply(socket)
        });
        assert_eq!(healthy.status, 200);
        assert_eq!(ready.status, 503);
        assert!(ready.text().contains("shutting down"), "{ready:?}");
        drop(racing);
        draining.join().unwrap();
    });
}

fn nothing_keeps_the_figures_alive_once_the_server_is_gone(stack: Stack) {
    let (_upstream, served) = quick(stack);
    get(served.address(), "/metrics");
    let metrics = std::sync::Arc::downgrade(&served.metrics);
    drop(served);
    eventually("the figures are dropped", || metrics.upgrade().is_none());
}

fn the_page_shows_the_figures_and_takes_nothing_from_elsewhere(stack: Stack) {
    let (_upstream, served) = quick(stack);
    get(served.address(), "/api/smart");
    let reply = get(served.address(), "/");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(reply.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
    let page = reply.text();
    assert!(page.contains(env!("CARGO_PKG_VERSION")));
    assert!(page.contains(&format!("curl 'http://{}/api/smart?timeout=1000'", served.address())));
    assert!(page.contains("<dt>races</dt><dd>1</dd>"), "{page}");
}

fn a_host_field_cannot_write_into_the_page(stack: Stack) {
    let (_upstream, served) = quick(stack);
    let socket = {
        let mut socket = std::net::TcpStream::connect(served.address()).unwrap();
        socket.set_read_timeout(Some(headstart_testing::PATIENCE)).unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: <script>\r\nConnection: close\r\n\r\n").unwrap();
        socket
    };
    let reply = read_reply(socket);
    assert!(!String::from_utf8_lossy(&reply.body).contains("<script>"));
}

fn the_description_is_served_as_json(stack: Stack) {
    let (_upstream, served) = quick(stack);
    let reply = get(served.address(), "/openapi.json");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let description = reply.json();
    assert_eq!(description["openapi"], "3.1.0");
    // Whatever it refers to is there.
    let text = reply.text();
    for reference in text.split("\"#/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(description.pointer(&format!("/{reference}")).is_some(), "{reference}");
    }
    // Whatever it lists is served.
    for path in description["paths"].as_object().unwrap().keys() {
        assert_eq!(get(served.address(), path).status, 200, "{path}");
    }
}

on_every_stack! {
    health_and_readiness_answer_in_plain_text,
    the_figures_are_open_metrics_text,
    the_figures_move_with_what_happens,
    requests_in_flight_are_counted_while_they_are,
    an_operator_is_answered_when_the_server_takes_no_more_requests,
    nothing_keeps_the_figures_alive_once_the_server_is_gone,
    the_page_shows_the_figures_and_takes_nothing_from_elsewhere,
    a_host_field_cannot_write_into_the_page,
    the_description_is_served_as_json;
    not_on_tiny_http:
    a_draining_server_is_healthy_and_not_ready = "tiny_http's open connections are not listened to once it drains",
    connections_are_counted_while_they_are_open = "tiny_http does not say how many connections there are",
}
