//! The options of hedging in every layer, for each route, and while the server runs.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::proxy_hedging::plain;
use crate::support::client::Client;
use crate::support::config::{ConfigFile, complaint};
use crate::support::http::get;
use crate::support::process::{Process, finish, headstart};
use crate::support::proxied::Proxied;
use crate::support::script::Upstream;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const DELAYS: &str = "expected off, a duration such as 10ms, a quantile from p1 to p99.99 such as p95, or auto; the \
                      latter two can have bounds behind them, such as p95:2ms..500ms";
const BOUNDS: &str = "expected bounds of two durations, the first no longer than the second, such as 2ms..500ms";

/// An option, its value as it is typed and as the file has it, and what is allowed.
const WRONG: [(&str, &str, &str, &str); 16] = [
    ("hedge", "p100", "'p100'", DELAYS),
    ("hedge", "p0", "'p0'", DELAYS),
    ("hedge", "500ms..2ms", "'500ms..2ms'", DELAYS),
    ("hedge", "soon", "'soon'", DELAYS),
    ("hedge", "p95:500ms..2ms", "'p95:500ms..2ms'", BOUNDS),
    ("hedge", "auto:0..2ms", "'auto:0..2ms'", BOUNDS),
    ("hedge-budget", "120%", "'120%'", "expected a percentage from 0% to 100%, such as 10%"),
    ("hedge-budget", "100.5", "100.5", "expected a percentage from 0% to 100%, such as 10%"),
    ("hedge-attempts", "0", "0", "expected a whole number from 1 to 15"),
    ("hedge-attempts", "16", "16", "expected a whole number from 1 to 15"),
    ("hedge-min-rate", "-1", "-1", "expected 0, or a number a second from 0.1 to 1000000"),
    ("hedge-min-rate", "0.05", "0.05", "expected 0, or a number a second from 0.1 to 1000000"),
    ("hedge-max-concurrent", "0", "0", "expected a whole number from 1 to 1000000"),
    ("health-path", "x", "'x'", "expected a path, such as /healthz"),
    ("dns-refresh", "0", "0", "expected a duration from 1ms to 1h"),
    ("dns-refresh", "1.5", "1.5", "expected a duration from 1ms to 1h"),
];

#[test]
fn a_wrong_value_is_told_with_its_key_and_what_is_allowed_in_every_layer() {
    for (option, typed, in_file, allowed) in WRONG {
        let said = complaint(&["proxy", "--to", "http://a", &format!("--{option}"), typed]);
        assert!(said.starts_with(&format!("headstart: --{option} cannot be '{typed}': {allowed}")), "{said}");

        let variable = format!("HEADSTART_{}", option.replace('-', "_").to_uppercase());
        let mut command = headstart(&["proxy", "--to", "http://a"]);
        command.env(&variable, typed);
        let finished = finish(command);
        let said = format!("headstart: {variable} cannot be '{typed}': {allowed}");
        assert!(finished.code == Some(2) && finished.stderr.starts_with(&said), "{finished:?}");

        let file = ConfigFile::new("hedging-key.toml", &format!("{option} = {in_file}\n"));
        let said = complaint(&["proxy", "--to", "http://a", "--config", file.path()]);
        let start = format!("headstart: {option} in {}:1 cannot be '{typed}': {allowed}", file.path());
        assert!(said.starts_with(&start), "{said}");

        let route = format!("[[route]]\npath = '/x/*'\nto = 'http://a'\n{option} = {in_file}\n");
        let file = ConfigFile::new("hedging-route.toml", &route);
        let said = complaint(&["--config", file.path()]);
        assert!(said.starts_with(&format!("headstart: route in {}:1 cannot be '", file.path())), "{said}");
        assert!(said.contains(&format!("': its {option} cannot be '{typed}': {allowed}")), "{said}");
    }
    let said = complaint(&["proxy", "--to", "http://a", "--hedge-dry-run=maybe"]);
    assert!(said.starts_with("headstart: --hedge-dry-run cannot be 'maybe': expected one of true, false"), "{said}");
}

