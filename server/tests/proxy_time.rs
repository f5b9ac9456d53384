//! What the proxy promises about time: an event leaves when it comes, and a loser ends when it has lost.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::hostile::within_three_tries;
use crate::support::proxied::one;
use std::time::{Duration, Instant};

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

fn at_most(took: Duration, most: Duration) -> Result<(), String> {
    if took <= most { Ok(()) } else { Err(format!("{took:?}, and {most:?} is promised")) }
}

#[test]
fn an_event_leaves_in_the_millisecond_it_came() {
    let _turn = headstart_testing::in_turn();
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.get("/events");
    let (mut link, _) = upstream.asked();
    link.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    client.message();
    within_three_tries(|| {
        let took = (0..50).map(|_| {
            // Both at rest, as between events.
            std::thread::sleep(Duration::from_millis(2));
            let sent = Instant::now();
            link.send("data: now\n\n");
            client.until("now\n\n");
            sent.elapsed()
        });
        at_most(median(took.collect()), Duration::from_millis(1))
    });
}

#[test]
fn a_loser_s_connection_is_closed_within_5_ms_of_the_answer() {
    let _turn = headstart_testing::in_turn();
    let (proxy, upstream) = one(&["--schedule", "0,0"]);
    within_three_tries(|| {
        let took = (0..20).map(|_| {
            let mut client = proxy.connect();
            client.get("/");
            let [mut winner, mut loser] = [upstream.asked().0, upstream.asked().0];
            winner.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            assert_eq!(client.response().1, "ok");
            let answered = Instant::now();
            loser.end();
            answered.elapsed()
        });
        at_most(took.max().unwrap(), Duration::from_millis(5))
    });
}
