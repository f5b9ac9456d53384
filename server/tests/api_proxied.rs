//! Which route a path belongs to where some of them are prefixes, and where the endpoints for operators are.

use crate::support::http::{Reply, ask, get, read_reply, send};
use headstart::{Crew, CrewSettings};
use headstart_server::api::{Admin, Api, ApiSettings, Operation, ProxySettings, RouteSettings, SourceSettings};
use headstart_server::metrics::Metrics;
use headstart_server::{Error, Request, Response, Server, ServerSettings};
use headstart_testing::eventually;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const OPERATION: [&str; 6] = ["/", "/metrics", "/hedging.json", "/healthz", "/readyz", "/openapi.json"];

/// An API with its operators' endpoints on a front of their own.
struct Apart {
    _crew: Crew,
    server: Arc<Server>,
    admin: Server,
}

impl Apart {
    fn start(settings: ApiSettings) -> Apart {
        let (crew, metrics) = (Crew::new(CrewSettings::default()).unwrap(), Metrics::new());
        let api = Api::new(&crew, settings.operation(Operation::Apart), metrics.clone()).unwrap();
        let (api, settings) = (Arc::new(api), ServerSettings::new("127.0.0.1:0"));
        let server = Arc::new(Server::start(&crew, settings.clone(), api.clone()).unwrap());
        metrics.watch(&server);
        let admin = Admin::new(api, server.clone());
        let admin = Server::start(&crew, settings, Arc::new(admin)).unwrap();
        Apart { _crew: crew, server, admin }
    }

    fn get(&self, target: &str) -> Reply {
        get(self.server.local_addr(), target)
    }

    fn operate(&self, target: &str) -> Reply {
        get(self.admin.local_addr(), target)
    }