#[test]
fn schedule_and_hedge_do_not_go_together() {
    let both = ["proxy", "--to", "http://a", "--schedule", "0,5", "--hedge", "p95"];
    let why = "do not go together: both say when hedges are due";
    assert_eq!(complaint(&both), format!("headstart: --schedule and --hedge {why}\n"));
    let file = ConfigFile::new("hedging-both.toml", "hedge = 'p95'\n");
    let said = complaint(&["proxy", "--to", "http://a", "--schedule", "0,5", "--config", file.path()]);
    assert_eq!(said, format!("headstart: --schedule and hedge in {}:1 {why}\n", file.path()));
    for target in ["path = '/x/*'\nto = 'http://a'", "path = '/x'\nsource = 'http://a'"] {
        let text = format!("[[route]]\n{target}\nhedge = 'p95'\nschedule = [0, 5]\n");
        let file = ConfigFile::new("hedging-both-of-a-route.toml", &text);
        let said = complaint(&["--config", file.path()]);
        assert!(said.contains("schedule and hedge do not go together: both say when hedges are due"), "{said}");
    }
}

#[test]
fn a_route_with_sources_is_hedged_by_a_policy_only_if_it_says_hedge_and_answers_with_the_first() {
    for (rest, why) in [
        ("hedge = 'p95'\nstrategy = 'all'", "expected no hedge beside a strategy other than smart"),
        ("hedge = 'p95'\nstrategy = 'first'", "expected no hedge beside a strategy other than smart"),
        ("hedge-budget = 5", "the other options of hedging need hedge"),
        ("hedge = 'p95'\nhealth-path = '/x'", "health-path belongs to a path that ends in /*"),
    ] {
        let text = format!("[[route]]\npath = '/x'\nsource = 'http://a'\n{rest}\n");
        let file = ConfigFile::new("hedging-sources-wrong.toml", &text);
        let said = complaint(&["--check", "--config", file.path()]);
        assert!(said.contains(why), "{why} in {said}");
    }
}

#[test]
fn the_sources_of_a_route_are_the_places_of_its_policy_on_either_front() {
    for plain in ["--plain=false", "--plain"] {
        sources_are_places(plain);
    }
}

fn sources_are_places(plain: &str) {
    let sources = [Upstream::start(), Upstream::start()];
    let [one, other] = sources.each_ref().map(Upstream::url);
    let text = format!(
        "[[route]]\npath = '/x'\nsource = ['{one}/1', '{other}/2']\nhedge = '30ms'\nhedge-budget = '100%'\n\
         hedge-min-rate = 100.0\n"
    );
    let file = ConfigFile::new("hedging-sources.toml", &text);
    let mut process = start(&[plain, "--config", file.path()]);
    let mut client = connect(&mut process);
    for _ in 0..3 {
        let began = Instant::now();
        client.get("/x");
        let mut attempts = [0, 1].map(|at| {
            let (link, head) = sources[at].asked();
            (head.field("x-attempt").unwrap().to_owned(), link)
        });
        assert!(began.elapsed() >= Duration::from_millis(30), "{:?}", began.elapsed());
        attempts.sort_by(|one, other| one.0.cmp(&other.0));
        let [(primary, _primary), (hedge, mut link)] = attempts;
        assert_eq!((&*primary, &*hedge), ("0", "1"));
        link.send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 1\r\n\r\n7",
        );
        assert_eq!(client.response().1, r#"{"success":true,"response":7}"#);
    }
    let route = routes(&mut process).remove(0);
    assert_eq!((&route["route"], &route["hedge"], &route["hedges"]["sent"]), (&json!("/x"), &json!("30ms"), &json!(3)));
    let labels: Vec<&Value> = route["upstreams"].as_array().unwrap().iter().map(|place| &place["upstream"]).collect();
    assert_eq!(labels, ["source 1", "source 2"]);
}

#[test]
fn a_schedule_alone_holds_for_a_proxy_without_a_limit() {
    let upstream = Upstream::start();
    let args =
        ["--schedule", "0,20,40", "--hedge-budget", "0%", "--hedge-min-rate", "0", "--hedge-max-concurrent", "1"];
    let mut proxy = Proxied::to(&[upstream.url()], &args);
    assert_eq!(proxy.hedging()["hedge"], "schedule");
    let mut clients: Vec<Client> = (0..4).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Attempt: 1\r\n\r\n");
    }
    let _all: Vec<_> = (0..12).map(|_| upstream.asked()).collect();
    assert_eq!(proxy.hedging()["skipped"], json!({}));
}

