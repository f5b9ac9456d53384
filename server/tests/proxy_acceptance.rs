//! Answers that are no success: they do not win while there may be a better one, and one is better than none.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::proxy_hedging::{NEVER, SOON, attempt, plain};
use crate::support::proxied::one;
use crate::support::queues::{is_read, send_until_stuck};

#[test]
fn an_unacceptable_answer_does_not_win() {
    let (proxy, upstream) = one(&SOON);
    for status in [500, 502, 503, 504, 599, 429] {
        let mut client = proxy.connect();
        client.get("/");
        let mut primary = attempt(&upstream, "0");
        primary.send(format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"));
        attempt(&upstream, "1").send(plain("hedge"));
        assert_eq!(client.response().1, "hedge", "{status}");
        // Its answer was kept as long as it might have been the last.
        primary.end();
    }
}

#[test]
fn an_unacceptable_answer_begins_the_hedge_at_once_where_failures_do() {
    let (proxy, upstream) = one(&[&NEVER[..], &["--hedge-on-failure"]].concat());
    let mut client = proxy.connect();
    client.get("/");
    attempt(&upstream, "0").send("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno");
    attempt(&upstream, "1").send(plain("hedge"));
    assert_eq!(client.response().1, "hedge");
}

#[test]
fn the_last_unacceptable_answer_is_passed_on_with_its_body() {
    let (proxy, upstream) = one(&SOON);
    let answer = |status: u16, who: &str| {
        format!("HTTP/1.1 {status} No\r\nRetry-After: 7\r\nX: {who}\r\nContent-Length: 6\r\n\r\nfrom {who}")
    };
    for last in [0, 1] {
        let mut client = proxy.connect();
        client.get("/");
        let mut links = [attempt(&upstream, "0"), attempt(&upstream, "1")];
        links[1 - last].send(answer(500 + 1 - last as u16, &(1 - last).to_string()));
        // The first is heard before the last is sent: it is in the proxy's hands once the kernel has none of it.
        headstart_testing::eventually("it is heard", || is_read(&links[1 - last]));
        links[last].send(answer(500 + last as u16, &last.to_string()));
        let (head, body) = client.response();
        let told = (head.status(), head.field("retry-after"), body.as_str());
        assert_eq!(told, (500 + last as u16, Some("7"), &*format!("from {last}")));
        drop(links);
    }
    // An answer, however bad, is more than none.
    let mut client = proxy.connect();
    client.get("/");
    let (mut primary, hedge) = (attempt(&upstream, "0"), attempt(&upstream, "1"));
    primary.send(answer(503, "0"));
    headstart_testing::eventually("it is heard", || is_read(&primary));
    drop(hedge);
    let (head, body) = client.response();
    assert_eq!((head.status(), body.as_str()), (503, "from 0"));
}

#[test]
fn an_unacceptable_answer_of_any_size_waits_until_it_is_the_last() {
    let (proxy, upstream) = one(&SOON);
    let before = proxy.peak_memory();
    let mut client = proxy.connect();
    client.get("/");
    let (mut primary, hedge) = (attempt(&upstream, "0"), attempt(&upstream, "1"));
    let (piece, much) = (vec![b'a'; 1 << 20], 64 << 20);
    primary.send(format!("HTTP/1.1 503 No\r\nContent-Length: {much}\r\n\r\n"));
    let sent = send_until_stuck(&mut primary, &piece, much);
    assert!(sent < much, "{sent} bytes, and nobody wanted them");
    drop(hedge);
    let rest = std::thread::spawn(move || {
        primary.send(vec![b'a'; much - sent]);
        primary
    });
    let head = client.message();
    assert_eq!(head.status(), 503);
    (0..much >> 20).for_each(|_| assert!(client.take(1 << 20) == piece));
    let grown = proxy.peak_memory() - before;
    assert!(grown < 2 << 10, "{grown} KiB more memory");
    drop(rest.join().unwrap());
}

#[test]
fn what_a_success_is_can_be_said() {
    let (proxy, upstream) = one(&[&SOON[..], &["--success", "200-299,503"]].concat());
    let mut client = proxy.connect();
    client.get("/");
    attempt(&upstream, "0").send("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno");
    attempt(&upstream, "1").send("HTTP/1.1 503 Yes\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes");
    assert_eq!(client.response().1, "yes");
}
