//! A race in which everything failed is answered with the status that was chosen for that.

use crate::support::http::{ask, get};
use crate::support::served::{Served, figure};
use crate::support::stack::Stack;
use headstart::{Crew, CrewSettings};
use headstart_server::Error;
use headstart_server::api::{Api, ApiSettings, RouteSettings, Strategy};
use headstart_server::metrics::Metrics;
use headstart_server::{Server, ServerSettings};
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::sync::Arc;

on_every_stack!(a_failure_has_the_status_of_its_route, a_success_and_a_time_that_is_over_are_as_ever);

fn fails() -> FakeUpstream {
    FakeUpstream::start(Behavior::Says(answer_with("500 Internal Server Error", "application/json", "{}")))
}

fn a_failure_has_the_status_of_its_route(stack: Stack) {
    let bad = fails();
    let route = |path: &str, strategy| RouteSettings::new(path, [bad.url()]).strategy(strategy);
    let served = Served::start_on(stack, &bad.url(), |settings| {
        settings.routes = vec![
            route("/smart", Strategy::Smart).failure_status(502),
            route("/first", Strategy::First).failure_status(503),
            route("/all", Strategy::All).failure_status(504),
            route("/as-ever", Strategy::Smart),
        ];
    });
    for (path, status) in [("/smart", 502), ("/first", 503), ("/all", 504)] {
        let reply = get(served.address(), path);
        assert_eq!((reply.status, reply.header("content-type")), (status, Some("application/problem+json")), "{path}");
        assert_eq!((&reply.json()["status"], &reply.json()["type"]), (&status.into(), &"about:blank".into()));
        assert_eq!(ask(served.address(), "HEAD", path, &[]).status, status);
        let row = format!("headstart_requests_total{{endpoint=\"{path}\",status=\"{status}\"}}");
        assert_eq!(figure(served.address(), &row), 2, "{row}");
    }
    for path in ["/as-ever", "/api/smart"] {
        assert_eq!(get(served.address(), path).text(), r#"{"success":false,"response":{}}"#);
    }
}

fn a_success_and_a_time_that_is_over_are_as_ever(stack: Stack) {
    let (good, hangs) = (FakeUpstream::start(Behavior::Answers("7")), FakeUpstream::start(Behavior::HangsAfterRequest));
    let served = Served::start_on(stack, &good.url(), |settings| {
        settings.routes = vec![
            RouteSettings::new("/good", [good.url()]).failure_status(502),
            RouteSettings::new("/hangs", [hangs.url()]).failure_status(502),
        ];
    });
    assert_eq!(get(served.address(), "/good").text(), r#"{"success":true,"response":7}"#);
    assert_eq!(get(served.address(), "/hangs?timeout=50").status, 408);
}

#[test]
fn the_status_of_the_api_holds_for_all_its_routes_and_is_described() {
    let bad = fails();
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let within = RouteSettings::new("/within", [bad.url()]).strategy(Strategy::WithinTimeout);
    let own = RouteSettings::new("/own", [bad.url()]).failure_status(504);
    let settings = ApiSettings::new([bad.url()]).routes([within, own]).failure_status(503);
    let api = Arc::new(Api::new(&crew, settings, Metrics::new()).unwrap());
    let server = Server::start(&crew, ServerSettings::new("127.0.0.1:0"), api).unwrap();
    let at = server.local_addr();
    for (path, status) in [("/api/smart", 503), ("/api/first", 503), ("/api/all", 503), ("/own", 504)] {
        assert_eq!(get(at, path).status, status, "{path}");
    }
    for path in ["/api/within-timeout?timeout=5000", "/within?timeout=5000"] {
        assert_eq!((get(at, path).status, get(at, path).text()), (200, "[]"));
    }

    let description = get(at, "/openapi.json").json();
    for (path, status, example) in
        [("/api/smart", "503", true), ("/api/first", "503", true), ("/own", "504", true), ("/api/all", "503", false)]
    {
        for method in ["get", "head"] {
            let responses = &description["paths"][path][method]["responses"];
            assert_eq!(responses[status]["description"], "Every attempt failed.", "{method} {path}");
            assert!(responses.get("502").is_none(), "{method} {path}: {responses}");
        }
        let success = &description["paths"][path]["get"]["responses"]["200"];
        let examples = &success["content"]["application/json"]["examples"];
        assert_eq!(examples["success"].is_object(), example, "{path}: {success}");
        assert!(examples["failure"].is_null(), "{path}: {success}");
    }
    let untouched = &description["paths"]["/within"]["get"]["responses"];
    assert_eq!(untouched, &description["paths"]["/api/within-timeout"]["get"]["responses"]);
    assert!(untouched["503"]["description"].is_null(), "{untouched}");
}

#[test]
fn a_status_that_is_no_failure_is_refused() {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let route = || RouteSettings::new("/a", ["http://a/"]);
    let within = route().strategy(Strategy::WithinTimeout);
    for (settings, key, why) in [
        (ApiSettings::new(["http://a/"]).failure_status(200), "failure-status", "500 to 599"),
        (ApiSettings::new(["http://a/"]).failure_status(600), "failure-status", "500 to 599"),
        (ApiSettings::new(["http://a/"]).routes([route().failure_status(404)]), "failure-status", "500 to 599"),
        (ApiSettings::new(["http://a/"]).routes([within.failure_status(502)]), "route", "within-timeout"),
    ] {
        let Err(Error::Setting { key: named, allowed, .. }) = Api::new(&crew, settings, Metrics::new()) else {
            panic!("{why}: taken")
        };
        assert_eq!(named, key);
        assert!(allowed.contains(why), "{allowed}");
    }
}
