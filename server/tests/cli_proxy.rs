//! `headstart proxy`, proxy routes in options and file, and `--admin`: what is said at start, what is a mistake, what
//! is where, and how it ends.

#![cfg(feature = "cli")]

use crate::support::config::{ConfigFile, complaint};
use crate::support::http::{get, send};
use crate::support::process::{Process, finish, headstart};
use headstart_testing::upstream::{Behavior, FakeUpstream};
use std::net::{SocketAddr, TcpListener};

/// What `--check` prints for these arguments, with its spaces made one.
#[track_caller]
fn check(args: &[&str]) -> String {
    let mut command = headstart(args);
    command.arg("--check");
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{args:?}: {finished:?}");
    finished.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// Where the endpoints for operators are.
fn admin_of(process: &mut Process) -> SocketAddr {
    let line = process.wait_for("page, metrics and health are on http://");
    line.trim_end().rsplit("http://").next().unwrap().parse().unwrap()
}

fn origin(upstream: &FakeUpstream) -> String {
    format!("http://{}", upstream.address())
}

const ANYWHERE: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

#[test]
fn it_says_where_everything_is_and_leaves_every_path_to_the_upstream() {
    let (one, other) = (FakeUpstream::start(Behavior::Answers("1")), FakeUpstream::start(Behavior::Answers("1")));
    let to = [origin(&one), origin(&other)];
    let mut process = Process::start(headstart(&[&["proxy", "--to", &to[0], "--to", &to[1]], &ANYWHERE[..]].concat()));
    process.wait_for(&format!("/* is passed through to {}, {}", to[0], to[1]));
    let address: SocketAddr = process.address().parse().unwrap();
    process.wait_for(&format!("try: curl 'http://{address}/'"));
    let admin = admin_of(&mut process);
    assert!(!process.stderr.concat().contains("sample"), "{:#?}", process.stderr);
    for path in ["/", "/metrics", "/hedging.json", "/healthz", "/readyz", "/openapi.json", "/api/smart", "/unknown"] {
        assert_eq!((get(address, path).status, get(address, path).text()), (200, "1"), "{path}");
        let expected = if path == "/api/smart" || path == "/unknown" { 404 } else { 200 };
        assert_eq!(get(admin, path).status, expected, "{path}");
    }
    assert!(get(admin, "/metrics").text().contains("headstart_requests_total{endpoint=\"/*\",status=\""));
    assert!(get(admin, "/openapi.json").json()["paths"].get("/api/smart").is_none());
}

#[test]
fn admin_moves_the_endpoints_for_operators_of_the_plain_command_too() {
    for plain in ["--plain=false", "--plain"] {
        moves_the_endpoints_for_operators(plain);
    }
}

fn moves_the_endpoints_for_operators(plain: &str) {
    let upstream = FakeUpstream::start(Behavior::Answers("1"));
    let mut process = Process::start(headstart(&[&["--upstream", &upstream.url(), plain], &ANYWHERE[..]].concat()));
    let address: SocketAddr = process.address().parse().unwrap();
    process.wait_for(&format!("try: curl 'http://{address}/api/smart?timeout=1000'"));
    let admin = admin_of(&mut process);
    assert_eq!((get(address, "/api/smart").status, get(admin, "/api/smart").status), (200, 404));
    for path in ["/", "/metrics", "/hedging.json", "/healthz", "/readyz", "/openapi.json"] {
        assert_eq!((get(address, path).status, get(admin, path).status), (404, 200), "{path}");
    }
}

#[cfg(unix)]
#[test]
fn readiness_is_told_until_the_last_request_is_answered() {
    let (tell, told) = crossbeam_channel::bounded(1);
    let upstream = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let options = ["--upstream", &upstream.url(), "--schedule", "0"];
    let mut process = Process::start(headstart(&[&options[..], &ANYWHERE].concat()));
    let (address, admin) = (process.address().parse().unwrap(), admin_of(&mut process));
    let client = send(address, "GET", "/api/smart", &[]);
    upstream.next_request();
    assert_eq!(get(admin, "/readyz").status, 200);
    process.signal(rustix::process::Signal::TERM);
    process.wait_for("no more requests are taken");
    headstart_testing::eventually("it says that it drains", || get(admin, "/readyz").status == 503);
    assert_eq!(get(admin, "/healthz").status, 200);
    tell.send(()).unwrap();
    assert_eq!(crate::support::http::read_reply(client).status, 200);
    assert_eq!(process.wait().0.code(), Some(0));
    process.wait_for("drained: all 1 requests in flight were answered");
}

#[test]
fn its_defaults_are_its_own_and_everything_given_goes_before_them() {
    let own = check(&["proxy", "--to", "http://a:1"]);
    for line in [
        "admin = \"127.0.0.1:8089\" # default",
        "# schedule is not set # default",
        "hedge = \"auto:2ms..1s\" # default",
        "to = [\"http://a:1\"] # --to",
    ] {
        assert!(own.contains(&format!("{line}\n")), "{line} in {own}");
    }
    assert!(!own.contains("upstream-proxy") && !own.contains("\nfront"), "{own}");
    let file =
        ConfigFile::new("layers.toml", "to = ['http://b:1', 'http://c:1']\nadmin = '127.0.0.1:1'\nsuccess = 200\n");
    let own = check(&["proxy", "--config", file.path(), "--schedule", "0,5"]);
    for (line, origin) in [
        ("to = [\"http://b:1\", \"http://c:1\"]", format!("{}:1", file.path())),
        ("admin = \"127.0.0.1:1\"", format!("{}:2", file.path())),
        ("success = [200]", format!("{}:3", file.path())),
        ("schedule = [0, 5]", "--schedule".to_owned()),
    ] {
        assert!(own.contains(&format!("{line} # {origin}\n")), "{line} in {own}");
    }
    let plain = check(&["--config", file.path()]);
    assert!(plain.contains("schedule = [0, 300, 300] # default\n") && !plain.contains("\nto ="), "{plain}");
}

#[test]
fn the_table_of_a_proxy_route_is_checked_and_shown() {
    let text = "[[route]]\npath = '/catalog/*'\nto = ['http://10.0.0.1:8000', 'http://10.0.0.2:8000']\n\
                schedule = [0, 50]\nhedge-on-failure = true\ntimeout = '5s'\nsuccess = '200-299,404'\ncommit = 'full'\n\
                host = 'upstream'\nhedge-methods = ['GET', 'PUT']\nhedge-max-body = '1MiB'\nbody-idle-timeout = '10s'\n\
                tunnel-idle-timeout = '10m'\n[[route]]\npath = '/a'\nsource = 'http://b/'\nfailure-status = 502\n";
    let file = ConfigFile::new("table.toml", text);
    let shown = check(&["--config", file.path()]);
    assert!(shown.contains("/catalog/*") && shown.contains("failure-status = 502"), "{shown}");
    for (from, to, why) in [
        ("commit = 'full'", "commit = 'soon'", "its commit cannot be 'soon': expected one of head, first-byte, full"),
        ("'PUT'", "'POST'", "'POST' is none: expected one of GET, HEAD, OPTIONS, PUT, DELETE"),
        ("10.0.0.2:8000", "10.0.0.2:8000/x", "the URL has a path or a query"),
        ("to = [", "source = [", "what is below '/catalog/*' is passed through: its upstreams are given by to"),
        ("source = ", "to = ", "to belongs to a path that ends in /*; '/a' is given its sources by source"),
        ("host =", "hst =", "a route has no key 'hst': did you mean host?"),
        ("502", "200", "its failure-status cannot be '200': expected a whole number from 500 to 599"),
        ("'/catalog/*'", "'/*/catalog'", "to belongs to a path that ends in /*"),
    ] {
        let wrong = ConfigFile::new("wrong.toml", &text.replace(from, to));
        let said = complaint(&["--check", "--config", wrong.path()]);
        let place = format!("headstart: route in {}:1 cannot be '", wrong.path());
        assert!(said.starts_with(&place) && said.contains(why), "{why} in {said}");
    }
}

#[test]
fn a_mistake_names_the_option_the_value_and_what_is_allowed() {
    for (args, said) in [
        (&["proxy"][..], "--to has to be given, such as --to http://127.0.0.1:9000"),
        (&["proxy", "--to", " "], "--to has to be given, such as --to http://127.0.0.1:9000"),
        (&["proxy", "--to", "http://a/b"], "--to cannot be 'http://a/b': the URL has a path or a query"),
        (&["proxy", "--to", "http://a?b"], "--to cannot be 'http://a?***': the URL has a path or a query"),
        (&["proxy", "--to", "ftp://a"], "--to cannot be 'ftp://a': the scheme has to be"),
        (
            &["proxy", "--to", "http://a:99999"],
            "--to cannot be 'http://a:99999': the port has to be a number up to 65535",
        ),
        (&["proxy", "--to", "http://u:p@a"], "--to cannot be 'http://***@a': a URL with a user name or password"),
        (&["--route", "/a/*=http://a/b"], "--route cannot be '/a/*=http://a/b': the URL has a path or a query"),
        (&["--check", "--route", "/a*=http://a"], "--route cannot be '/a*': expected a star at the end alone"),
        (&["--check", "--route", "/*/a=http://a"], "--route cannot be '/*/a': expected a star at the end alone"),
        (&["--check", "--route", "/*/a/*=http://a"], "--route cannot be '/*/a/*': expected a path that begins"),
        (&["--check", "--route", "/x/*=http://a", "--route", "/x/*=tea"], "the scheme is missing"),
        (&["--check", "--admin", "8089"], "--admin cannot be '8089': expected address:port"),
        (&["--trusted-proxies", "10.0.0.1/8"], "'10.0.0.1/8' is none: the address has bits set beyond its first 8"),
        (&["--trusted-proxies", "10.0.0.0/8,all"], "'all' is none: expected an address or a range"),
        (&["--hedge-methods", "GET,POST"], "'POST' is none: expected one of GET, HEAD, OPTIONS, PUT, DELETE"),
        (&["--success", "2xx"], "--success cannot be '2xx': expected statuses from 100 to 599"),
        (&["--hedge-max-body", "2GiB"], "--hedge-max-body cannot be '2GiB': expected a size from 0 to 1GiB"),
        (&["--body-idle-timeout", "0"], "--body-idle-timeout cannot be '0': expected a duration"),
        (&["--tunnel-idle-timeout", "2h"], "--tunnel-idle-timeout cannot be '2h': expected a duration"),
        (&["--failure-status", "404"], "--failure-status cannot be '404': expected a whole number from 500 to 599"),
        (
            &["--plain", "--route", "/a/*=http://a"],
            "--plain and --route do not go together: tiny_http cannot pass requests through",
        ),
        (
            &["--front", "tiny_http", "--route", "/a/*=http://a"],
            "--front and --route do not go together: tiny_http cannot pass requests through",
        ),
        (
            &["--upstream-proxy", "http://p:1", "--route", "/a/*=http://a"],
            "--upstream-proxy and --route do not go together: the upstreams of proxy routes are called directly",
        ),
    ] {
        let complaint = complaint(args);
        assert!(complaint.starts_with("headstart: ") && complaint.contains(said), "{args:?}: {complaint}");
    }
    let mut command = headstart(&["proxy", "--to", "http://a"]);
    command.env("HEADSTART_FRONT", "tiny_http").env("HEADSTART_UPSTREAM_PROXY", "http://p:1");
    let finished = finish(command);
    assert_eq!(finished.code, Some(2));
    for said in ["HEADSTART_FRONT and --to do not go together", "HEADSTART_UPSTREAM_PROXY and --to do not go together"]
    {
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
}

#[test]
fn a_route_that_hides_the_endpoints_for_operators_is_warned_of() {
    let hides = ["--check", "--route", "/*=http://127.0.0.1:9"];
    let warning = "warning: the route /* takes the paths of page, metrics and health: --admin has them elsewhere";
    assert!(finish(headstart(&hides)).stderr.contains(warning));
    for other in [
        &["--check", "--route", "/a/*=http://127.0.0.1:9"][..],
        &["--check", "--route", "/*=http://127.0.0.1:9", "--admin", "127.0.0.1:0"],
        &["proxy", "--check", "--to", "http://127.0.0.1:9"],
    ] {
        assert_eq!(finish(headstart(other)).stderr, "", "{other:?}");
    }
}

#[test]
fn an_admin_address_that_is_taken_ends_it_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let finished =
        finish(headstart(&["proxy", "--to", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin", &at]));
    assert_eq!(finished.code, Some(1));
    let said = format!("cannot listen on {at}: ");
    assert!(finished.stderr.contains(&said) && finished.stderr.contains("with --admin ADDRESS:PORT"), "{finished:?}");
}

#[test]
fn it_has_a_page_of_the_manual_and_completions() {
    let manual = finish(headstart(&["man", "proxy"]));
    assert!(manual.code == Some(0) && manual.stdout.contains("tunnel\\-idle\\-timeout"), "{manual:?}");
    let completions = finish(headstart(&["completions", "bash"]));
    assert!(completions.stdout.contains("--hedge-max-body"), "{completions:?}");
}