    /// How many requests were answered at this endpoint, whatever with.
    fn answered(&self, endpoint: &str) -> u64 {
        let start = format!("headstart_requests_total{{endpoint=\"{endpoint}\",");
        let figures = self.operate("/metrics");
        let rows = figures.text().lines().filter(|line| line.starts_with(&start));
        rows.map(|row| row.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// `upstream` as what a proxy route takes.
fn origin(upstream: &FakeUpstream) -> String {
    format!("http://{}", upstream.address())
}

#[test]
fn an_exact_path_goes_first_then_the_longest_prefix() {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let passed = |path: &str| ProxySettings::new(path, [origin(&upstream)]);
    let settings = ApiSettings::new([upstream.url()])
        .routes([RouteSettings::new("/a/exact", [upstream.url()])])
        .proxies([passed("/*"), passed("/a/*"), passed("/a/b/*")]);
    let apart = Apart::start(settings);
    for (method, target, endpoint) in [
        ("GET", "/a/exact", "/a/exact"),
        ("GET", "/a/exact?x", "/a/exact"),
        ("GET", "/api/smart", "/api/smart"),
        ("GET", "/a/exact/", "/a/*"),
        ("GET", "/a/", "/a/*"),
        ("GET", "/a/b", "/a/*"),
        ("GET", "/a/b/", "/a/b/*"),
        ("GET", "/a/b/c?d", "/a/b/*"),
        ("GET", "/a", "/*"),
        ("GET", "/A/", "/*"),
        ("GET", "/%61/", "/*"),
        ("GET", "//a/", "/*"),
        ("GET", "/", "/*"),
        ("GET", "/healthz", "/*"),
        ("GET", "/metrics", "/*"),
        ("DELETE", "/x", "/*"),
        ("BREW", "/a/b/c", "/a/b/*"),
        ("OPTIONS", "*", "/*"),
    ] {
        let before = apart.answered(endpoint);
        ask(apart.server.local_addr(), method, target, &[]);
        assert_eq!(apart.answered(endpoint), before + 1, "{method} {target} belongs to {endpoint}");
    }
}

#[test]
fn what_no_route_takes_is_left_to_the_endpoints_for_operators() {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let settings = ApiSettings::new([""; 0]).proxies([ProxySettings::new("/a/*", [origin(&upstream)])]);
    let api = Arc::new(Api::new(&crew, settings, Metrics::new()).unwrap());
    let server = Server::start(&crew, ServerSettings::new("127.0.0.1:0"), api).unwrap();
    for path in OPERATION {
        assert_eq!(get(server.local_addr(), path).status, 200, "{path}");
    }
    for path in ["/a", "/api/smart", "/unknown", "*"] {
        let method = if path == "*" { "OPTIONS" } else { "GET" };
        assert_eq!(ask(server.local_addr(), method, path, &[]).status, 404, "{path}");
    }
    let page = get(server.local_addr(), "/");
    assert!(page.text().contains("/a/'</code>") && !page.text().contains("/api/"), "{}", page.text());
    let description = get(server.local_addr(), "/openapi.json").json();
    let described: Vec<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(OPERATION.iter().all(|path| described.contains(path)) && described.len() == OPERATION.len());
}

#[test]
fn a_path_that_could_lead_out_of_its_prefix_is_refused_before_anybody_is_asked() {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let passed = |path: &str| ProxySettings::new(path, [origin(&upstream)]);
    let apart = Apart::start(ApiSettings::new([""; 0]).proxies([passed("/a/*")]));
    for path in ["/a/..", "/a/../b", "/a/./b", "/a/%2e%2E/b", "/a/b/.%2e", "/a/..%2fb", "/a/..;x/b", "/a/%2e"] {
        let refused = apart.get(path);
        assert_eq!((refused.status, refused.header("content-type")), (400, Some("application/problem+json")), "{path}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("dot segment"), "{refused:?}");
    }
    assert_eq!((apart.answered("/a/*"), upstream.accepts()), (8, 0));
    let all = Apart::start(ApiSettings::new([""; 0]).proxies([passed("/*")]));
    for path in ["/a/..", "/../b", "/%2e"] {
        assert_ne!(all.get(path).status, 400, "{path}");
    }
}

#[test]
fn what_is_passed_through_keeps_its_body_however_long_and_is_counted_by_its_status() {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let teapot = |request: &Request<'_>| {
        let length = request.header("content-length").map_or(Vec::new(), <[u8]>::to_vec);
        Response::new(418, "text/plain", length)
    };
    let settings = ServerSettings::new("127.0.0.1:0").max_body(1 << 20);
    let upstream = Server::start(&crew, settings, Arc::new(teapot)).unwrap();
    let to = format!("http://{}", upstream.local_addr());
    let proxy = ProxySettings::new("/a/*", [to.clone()]);
    let settings = ApiSettings::new([""; 0]).proxies([proxy]).routes([RouteSettings::new("/a/exact", [to])]);
    let apart = Apart::start(settings);
    let body = vec![b'x'; 200 << 10]; // more than is read for endpoints that take none
    for (path, status, text) in [("/a/b", 418, "204800"), ("/a/exact", 413, "")] {
        let length = format!("Content-Length: {}", body.len());
        let mut client = send(apart.server.local_addr(), "POST", path, &[&length]);
        let _ = client.write_all(&body); // a refusal may come before all of it is taken
        let reply = read_reply(client);
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.text().contains(text), "{reply:?}");
    }
    let figures = apart.operate("/metrics");
    for row in [
        "headstart_requests_total{endpoint=\"/a/*\",status=\"418\"} 1",
        "headstart_request_duration_seconds_count{endpoint=\"/a/*\"} 1",
    ] {
        assert!(figures.text().lines().any(|line| line == row), "{row} in {}", figures.text());
    }
    let rows = figures.text().lines().filter(|line| line.starts_with("headstart_requests_total{endpoint=\"/a/*\""));
    assert_eq!(rows.count(), 1, "a row for each status there was");
}

#[test]
fn apart_means_there_and_nowhere_else() {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let apart =
        Apart::start(ApiSettings::new([upstream.url()]).routes([RouteSettings::new("/healthz", [upstream.url()])]));
    for path in OPERATION {
        assert_eq!(apart.operate(path).status, 200, "{path}");
    }
    assert_eq!(apart.get("/healthz").text(), r#"{"success":true,"response":1}"#, "the path is free for a route");
    for path in ["/", "/metrics", "/readyz", "/openapi.json", "/unknown"] {
        assert_eq!(apart.get(path).status, 404, "{path}");
    }
    assert_eq!(apart.get("/api/smart").status, 200);
    for path in ["/api/smart", "/unknown"] {
        assert_eq!(apart.operate(path).status, 404, "{path}");
    }
    assert_eq!(ask(apart.admin.local_addr(), "POST", "/metrics", &[]).status, 405);
    let page = apart.operate("/");
    let url = format!("http://{}/api/smart", apart.server.local_addr());
    assert!(page.text().contains(&url), "{}", page.text());
}

#[test]
fn readiness_told_apart_is_that_of_the_front_that_drains() {
    let (tell, told) = crossbeam_channel::bounded(1);
    let upstream = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let apart = Apart::start(ApiSettings::new([upstream.url()]));
    let asks = thread::spawn({
        let at: SocketAddr = apart.server.local_addr();
        move || get(at, "/api/smart")
    });
    upstream.next_request();
    assert_eq!(apart.operate("/readyz").status, 200);
    let drains = thread::spawn({
        let server = apart.server.clone();
        move || server.shutdown(Duration::from_secs(20))
    });
    eventually("the server drains", || apart.server.stats().is_draining);
    let reply = apart.operate("/readyz");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!((apart.operate("/healthz").status, apart.operate("/metrics").status), (200, 200));
    tell.send(()).unwrap();
    assert_eq!(asks.join().unwrap().status, 200);
    assert_eq!(drains.join().unwrap().canceled, 0);
}

#[test]
fn what_cannot_be_passed_through_is_refused_by_name() {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let one = |path: &str, to: &[&str]| ApiSettings::new([""; 0]).proxies([ProxySettings::new(path, to.to_vec())]);
    let twice = [ProxySettings::new("/a/*", ["http://a"]), ProxySettings::new("/a/*", ["http://b"])];
    let sources = SourceSettings::default().proxy("http://p:1".to_owned());
    for (settings, key, value, why) in [
        (one("/a", &["http://a"]), "route", "/a", "ends in /*"),
        (one("/a*", &["http://a"]), "route", "/a*", "ends in /*"),
        (one("/*/a/*", &["http://a"]), "route", "/*/a/*", "without another star"),
        (one("a/*", &["http://a"]), "route", "a/*", "begins with a slash"),
        (one("/a/*", &[]), "route", "/a/*=", "an upstream"),
        (one("/a/*", &["a:80"]), "route", "/a/*=a:80", "a scheme"),
        (one("/a/*", &["http://a/b"]), "route", "/a/*=http://a/…", "without path and query"),
        (one("/a/*", &["http://a?b"]), "route", "/a/*=http://a/…", "without path and query"),
        (one("/a/*", &["http://u:p@a"]), "route", "/a/*=http://***@…", "without user name"),
        (ApiSettings::new([""; 0]).proxies(twice), "route", "/a/*", "not taken"),
        (one("/a/*", &["http://a"]).sources(sources), "proxy", "", "called directly"),
        (
            ApiSettings::new(["http://a/"]).routes([RouteSettings::new("/items/*", ["http://a/"])]),
            "route",
            "/items/*",
            "a star at the end alone",
        ),
        (ApiSettings::new([""; 0]), "upstream", "", "at least one URL"),
    ] {
        let Err(Error::Setting { key: named, value: shown, allowed }) = Api::new(&crew, settings, Metrics::new())
        else {
            panic!("{value}: taken")
        };
        assert_eq!((named.as_str(), shown.as_str()), (key, value));
        assert!(allowed.contains(why), "{allowed}");
    }
}