#[test]
fn a_server_with_both_kinds_of_routes_takes_schedule_for_one_and_hedge_for_the_other() {
    let (api, proxied) = (Upstream::start(), Upstream::start());
    let (work, all) = (format!("{}/work", api.url()), format!("/*={}", proxied.url()));
    let plenty = ["--hedge-budget", "100%", "--hedge-min-rate", "100"];
    let options = ["--upstream", &work, "--route", &all, "--schedule", "0,15,30", "--hedge", "70ms"];
    let mut process = start(&[&options[..], &plenty].concat());
    let mut client = connect(&mut process);
    client.get("/api/smart");
    let _losers = [api.asked_by_attempt("0"), api.asked_by_attempt("1")];
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 1\r\n\r\n7";
    api.asked_by_attempt("2").0.send(answer);
    assert_eq!(client.response().1, r#"{"success":true,"response":7}"#);
    let began = Instant::now();
    client.get("/other");
    let _primary = proxied.asked_by_attempt("0");
    proxied.asked_by_attempt("1").0.send(plain("hedge"));
    assert!(began.elapsed() >= Duration::from_millis(70), "{:?}", began.elapsed());
    assert_eq!(client.response().1, "hedge");
    let routes = routes(&mut process);
    assert_eq!((routes.len(), &routes[0]["hedge"], &routes[0]["hedges"]["sent"]), (1, &json!("70ms"), &json!(1)));
}

#[test]
fn what_check_prints_is_a_file_that_sets_the_same_and_calls_nobody() {
    let upstream = Upstream::start();
    let text = format!(
        "to = '{}'\nhedge = 'p99.9:5ms..250ms'\nhedge-attempts = 3\nhedge-budget = 2.5\nhedge-min-rate = 0.5\n\
         hedge-max-concurrent = 7\nhedge-dry-run = true\ndns-refresh = '3s'\nhealth-path = '/up'\n\
         [[route]]\npath = '/x/*'\nto = '{}'\nhedge = 'auto:1ms..2s'\nhedge-attempts = 2\nhedge-budget = '7.5%'\n\
         hedge-min-rate = 3\nhedge-max-concurrent = 9\nhedge-dry-run = false\ndns-refresh = 500\nhealth-path = '/ok'\n\
         [[route]]\npath = '/y'\nsource = 'http://a'\nhedge = 'off'\nhedge-budget = 1.5\n",
        upstream.url(),
        upstream.url(),
    );
    let file = ConfigFile::new("hedging-check.toml", &text);
    let check = |path: &str| {
        let finished = finish(headstart(&["proxy", "--check", "--config", path]));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.stdout
    };
    let printed = check(file.path());
    let keys = |text: &str| {
        let table: toml::Table = text.parse().unwrap();
        ["hedge", "hedge-attempts", "hedge-budget", "hedge-min-rate", "hedge-max-concurrent", "hedge-dry-run", "route"]
            .map(|key| table.get(key).cloned())
    };
    let set = keys(&printed);
    assert!(set.iter().all(Option::is_some), "{printed}");
    for line in ["hedge = \"p99.9:5ms..250ms\"", "hedge-attempts = 3", "hedge-min-rate = 0.5", "hedge-dry-run = true"] {
        assert!(printed.lines().any(|printed| printed.starts_with(line)), "{line} in {printed}");
    }
    let again = ConfigFile::new("hedging-check-again.toml", &printed);
    assert_eq!(keys(&check(again.path())), set);
    upstream.assert_left_alone();
}

#[test]
fn sighup_changes_all_options_of_hedging_and_keeps_what_was_learnt() {
    let upstream = Upstream::start();
    let file = ConfigFile::new("hedging-reload.toml", "hedge = '40ms'\n");
    let mut proxy = Proxied::to(&[upstream.url()], &["--config", file.path(), "--hedge-budget", "33.5%"]);
    let mut client = proxy.connect();
    client.get("/");
    upstream.asked().0.send(plain("before"));
    assert_eq!(client.response().1, "before");

    let all = "hedge = 'p95:5ms..70ms'\nhedge-attempts = 3\nhedge-budget = '5%'\nhedge-min-rate = 7.5\n\
               hedge-max-concurrent = 9\nhedge-dry-run = true\n";
    fs::write(file.path(), all).unwrap();
    proxy.process.signal(Signal::HUP);
    // The flag goes before the file.
    proxy.process.wait_for(
        "SIGHUP: /* has hedge=p95:5ms..70ms hedge-attempts=3 hedge-budget=33.5% hedge-min-rate=7.5 \
         hedge-max-concurrent=9 hedge-dry-run=true now\n",
    );
    let hedging = proxy.hedging();
    assert_eq!(hedging["primaries"]["sent"], 1);
    let now = ["hedge", "attempts", "budget", "dry_run", "delay_seconds"].map(|name| hedging[name].clone());
    assert_eq!(now, [json!("p95:5ms..70ms"), json!(3), json!(0.335), json!(true), json!(0.07)]);

    for (text, why) in [
        ("hedge = 'p100'\n", format!("hedge in {}:1 cannot be 'p100': {DELAYS}", file.path())),
        (
            "hedge = 'p95'\nschedule = [0, 5]\n",
            format!("schedule in {0}:2 and hedge in {0}:1 do not go together", file.path()),
        ),
        (
            "hedge = 'off'\nroute = [{ path = '/x', source = 'http://a', strategy = 'all', hedge = 'p95' }]\n",
            format!("route in {}:2 cannot be '/x': expected no hedge beside a strategy", file.path()),
        ),
    ] {
        fs::write(file.path(), text).unwrap();
        proxy.process.signal(Signal::HUP);
        let line = proxy.process.wait_for(&format!("SIGHUP: hedging stays as it is: {why}"));
        assert!(line.contains("ERROR"), "{line}");
        assert_eq!(proxy.hedging()["hedge"], "p95:5ms..70ms");
    }

    // What is not in the file any more is as if it had never been.
    fs::write(file.path(), "hedge = '25ms'\nhedge-min-rate = 100\n").unwrap();
    proxy.process.signal(Signal::HUP);
    proxy.process.wait_for(
        "SIGHUP: /* has hedge=25ms hedge-attempts=1 hedge-budget=33.5% hedge-min-rate=100 \
         hedge-max-concurrent=102 now\n",
    );
    let mut client = proxy.connect();
    client.get("/");
    let _primary = upstream.asked_by_attempt("0");
    upstream.asked_by_attempt("1").0.send(plain("hedge"));
    assert_eq!(client.response().1, "hedge");

    fs::write(file.path(), "schedule = [0, 5]\n").unwrap();
    proxy.process.signal(Signal::HUP);
    proxy.process.wait_for("SIGHUP: /* is hedged as before: a schedule is taken at start only\n");
    assert_eq!(proxy.hedging()["hedge"], "25ms");
}

#[test]
fn sighup_tells_of_each_route_that_changes_in_a_line_of_its_own() {
    let route = |path: &str, to: &str, hedge: &str| format!("[[route]]\npath = '{path}'\n{to} = 'http://a'\n{hedge}\n");
    let text = |one: &str, other: &str| {
        route("/one/*", "to", one) + &route("/two", "source", other) + &route("/three/*", "to", "hedge = '3ms'")
    };
    let file = ConfigFile::new("hedging-routes.toml", &text("hedge = '1ms'", "hedge = '2ms'"));
    let mut process = start(&["--config", file.path()]);
    connect(&mut process);
    fs::write(file.path(), text("hedge = 'off'", "hedge = 'p50'\nhedge-budget = 3")).unwrap();
    process.signal(Signal::HUP);
    process.wait_for("SIGHUP: /two has hedge=p50:2ms..1s hedge-attempts=1 hedge-budget=3% ");
    process.wait_for("SIGHUP: /one/* has hedge=off hedge-attempts=1 hedge-budget=10% ");
    let hedges: Vec<Value> = routes(&mut process).iter().map(|route| route["hedge"].clone()).collect();
    assert_eq!(hedges, ["p50:2ms..1s", "3ms", "off"]);
    assert!(!process.stderr.iter().any(|line| line.contains("/three/* has")), "{:#?}", process.stderr);
}

/// `headstart serve` with its endpoints for operators apart.
fn start(args: &[&str]) -> Process {
    let own = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    Process::start(headstart(&[&own[..], args].concat()))
}

fn connect(process: &mut Process) -> Client {
    Client::connect(process.address().parse().unwrap())
}

/// What `/hedging.json` says of the routes.
fn routes(process: &mut Process) -> Vec<Value> {
    let line = process.wait_for("page, metrics and health are on http://");
    let admin: SocketAddr = line.trim_end().rsplit('/').next().unwrap().parse().unwrap();
    get(admin, "/hedging.json").json()["routes"].as_array().unwrap().clone()
}
