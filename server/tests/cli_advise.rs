//! What `headstart advise` tells, from figures that a server has and from a log, and how it says that there are none.

#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::config::{ConfigFile, complaint};
use crate::support::http::get;
use crate::support::process::{Finished, Process, finish, headstart};
use crate::support::script::{Upstream, nobody};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::SocketAddr;

/// Of 20,000 primaries 95 % are quick; most of the others were ended by a hedge that was.
fn figures() -> Value {
    json!({"window_seconds": 900, "routes": [{
        "route": "/*", "hedge": "auto:2ms..1s", "attempts": 1, "budget": 0.1, "dry_run": false, "delay_seconds": 0.02,
        "primaries": {"sent": 20_000, "times": [
            [0.002, 0.004, 6_000, 0], [0.004, 0.006, 8_000, 0], [0.006, 0.010, 4_000, 0], [0.010, 0.016, 1_000, 0],
            [0.022, 0.024, 0, 300], [0.024, 0.030, 40, 500], [0.04, 0.06, 100, 30], [0.2, 0.3, 28, 2],
        ]},
        "hedges": {"sent": 1_000, "times": [
            [0.002, 0.004, 300, 0], [0.004, 0.006, 400, 10], [0.006, 0.010, 132, 30], [0.02, 0.04, 0, 100],
            [0.2, 0.3, 0, 28],
        ]},
        "skipped": {"budget": 3, "pushback": 0}, "saved_seconds": 41.2, "wasted_seconds": 19.5,
        "upstreams": [
            {"upstream": "127.0.0.1:9001", "state": "serving", "primaries": 10_000, "hedges": 500},
            {"upstream": "127.0.0.1:9002", "state": "serving", "primaries": 10_000, "hedges": 500},
        ],
    }]})
}

/// The figures with other times of one route.
fn with_times(primaries: Value, hedges: Value) -> Value {
    let mut figures = figures();
    figures["routes"][0]["primaries"]["times"] = primaries;
    figures["routes"][0]["hedges"]["times"] = hedges;
    figures
}

/// What it says of a server that gives this response.
fn told_by_response(response: &str, args: &[&str]) -> (Finished, String) {
    let admin = Upstream::start();
    let address = admin.address().to_string();
    let mut process = Process::start(headstart(&[&["advise", "--admin", &address], args].concat()));
    let (mut link, asked) = admin.asked();
    assert_eq!(asked.start, "GET /hedging.json HTTP/1.1");
    link.send(response);
    drop(link);
    let (status, stdout) = process.wait();
    (Finished { code: status.code(), stdout, stderr: process.stderr.concat() }, address)
}

fn told(figures: &Value, args: &[&str]) -> (Finished, String) {
    let body = figures.to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    told_by_response(&(head + &body), args)
}

/// The answer in words.
#[track_caller]
fn advice(figures: &Value, args: &[&str]) -> String {
    let (finished, address) = told(figures, args);
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
    finished.stdout.replace(&address, "ADDRESS")
}

/// The one line on standard error of a run without figures.
#[track_caller]
fn refusal(finished: &Finished) -> &str {
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    &finished.stderr
}

fn of_log(log: &ConfigFile, args: &[&str]) -> Finished {
    finish(headstart(&[&["advise", "--log", log.path()], args].concat()))
}

/// 950 requests that took 5 ms, and 50 whose hedge was sent after 10 ms and won 5 ms later.
fn lines() -> String {
    let mut log = String::new();
    for number in 0..1_000 {
        let race = match number % 20 {
            0 => r#""winner":1,"commit_us":15000,"hedges":1,"hedge_us":10000"#,
            _ => r#""winner":0,"commit_us":5000,"hedges":0"#,
        };
        let time = r#""time":"2026-01-31T12:00:00.007Z","level":"info""#;
        let _ =
            writeln!(log, "{{{time},\"target\":\"headstart::access\",\"message\":\"request\",\"status\":200,{race}}}");
    }
    log
}

