//! When proxy routes hedge and how much of it, as upstreams, figures, page and log have it.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::proxy_hedging::plain;
use crate::support::client::Client;
use crate::support::http::get;
use crate::support::proxied::{Proxied, one};
use crate::support::teller::{After, Teller};
use headstart_testing::eventually;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The budget of a test that is not about it.
pub(crate) const PLENTY: [&str; 4] = ["--hedge-budget", "100%", "--hedge-min-rate", "100"];

/// An upstream that takes as many milliseconds as the path says, and how many hedges it was sent.
fn takes_its_time() -> (Teller, Arc<AtomicUsize>) {
    let hedges = Arc::new(AtomicUsize::new(0));
    let counted = hedges.clone();
    let teller = Teller::start(move |link, head, _| {
        if head.field("x-attempt") != Some("0") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        let path = head.start.split(' ').nth(1).unwrap();
        std::thread::sleep(Duration::from_millis(path[1..].parse().unwrap_or(0)));
        link.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        After::Keep
    });
    (teller, hedges)
}

/// Asks for these, one after the other.
#[track_caller]
fn ask(client: &mut Client, targets: &[&str]) {
    for target in targets {
        assert_eq!(client.get(target).response().0.status(), 200);
    }
}

/// The same by `clients` at a time.
fn ask_at_once(proxy: &Proxied, clients: usize, targets: &[&str]) {
    let clients: Vec<Client> = (0..clients).map(|_| proxy.connect()).collect();
    std::thread::scope(|scope| {
        for mut client in clients {
            scope.spawn(move || ask(&mut client, targets));
        }
    });
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no time: {value}"))
}

/// Checks that the delay in force is the upper bound of 5 s until 50 attempts were seen. Returns the one after that, of
/// requests of which four fifths take 20 ms and a fifth 200 ms.
fn delay_by(args: &[&str]) -> f64 {
    let (upstream, _) = takes_its_time();
    let mut proxy = Proxied::to(&[upstream.url()], args);
    ask_at_once(&proxy, 7, &["/20", "/20", "/20", "/20", "/200", "/20", "/20"]);
    assert_eq!(proxy.hedging()["primaries"]["sent"], 49);
    assert_eq!(proxy.hedging()["delay_seconds"], 5.0);
    ask_at_once(&proxy, 2, &["/20", "/20", "/20", "/20", "/200", "/200"]);
    let mut client = proxy.connect();
    eventually("the delay follows what was seen", || {
        ask(&mut client, &["/20"]);
        proxy.hedging()["delay_seconds"] != 5.0
    });
    let row = format!("headstart_hedge_delay_seconds{{route=\"/*\",upstream=\"{}\"}}", upstream.address());
    let hedging = proxy.hedging();
    assert_eq!(proxy.metric(&row), seconds(&hedging["delay_seconds"]));
    assert_eq!(hedging["upstreams"][0]["delay_seconds"], hedging["delay_seconds"]);
    seconds(&hedging["delay_seconds"])
}

#[test]
fn a_quantile_is_in_force_when_enough_was_seen() {
    let median = delay_by(&["--hedge", "p50:2ms..5s"]);
    assert!((0.019..0.19).contains(&median), "{median}");
    let high = delay_by(&["--hedge", "p95:2ms..5s"]);
    assert!((0.19..4.0).contains(&high), "{high}");
}

#[test]
fn auto_is_as_early_as_the_budget_allows() {
    let few = delay_by(&["--hedge", "auto:2ms..5s", "--hedge-budget", "5%"]);
    assert!((0.19..4.0).contains(&few), "{few}");
    let many = delay_by(&["--hedge", "auto:2ms..5s", "--hedge-budget", "60%"]);
    assert!((0.019..0.19).contains(&many), "{many}");
}

#[test]
fn a_fixed_delay_is_in_force_from_the_beginning_and_each_further_hedge_comes_after_the_same_again() {
    let (mut proxy, upstream) = one(&[&["--hedge", "60ms", "--hedge-attempts", "2"], &PLENTY[..]].concat());
    assert_eq!(proxy.hedging()["delay_seconds"], 0.06);
    assert_eq!((&proxy.hedging()["hedge"], &proxy.hedging()["attempts"]), (&json!("60ms"), &json!(2)));
    let metrics = get(proxy.admin(), "/metrics");
    assert_eq!(metrics.text().find("# EOF"), Some(metrics.text().len() - "# EOF\n".len()));
    let page = get(proxy.admin(), "/");
    let row = r#"<code>/*</code></td><td>hedges are due</td><td class="number">after 60.0 ms (60ms)</td>"#;
    assert!(page.text().contains(row), "{}", page.text());
    let mut client = proxy.connect();
    let began = Instant::now();
    client.get("/");
    let (mut primary, _) = upstream.asked_by_attempt("0");
    let _first = upstream.asked_by_attempt("1");
    assert!(began.elapsed() >= Duration::from_millis(60), "{:?}", began.elapsed());
    let _second = upstream.asked_by_attempt("2");
    assert!(began.elapsed() >= Duration::from_millis(120), "{:?}", began.elapsed());
    primary.send(plain("primary"));
    assert_eq!(client.response().1, "primary");
    upstream.assert_left_alone();
    assert_eq!(proxy.hedging()["hedges"]["sent"], 2);
}

