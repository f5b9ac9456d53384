//! A route races its sources as the endpoint of its strategy does, is counted, described, and refused when it cannot
//! be served.

use crate::support::http::{ask, get};
use crate::support::served::{Served, figure, schedule};
use crate::support::stack::Stack;
use headstart::{Crew, CrewSettings};
use headstart_server::Error;
use headstart_server::api::{Api, ApiSettings, RouteSettings, Strategy};
use headstart_server::metrics::Metrics;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::time::Duration;

on_every_stack!(
    each_strategy_answers_as_the_endpoint_of_its_name,
    attempts_take_the_sources_in_turn,
    a_route_has_a_schedule_and_a_timeout_of_its_own,
    a_route_takes_the_methods_of_the_others_and_is_described_like_them,
);

fn fails() -> Behavior {
    Behavior::Says(answer_with("500 Internal Server Error", "application/json", "{}"))
}

/// The product in front of nothing, with these routes.
fn serving(stack: Stack, routes: Vec<RouteSettings>) -> Served {
    Served::start_on(stack, "http://127.0.0.1:9/", |settings| settings.routes = routes)
}

fn route(path: &str, strategy: Strategy, sources: &[&FakeUpstream]) -> RouteSettings {
    RouteSettings::new(path, sources.iter().map(|source| source.url())).strategy(strategy)
}

fn each_strategy_answers_as_the_endpoint_of_its_name(stack: Stack) {
    let (good, bad) = (FakeUpstream::start(Behavior::Answers("{\"a\":1}")), FakeUpstream::start(fails()));
    let (smart, all) = (r#"{"success":true,"response":{"a":1}}"#, r#"[{"a":1}, {"a":1}, {"a":1}]"#);
    for (strategy, body, failure) in [
        (Strategy::Smart, smart, (200, r#"{"success":false,"response":{}}"#)),
        (Strategy::First, smart, (200, r#"{"success":false,"response":{}}"#)),
        (Strategy::All, all, (502, "all attempts")),
        (Strategy::WithinTimeout, all, (200, "[]")),
    ] {
        let served = serving(stack, vec![route("/good", strategy, &[&good]), route("/bad", strategy, &[&bad])]);
        let reply = get(served.address(), "/good?timeout=5000");
        assert_eq!((reply.status, reply.text()), (200, body), "{strategy:?}");
        let reply = get(served.address(), "/bad");
        assert!(reply.status == failure.0 && reply.text().contains(failure.1), "{strategy:?}: {reply:?}");
        assert_eq!(figure(served.address(), "headstart_requests_total{endpoint=\"/good\",status=\"200\"}"), 1);
    }
}

fn attempts_take_the_sources_in_turn(stack: Stack) {
    let (hangs, answers) =
        (FakeUpstream::start(Behavior::HangsAfterRequest), FakeUpstream::start(Behavior::Answers("7")));
    let served = serving(stack, vec![route("/replicated", Strategy::Smart, &[&hangs, &answers])]);
    for _ in 0..4 {
        let reply = get(served.address(), "/replicated");
        assert_eq!(reply.text(), r#"{"success":true,"response":7}"#);
    }
}

fn a_route_has_a_schedule_and_a_timeout_of_its_own(stack: Stack) {
    let late = FakeUpstream::start(Behavior::TakesTurns([Behavior::HangsAfterRequest, Behavior::Answers("7")].into()));
    let hangs = FakeUpstream::start(Behavior::HangsAfterRequest);
    let own_schedule = route("/schedule", Strategy::Smart, &[&late]).schedule(schedule(&[0, 5]));
    let own_timeout = route("/timeout", Strategy::Smart, &[&hangs]).timeout(Duration::from_millis(50));
    let served = Served::start_on(stack, "http://127.0.0.1:9/", |settings| {
        settings.client.schedule = schedule(&[0, 100_000]);
        settings.routes = vec![own_schedule, own_timeout];
    });
    assert_eq!(get(served.address(), "/schedule?timeout=20000").text(), r#"{"success":true,"response":7}"#);
    assert_eq!(get(served.address(), "/timeout").status, 408);
    assert_eq!(get(served.address(), "/timeout?timeout=60001").status, 400, "the ceiling holds for routes too");
}

fn a_route_takes_the_methods_of_the_others_and_is_described_like_them(stack: Stack) {
    let good = FakeUpstream::start(Behavior::Answers("1"));
    let served = serving(stack, vec![route("/api/cache", Strategy::All, &[&good])]);
    let post = ask(served.address(), "POST", "/api/cache", &[]);
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(get(served.address(), "/api/cache/").status, 404);
    let description = get(served.address(), "/openapi.json").json();
    let responses = &description["paths"]["/api/cache"]["get"]["responses"];
    assert_eq!(responses, &description["paths"]["/api/all"]["get"]["responses"]);
    assert!(get(served.address(), "/").text().contains("/api/cache"));
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    for (path, source, named, why) in [
        ("/api/smart", "http://a/", "/api/smart", "not taken"),
        ("/healthz", "http://a/", "/healthz", "not taken"),
        ("/known", "http://a/", "/known", "not taken"),
        ("a", "http://a/", "a", "begins with a slash"),
        ("/a?b", "http://a/", "/a?b", "without a query"),
        ("/a", "gopher://a/", "/a=gopher:…", "begins with one of http:"),
        ("/a", "nothing", "/a=nothing", "begins with one of http:"),
        ("/a", "http://u:p@a/", "/a=http://***@a/", "user name"),
        ("/a", "http://u:p@a b/", "/a=http://***@a b/", "a URL that begins with"),
    ] {
        let crew = Crew::new(CrewSettings::default()).unwrap();
        let routes = [RouteSettings::new("/known", ["http://a/"]), RouteSettings::new(path, [source])];
        let refused = Api::new(&crew, ApiSettings::new(["http://127.0.0.1:9/"]).routes(routes), Metrics::new());
        let Err(Error::Setting { key, value, allowed }) = refused else { panic!("{path} {source}: taken") };
        assert_eq!((key.as_str(), value.as_str()), ("route", named));
        assert!(allowed.contains(why), "{allowed}");
    }
}