#[test]
fn the_table_is_for_people() {
    let expected = "\
/*, by headstart at ADDRESS of the last 15m: 20,000 primaries and 1,000 hedges.
Now: --hedge auto:2ms..1s, which is 20 ms; extra load 5.0 %, 2.06 s saved and 975 ms wasted per 1,000 requests; \
hedges not sent: 3 for budget.

            delay     p50     p99   p99.9  extra load   saved  wasted
none        never  5.0 ms  230 ms  296 ms         0 %    0 ms    0 ms
           2.0 ms  4.7 ms   14 ms  256 ms       100 %  4.73 s  4.21 s
p50        5.0 ms  5.0 ms   15 ms  256 ms        50 %  4.20 s  2.48 s
p75        7.0 ms  5.0 ms   16 ms  256 ms        25 %  4.02 s  1.94 s
p90, auto   10 ms  5.0 ms   19 ms  256 ms        10 %  3.83 s  1.60 s  <- best
p95         16 ms  5.0 ms   25 ms  256 ms       5.0 %  3.56 s  1.57 s
            20 ms  5.0 ms   28 ms  256 ms       5.0 %  3.39 s  1.69 s  <- now
            50 ms  5.0 ms   55 ms  256 ms       3.0 %  2.37 s  1.50 s
p98         56 ms  5.0 ms   60 ms  256 ms       2.0 %  2.28 s  1.19 s
           100 ms  5.0 ms  104 ms  256 ms       1.4 %  1.76 s  1.59 s
           200 ms  5.0 ms  204 ms  256 ms       1.4 %  562 ms  2.46 s
p99        230 ms  5.0 ms  230 ms  256 ms       1.0 %  270 ms  1.93 s
p99.5      267 ms  5.0 ms  230 ms  274 ms       0.5 %   58 ms  1.03 s
saved: time of 1,000 requests; wasted: time that upstreams work on losers for them

Best: --hedge p90 (10 ms) within a budget of 10 %. p99 goes from 230 ms to 19 ms, p99.9 goes from 296 ms to 256 ms, \
for 10 % more load.
";
    assert_eq!(advice(&figures(), &[]), expected);
}

#[test]
fn a_budget_that_is_given_goes_before_that_of_the_route() {
    let said = advice(&figures(), &["--budget", "2.5%"]);
    assert!(said.contains("Best: --hedge p98 (56 ms) within a budget of 2.5 %."), "{said}");
}