#[test]
fn the_figures_are_those_of_the_description() {
    let (mut proxy, _upstream) = one(&["--hedge", "p95"]);
    let hedging = proxy.hedging();
    let schemas = &get(proxy.admin(), "/openapi.json").json()["components"]["schemas"];
    let described = &schemas["Hedging"]["properties"]["routes"]["items"];
    let upstream = &described["properties"]["upstreams"]["items"];
    for (figures, schema) in [
        (&hedging, described),
        (&hedging["upstreams"][0], upstream),
        (&hedging["primaries"], &schemas["Attempts"]),
        (&hedging["hedges"], &schemas["Attempts"]),
    ] {
        let names: BTreeSet<&str> = figures.as_object().unwrap().keys().map(String::as_str).collect();
        let required = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        assert_eq!(names, required.collect());
        assert_eq!(names, schema["properties"].as_object().unwrap().keys().map(String::as_str).collect());
    }
}

#[test]
fn hedges_stay_within_the_budget_although_nothing_is_answered_in_time() {
    let (upstream, hedges) = takes_its_time();
    let args = ["--hedge", "20ms", "--hedge-budget", "10%", "--hedge-min-rate", "0", "--hedge-max-concurrent", "100"];
    let mut proxy = Proxied::to(&[upstream.url()], &args);
    ask_at_once(&proxy, 10, &["/300"; 6]);
    let sent = hedges.load(Ordering::SeqCst);
    assert!((1..=6).contains(&sent), "{sent} hedges of 60 primaries");
    let hedging = proxy.hedging();
    assert_eq!(hedging["primaries"]["sent"], 60);
    // One that began as its race was won never got there.
    let begun = hedging["hedges"]["sent"].as_u64().unwrap();
    assert!(sent as u64 <= begun && begun <= 6, "{sent} of {begun} hedges");
    // Each other one was due too.
    let skipped = hedging["skipped"]["budget"].as_u64().unwrap();
    assert!((54..=60 - begun).contains(&skipped), "{hedging}");
}

#[test]
fn beyond_the_budget_there_are_no_more_hedges_than_the_least_rate() {
    let (upstream, hedges) = takes_its_time();
    let args = ["--hedge", "20ms", "--hedge-budget", "0%", "--hedge-min-rate", "2", "--hedge-max-concurrent", "100"];
    let proxy = Proxied::to(&[upstream.url()], &args);
    let began = Instant::now();
    ask_at_once(&proxy, 10, &["/150"; 10]);
    // A second is counted in tenths, the one that has begun among them.
    let most = 2 * (began.elapsed().as_millis() as usize / 900 + 1);
    let sent = hedges.load(Ordering::SeqCst);
    assert!((1..=most).contains(&sent), "{sent} hedges, {most} allowed");
}

#[test]
fn off_sends_no_hedge_and_counts_none_as_due() {
    let (upstream, hedges) = takes_its_time();
    let mut proxy = Proxied::to(&[upstream.url()], &["--hedge", "off"]);
    ask(&mut proxy.connect(), &["/50"; 8]);
    let hedging = proxy.hedging();
    assert_eq!((hedges.load(Ordering::SeqCst), &hedging["hedges"]["sent"]), (0, &json!(0)));
    assert_eq!((&hedging["skipped"], &hedging["delay_seconds"]), (&json!({}), &Value::Null));
    assert!(get(proxy.admin(), "/").text().contains("never (off)"));
}

