//! Which upstreams of a proxy route get requests: those that work.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::proxy_hedging::plain;
use crate::support::client::Client;
use crate::support::http::get;
use crate::support::proxied::{Proxied, two};
use crate::support::script::{Link, Upstream};
use crate::support::teller::{After, Teller};
use headstart_testing::{PATIENCE, eventually};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// The state of an upstream, which metrics and `/hedging.json` agree on.
#[track_caller]
fn assert_state(proxy: &mut Proxied, upstream: SocketAddr, state: &str) {
    let hedging = proxy.hedging();
    let all = hedging["upstreams"].as_array().unwrap();
    let this = all.iter().find(|one| one["upstream"] == upstream.to_string()).expect("it is there");
    assert_eq!(this["state"], state);
    let metrics = get(proxy.admin(), "/metrics");
    for other in ["serving", "silent", "ejected", "ill"] {
        let row = format!("headstart_upstream_state{{route=\"/*\",upstream=\"{upstream}\",state=\"{other}\"}}");
        let row = format!("\n{row} {}\n", u8::from(other == state));
        assert!(metrics.text().contains(&row), "{row} in {}", metrics.text());
    }
}

/// How many lines of the log so far say this of an upstream, all of which are warnings.
fn warnings(proxy: &Proxied, upstream: SocketAddr, what: &str) -> usize {
    let said = format!("upstream {upstream} {what}");
    let lines: Vec<&String> = proxy.process.stderr.iter().filter(|line| line.contains(&said)).collect();
    assert!(lines.iter().all(|line| line.contains("WARN")), "{lines:?}");
    lines.len()
}

/// The next attempt at one of two.
fn next(upstreams: &[Upstream; 2]) -> (usize, Link) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        for (at, upstream) in upstreams.iter().enumerate() {
            if let Some((link, _)) = upstream.asked_now() {
                return (at, link);
            }
        }
        std::thread::yield_now();
    }
    panic!("no attempt came");
}

/// Sixteen clients that ask, and their attempts: all are on their way before the first is answered.
fn ask_sixteen_times(proxy: &Proxied, upstreams: &[Upstream; 2]) -> (Vec<Client>, Vec<(usize, Link)>) {
    let ask = |_| {
        let mut client = proxy.connect();
        client.get("/");
        (client, next(upstreams))
    };
    (0..16).map(ask).unzip()
}

#[test]
fn an_upstream_that_fails_is_ejected_and_serves_again_and_both_is_said_once() {
    // Without access lines, of which there will be thousands.
    let (mut proxy, upstreams) = two(&["--hedge", "off", "--log", "info,headstart::access=off"]);
    let (mut clients, attempts) = ask_sixteen_times(&proxy, &upstreams);
    let failing = attempts.iter().filter(|(at, _)| *at == 0).count();
    assert_eq!(failing, 8, "the one with fewer in flight gets the next");
    for (at, mut link) in attempts {
        link.send(if at == 0 {
            "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 204 Yes\r\n\r\n"
        });
    }
    let statuses = clients.iter_mut().map(|client| client.message().status());
    assert_eq!(statuses.filter(|status| *status == 500).count(), failing);
    let failed = upstreams[0].address();
    proxy.process.wait_for(&format!("upstream {failed} is ejected: 5 failures in a row, the last one: status 500"));

    // In time it is tried again, and by then all is well.
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "it was never tried again");
        let mut client = proxy.connect();
        client.get("/");
        let (at, mut link) = next(&upstreams);
        link.send(plain("ok"));
        assert_eq!(client.response().1, "ok");
        if at == 0 {
            break;
        }
    }
    proxy.process.wait_for(&format!("upstream {failed} serves again"));
    assert_state(&mut proxy, failed, "serving");
    assert_eq!((warnings(&proxy, failed, "is ejected"), warnings(&proxy, failed, "serves again")), (1, 1));
    assert_eq!(warnings(&proxy, upstreams[1].address(), ""), 0);
}

#[test]
fn an_ejected_upstream_is_shown_as_such() {
    let (mut proxy, upstreams) = two(&["--hedge", "off"]);
    let failed = upstreams[0].address();
    let (_clients, attempts) = ask_sixteen_times(&proxy, &upstreams);
    proxy.admin();
    for (at, mut link) in attempts {
        link.send(if at == 0 {
            "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 204 Yes\r\n\r\n"
        });
    }
    proxy.process.wait_for(&format!("upstream {failed} is ejected"));
    // For a second.
    assert_state(&mut proxy, failed, "ejected");
}

/// An upstream that is well or not, and how many requests but checks it has had.
fn checked() -> (Teller, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (is_well, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (well, count) = (is_well.clone(), asked.clone());
    let teller = Teller::start(move |link, head, _| {
        let is_check = head.start == "GET /up?really HTTP/1.1";
        count.fetch_add(usize::from(!is_check), Ordering::SeqCst);
        let is_ill = is_check && !well.load(Ordering::SeqCst);
        link.send(if is_ill { "HTTP/1.1 500 Ill\r\n" } else { "HTTP/1.1 200 OK\r\n" })
            .send("Content-Length: 0\r\n\r\n");
        After::Keep
    });
    (teller, is_well, asked)
}

#[test]
fn an_upstream_whose_check_fails_gets_no_requests_until_one_succeeds() {
    let ((one, is_well, asked), (other, ..)) = (checked(), checked());
    let mut proxy = Proxied::to(&[one.url(), other.url()], &["--health-path", "/up?really", "--hedge", "off"]);
    is_well.store(false, Ordering::SeqCst);
    let line = proxy.process.wait_for(&format!("upstream {} gets no primaries: its check failed", one.address()));
    assert!(line.contains("status 500"), "{line}");
    assert_state(&mut proxy, one.address(), "ill");
    let before = asked.load(Ordering::SeqCst);
    let mut client = proxy.connect();
    (0..20).for_each(|_| assert_eq!(client.get("/").message().status(), 200));
    assert_eq!(asked.load(Ordering::SeqCst), before);
    is_well.store(true, Ordering::SeqCst);
    proxy.process.wait_for(&format!("upstream {} serves again: its check succeeded", one.address()));
    assert_state(&mut proxy, one.address(), "serving");
    eventually("it gets requests", || {
        client.get("/").message();
        asked.load(Ordering::SeqCst) > before
    });
    assert_eq!(warnings(&proxy, one.address(), "gets no primaries"), 1);
    assert_eq!((warnings(&proxy, one.address(), "serves again"), warnings(&proxy, other.address(), "")), (1, 0));
}