#[test]
fn machines_get_json() {
    let answer = advice(&figures(), &["--json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["window_seconds"], &answer["malformed_lines"]), (&json!(900.0), &json!(0)));
    let route = &answer["routes"][0];
    assert_eq!(
        (&route["verdict"], &route["hedges_are"], &route["budget"]),
        (&json!("helps"), &json!("seen"), &json!(0.1))
    );
    assert_eq!(route["now"]["delay_seconds"], 0.02);
    let delays = route["delays"].as_array().unwrap();
    let marked = |mark: &str| delays.iter().filter(|row| row[mark] == true).collect::<Vec<_>>();
    let ([now], [best]) = (&marked("now")[..], &marked("best")[..]) else { panic!("{answer:#}") };
    assert!(now["delay_seconds"].as_f64() > best["delay_seconds"].as_f64(), "{now} {best}");
    assert!(best["p99_seconds"].as_f64() < route["unhedged"]["p99_seconds"].as_f64(), "{best}");
    assert_eq!(
        (delays[0]["delay_seconds"].as_f64(), delays.last().unwrap()["delay_seconds"].as_f64()),
        (Some(0.001), Some(10.0))
    );
}

#[test]
fn it_says_when_and_why_hedging_would_not_help() {
    let even = json!([[0.005, 0.0055, 10_000, 0]]);
    let said = advice(&with_times(even, json!([])), &[]);
    assert!(said.contains("would not help: all attempts are equally fast"), "{said}");

    // Slow for both: the primary is answered first, and its hedge is ended then.
    let slow = json!([[0.005, 0.006, 9_500, 0], [0.05, 0.06, 500, 0]]);
    let said = advice(&with_times(slow, json!([[0.03, 0.04, 0, 500]])), &[]);
    assert!(said.contains("would not help: the tail hits every upstream at once"), "{said}");

    let said = advice(&with_times(json!([[0.005, 0.006, 45, 4]]), json!([])), &[]);
    assert!(said.contains("Too few samples: 49 primaries seen, and at least 50 are needed"), "{said}");

    let open = json!([[0.005, 0.006, 800, 0], [0.02, 0.021, 0, 200]]);
    let said = advice(&with_times(open, json!([])), &[]);
    assert!(said.contains("20 % of the primaries take longer than 21 ms"), "{said}");
    assert!(said.contains(">21 ms") && said.contains(">: longer than was ever waited for"), "{said}");

    let few = json!([[0.005, 0.006, 940, 0], [0.05, 0.06, 40, 0]]);
    let said = advice(&with_times(few, json!([])), &[]);
    assert!(said.contains("?: p99.9 takes 1,000 attempts") && said.contains("Assumed: a hedge is as fast"), "{said}");
}

#[test]
fn a_route_is_chosen_by_its_name() {
    let mut two = figures();
    let mut other = two["routes"][0].clone();
    other["route"] = json!("/search/*");
    two["routes"].as_array_mut().unwrap().push(other);
    let said = advice(&two, &[]);
    assert!(said.contains("/*, by headstart") && said.contains("/search/*, by headstart"), "{said}");
    let said = advice(&two, &["--route", "/search/*"]);
    assert!(said.starts_with("/search/*, by headstart at ADDRESS of the last 15m: 20,000 primaries"), "{said}");
    assert!(!said.contains("\n/*, by"), "{said}");
    let (finished, address) = told(&two, &["--route", "/find"]);
    let expected = format!("headstart: headstart at {address} has no route '/find': there is /*, /search/*\n");
    assert_eq!(refusal(&finished), expected);
}

#[test]
fn who_does_not_answer_is_named_with_what_to_do() {
    let nobody = nobody();
    let address = nobody.trim_start_matches("http://");
    let finished = finish(headstart(&["advise", "--admin", address]));
    let said = refusal(&finished);
    assert!(said.contains(&format!("nobody listens at {address} (")), "{said}");
    assert!(said.contains(&format!("start headstart with --admin {address}")), "{said}");
}

#[test]
fn who_is_no_headstart_is_told_from_one_that_is() {
    let (finished, address) = told_by_response("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", &[]);
    assert!(refusal(&finished).contains(&format!("{address} answers /hedging.json with 404: it is no headstart")));

    let (finished, address) = told_by_response("220 mail.example.com ESMTP\r\n", &[]);
    assert!(refusal(&finished).contains(&format!("{address} does not answer as headstart does: ")), "{finished:?}");

    for other in [json!("hello"), json!({"routes": [{}]}), with_times(json!([["a"]]), json!([]))] {
        let (finished, address) = told(&other, &[]);
        assert!(refusal(&finished).contains(&format!("{address} answers, but is no headstart of this version")));
    }
    let (finished, _) = told(&json!({"routes": []}), &[]);
    assert!(refusal(&finished).contains("has no routes that hedge"), "{finished:?}");
    let (finished, _) = told(&with_times(json!([]), json!([])), &[]);
    assert!(refusal(&finished).contains("has no samples yet"), "{finished:?}");
}

#[test]
fn a_log_tells_as_much() {
    let log = ConfigFile::new("advise.log", &(lines() + "cut off {\n"));
    let finished = of_log(&log, &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let said = &finished.stdout;
    let first = format!("all routes, by {}: 1,000 primaries and 50 hedges.\n", log.path());
    assert!(said.starts_with(&first), "{said}");
    assert!(said.contains("Now: half of the hedges are sent within 10 ms; extra load 5.0 %."), "{said}");
    assert!(
        said.contains("Best: --hedge p95 (5.") && said.ends_with("\n1 line could not be read and did not count.\n")
    );

    let answer: Value = serde_json::from_str(&of_log(&log, &["--json"]).stdout).unwrap();
    assert_eq!(answer["malformed_lines"], 1);
}

#[test]
fn a_log_without_what_is_needed_is_refused_with_the_option_that_gives_it() {
    let refused = |name: &str, text: &str| {
        let log = ConfigFile::new(name, text);
        refusal(&of_log(&log, &[])).replace(log.path(), "LOG")
    };
    let text = "2026-01-31T12:00:00.007Z INFO  headstart::access: request client=127.0.0.1:9 status=200\n";
    let said = refused("text.log", text);
    assert!(said.contains("no line of LOG is a JSON object") && said.contains("--log-format json"), "{said}");
    let said = refused("other.log", "{\"target\":\"headstart\",\"message\":\"stopped\"}\n");
    assert!(said.contains("no line of LOG tells of a race with a winner") && said.contains("--log info"), "{said}");
    let said = refused("old.log", "{\"target\":\"headstart::access\",\"winner\":0,\"attempts\":1}\n");
    assert!(said.contains("no line of LOG with a winner has commit_us, hedges and hedge_us"), "{said}");
    assert!(refused("empty.log", "").contains("LOG is empty: there are no samples yet"));
    let finished = finish(headstart(&["advise", "--log", "-"]));
    assert!(refusal(&finished).contains("standard input is empty"), "{finished:?}");
    let finished = finish(headstart(&["advise", "--log", "/nowhere/access.json"]));
    assert!(refusal(&finished).contains("cannot read /nowhere/access.json: "), "{finished:?}");
}

#[test]
fn a_proxy_and_its_log_tell_of_the_requests_that_passed() {
    let calm = ["--error-rate", "0", "--garbage-rate", "0", "--hang-rate", "0", "--min", "1", "--max", "2"];
    let mut sample = Process::start(headstart(&[&["sample", "--listen", "127.0.0.1:0"], &calm[..]].concat()));
    let to = format!("http://{}", sample.address());
    let anywhere = ["proxy", "--to", &to, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut proxy = Process::start(headstart(&[&anywhere[..], &["--hedge", "p95", "--log-format", "json"]].concat()));
    let address: SocketAddr = proxy.address().parse().unwrap();
    let line = proxy.wait_for("page, metrics and health are on http://");
    let admin = line.split("health are on http://").nth(1).unwrap().split('"').next().unwrap();
    for _ in 0..60 {
        assert_eq!(get(address, "/api/work").status, 200);
    }
    let live = finish(headstart(&["advise", "--admin", admin]));
    let first = format!("/*, by headstart at {admin} of the last 15m: 60 primaries and ");
    assert!(live.code == Some(0) && live.stdout.starts_with(&first), "{live:?}");
    assert!(live.stdout.contains("Now: --hedge p95:2ms..1s"), "{live:?}");
    assert!(live.stdout.contains("Too few samples: 60 primaries seen, and at least 100 are needed"), "{live:?}");

    let is_told = |line: &String| line.contains("\"commit_us\":");
    proxy.read_until("all access lines", |lines| lines.iter().filter(|line| is_told(line)).count() == 60);
    let log = ConfigFile::new("proxy.log", &proxy.stderr.concat());
    let logged = of_log(&log, &[]);
    let first = format!("all routes, by {}: 60 primaries and ", log.path());
    assert!(logged.code == Some(0) && logged.stdout.starts_with(&first), "{logged:?}");
    assert!(!logged.stdout.contains("could not be read"), "{logged:?}");
}

#[test]
fn a_mistake_names_the_option_the_value_and_what_is_allowed() {
    for given in ["120%", "-1", "ten", "NaN", "inf"] {
        let said = complaint(&["advise", "--budget", given]);
        let expected = format!("--budget cannot be '{given}': expected a percentage from 0% to 100%");
        assert!(said.contains(&expected), "{said}");
    }
    let said = complaint(&["advise", "--admin", "8089"]);
    assert!(said.contains("--admin cannot be '8089': expected address:port"), "{said}");
    let finished = finish(headstart(&["advise", "--admin", "127.0.0.1:1", "--log", "x"]));
    assert_eq!(finished.code, Some(2), "{finished:?}");
}

#[test]
fn it_has_a_page_of_the_manual_and_completions() {
    let manual = finish(headstart(&["man", "advise"]));
    assert!(manual.code == Some(0) && manual.stdout.contains("\\-\\-budget"), "{manual:?}");
    let completions = finish(headstart(&["completions", "bash"]));
    assert!(completions.stdout.contains("headstart__subcmd__advise"), "{completions:?}");
    assert!(finish(headstart(&["--help"])).stdout.contains("advise"));
}