#[test]
fn what_a_hedge_saves_and_what_a_loser_costs_is_added_up() {
    let (mut proxy, upstream) = one(&[&["--hedge", "20ms"], &PLENTY[..]].concat());
    let ledger = |proxy: &mut Proxied| {
        let hedging = proxy.hedging();
        [seconds(&hedging["saved_seconds"]), seconds(&hedging["wasted_seconds"])]
    };
    assert_eq!(ledger(&mut proxy), [0.0, 0.0]);
    // A primary that takes long and wins nevertheless.
    let mut client = proxy.connect();
    client.get("/");
    let (mut primary, _) = upstream.asked_by_attempt("0");
    let (mut hedge, _) = upstream.asked_by_attempt("1");
    std::thread::sleep(Duration::from_millis(400));
    primary.send(plain("primary"));
    assert_eq!(client.response().1, "primary");
    hedge.end();
    eventually("the hedge was for nothing", || ledger(&mut proxy)[1] >= 0.4);
    assert_eq!(ledger(&mut proxy)[0], 0.0);
    let before = ledger(&mut proxy)[1];
    // As far as is known, the next one would take as long.
    let mut client = proxy.connect();
    client.get("/");
    let (mut primary, _) = upstream.asked_by_attempt("0");
    upstream.asked_by_attempt("1").0.send(plain("hedge"));
    assert_eq!(client.response().1, "hedge");
    primary.end();
    eventually("the primary was for nothing", || ledger(&mut proxy)[1] >= before + 0.02);
    eventually("the hedge has saved time", || ledger(&mut proxy)[0] > 0.0);
    let [saved, wasted] = ledger(&mut proxy);
    assert_eq!(proxy.metric("headstart_saved_seconds_total{route=\"/*\"}"), saved);
    assert_eq!(proxy.metric("headstart_wasted_upstream_seconds_total{route=\"/*\"}"), wasted);
}

#[test]
fn the_access_log_tells_the_course_of_a_race() {
    for format in ["text", "json"] {
        let (mut proxy, upstream) = one(&[&["--hedge", "20ms", "--log-format", format], &PLENTY[..]].concat());
        let mut client = proxy.connect();
        client.get("/hedged");
        let _primary = upstream.asked_by_attempt("0");
        upstream.asked_by_attempt("1").0.send(plain("hedge"));
        assert_eq!(client.response().1, "hedge");
        let line = line_of(&mut proxy, format, "/hedged");
        assert_eq!((line("winner"), line("hedges")), (Some(1), Some(1)), "{format}");
        let (committed, hedged) = (line("commit_us").unwrap(), line("hedge_us").unwrap());
        assert!(20_000 <= hedged && hedged <= committed, "{format}: {hedged} {committed}");

        let post = "POST /posted HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
        let mut client = proxy.connect();
        client.send(post);
        let (mut link, head) = upstream.asked();
        assert_eq!(link.body(&head), b"body");
        link.send(plain("once"));
        assert_eq!(client.response().1, "once");
        let line = line_of(&mut proxy, format, "/posted");
        assert_eq!((line("winner"), line("hedges"), line("hedge_us")), (Some(0), Some(0), None), "{format}");
        assert!(line("commit_us").unwrap() > 0, "{format}");
    }
}

/// The numbers of the access line of a request for `path`.
fn line_of(proxy: &mut Proxied, format: &str, path: &str) -> impl Fn(&str) -> Option<u64> + use<> {
    let part = if format == "json" { format!("\"{path}\"") } else { format!("path={path} ") };
    let line = proxy.process.wait_for(&part);
    let json = serde_json::from_str::<Value>(&line).ok();
    assert_eq!(json.is_some(), format == "json", "{line}");
    move |name| match &json {
        Some(json) => json.get(name)?.as_u64(),
        None => line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok()),
    }
}

#[test]
fn requests_with_a_body_are_primaries_and_their_times_change_no_delay() {
    let (upstream, _) = takes_its_time();
    let mut proxy = Proxied::to(&[upstream.url()], &["--hedge", "p99:2ms..5s"]);
    ask_at_once(&proxy, 6, &["/"; 10]);
    // More than one in a hundred, all of which take 2 s, because their client takes that.
    let mut uploads: Vec<Client> = (0..4).map(|_| proxy.connect()).collect();
    for upload in &mut uploads {
        upload.send("POST /0 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    std::thread::sleep(Duration::from_secs(2));
    for upload in &mut uploads {
        assert_eq!(upload.send("4\r\nbody\r\n0\r\n\r\n").response().0.status(), 200);
    }
    assert_eq!(proxy.hedging()["primaries"]["sent"], 64);
    let mut client = proxy.connect();
    eventually("the delay follows what was seen", || {
        ask(&mut client, &["/"]);
        proxy.hedging()["delay_seconds"] != 5.0
    });
    let hedging = proxy.hedging();
    assert!(seconds(&hedging["delay_seconds"]) < 1.9, "{hedging}");
    let times = hedging["primaries"]["times"].as_array().unwrap();
    assert!(times.iter().all(|row| seconds(&row[1]) < 1.9), "{times:?}");
}
