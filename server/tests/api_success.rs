//! Which statuses of a web service are a success is the API's to say, and a route's of its own. JSON stays required.

use crate::support::http::get;
use crate::support::served::Served;
use crate::support::stack::Stack;
use headstart::http::Statuses;
use headstart::{Crew, CrewSettings};
use headstart_server::api::{Api, ApiSettings, RouteSettings, SourceSettings};
use headstart_server::metrics::Metrics;
use headstart_server::{Server, ServerSettings};
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::sync::Arc;

on_every_stack!(a_route_says_which_statuses_are_a_success);

const FAILED: &str = r#"{"success":false,"response":{}}"#;
const MISSING: &str = r#"{"success":true,"response":{"is":"missing"}}"#;

fn statuses(text: &str) -> Statuses {
    text.parse().unwrap()
}

fn says(status: &str, content_type: &str) -> FakeUpstream {
    FakeUpstream::start(Behavior::Says(answer_with(status, content_type, r#"{"is":"missing"}"#)))
}

fn a_route_says_which_statuses_are_a_success(stack: Stack) {
    let (missing, page) = (says("404 Not Found", "application/json"), says("404 Not Found", "text/html"));
    let good = FakeUpstream::start(Behavior::Answers("7"));
    let route = |path: &str, upstream: &FakeUpstream| RouteSettings::new(path, [upstream.url()]);
    let served = Served::start_on(stack, &missing.url(), |settings| {
        settings.routes = vec![
            route("/taken", &missing).success(statuses("200-299,404")),
            route("/page", &page).success(statuses("200-299,404")),
            route("/good", &good).success(statuses("404")),
            route("/as-ever", &missing),
        ];
    });
    for (path, answer) in
        [("/taken", MISSING), ("/page", FAILED), ("/good", FAILED), ("/as-ever", FAILED), ("/api/smart", FAILED)]
    {
        assert_eq!(get(served.address(), path).text(), answer, "{path}");
    }
}

#[test]
fn those_of_the_api_hold_for_every_route_that_says_nothing_else() {
    let missing = says("404 Not Found", "application/json");
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let route = |path: &str| RouteSettings::new(path, [missing.url()]);
    let settings = ApiSettings::new([missing.url()])
        .sources(SourceSettings::default().success(statuses("404")))
        .routes([route("/same"), route("/own").success(statuses("200"))]);
    let api = Arc::new(Api::new(&crew, settings, Metrics::new()).unwrap());
    let server = Server::start(&crew, ServerSettings::new("127.0.0.1:0"), api).unwrap();
    for (path, answer) in [("/api/smart", MISSING), ("/same", MISSING), ("/own", FAILED)] {
        assert_eq!(get(server.local_addr(), path).text(), answer, "{path}");
    }
}

#[cfg(all(feature = "command", unix))]
#[test]
fn sources_without_a_status_have_no_use_for_it() {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let route = RouteSettings::new("/program", ["command:printf 7"]).success(statuses("200"));
    let settings = ApiSettings::new(["http://a/"]).routes([route]);
    let Err(headstart_server::Error::Setting { key, value, allowed }) = Api::new(&crew, settings, Metrics::new())
    else {
        panic!("taken")
    };
    assert_eq!((key.as_str(), value.as_str()), ("route", "/program"));
    assert!(allowed.contains("http and https"), "{allowed}");
}
