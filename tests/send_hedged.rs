//! Requests that are raced: who wins with what, what becomes of the losers, and which upstream is asked.

#![cfg(all(feature = "http", unix))]

use crate::support::core::{Forwards, Seen, next};
use crate::support::scripted::{Scripted, client, client_with, crew};
use headstart::event::{AttemptEnd, RaceEnd};
use headstart::http::{Commit, Request, Sending};
use headstart::{AfterFailure, CancelReason, CancelToken, Deadline, Error, Phase, TimeLimit};
use headstart_testing::{PATIENCE, eventually};
use std::io::Read;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

const FAR: u64 = 100_000;

/// A whole response with this body.
fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn read(mut body: impl Read) -> String {
    let mut text = String::new();
    body.read_to_string(&mut text).unwrap();
    text
}

/// An address at which nobody listens.
fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn the_first_to_send_a_byte_of_its_body_wins_and_the_loser_is_closed() {
    let (crew, [slow, fast]) = (crew(), [Scripted::start(), Scripted::start()]);
    let (observer, seen) = Forwards::new();
    let client = client_with(&crew, &[&slow, &fast], &[0, 0], |settings| settings.observer(observer));
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
        // One sends its head early and stalls.
        let (mut stalls, mut answers) = (slow.accept(), fast.accept());
        let heads = [stalls.head(), answers.head()];
        assert!(heads.iter().any(|head| head.contains("x-attempt: 0\r\n")), "{heads:?}");
        assert!(heads.iter().any(|head| head.contains("x-attempt: 1\r\n")), "{heads:?}");
        stalls.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        answers.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        thread::sleep(Duration::from_millis(50));
        assert!(!sending.is_finished(), "a head is not enough");
        answers.say("abc");
        let response = sending.join().unwrap();
        assert_eq!(response.upstream(), fast.address().to_string());
        assert_eq!(stalls.rest(), b"", "the loser's connection is closed");
        // The deciding of the race has not touched the winner's.
        answers.say("defghi");
        assert_eq!(read(response.into_body()), "abcdefghi");
        eventually("one connection is kept", || client.idle_connections() == 1);
    });
    let ends: Vec<_> = std::iter::from_fn(|| Some(next(&seen))).take(5).collect();
    assert_eq!(ends.len(), 5, "two begins, two ends, one race: {ends:?}");
}

#[test]
fn the_first_byte_of_a_chunked_body_wins_when_it_comes_after_the_head() {
    let (crew, [slow, fast]) = (crew(), [Scripted::start(), Scripted::start()]);
    let client = client(&crew, &[&slow, &fast], &[0, 0]);
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
        let (mut stalls, mut answers) = (slow.accept(), fast.accept());
        for peer in [&mut stalls, &mut answers] {
            peer.head();
            peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        }
        // So that the heads are read before.
        thread::sleep(Duration::from_millis(20));
        answers.say("3\r\na");
        let response = sending.join().unwrap();
        assert_eq!(response.upstream(), fast.address().to_string());
        answers.say("bc\r\n0\r\n\r\n");
        assert_eq!(read(response.into_body()), "abc");
    });
}

#[test]
fn a_loser_that_opens_late_is_closed_and_nothing_of_the_race_is_left() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0, 0]);
    for _ in 0..20 {
        thread::scope(|scope| {
            let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
            let mut peers = [upstream.accept(), upstream.accept(), upstream.accept()];
            for peer in &mut peers {
                peer.head();
            }
            for peer in &mut peers {
                // All answer at the same moment; those that lost may be gone by now.
                let _ = std::io::Write::write_all(&mut peer.socket, ok("abc").as_bytes());
            }
            let response = sending.join().unwrap();
            let won = response.attempt();
            drop(response); // not read: closed, too
            assert!(won < 3);
            for mut peer in peers {
                peer.rest();
            }
        });
        eventually("no thread holds anything", || crew.stats().idle == crew.stats().threads);
    }
    assert_eq!((client.idle_connections(), crew.stats().stuck.len()), (0, 0));
}

#[test]
fn an_attempt_without_a_rival_commits_at_its_head() {
    let (crew, upstream) = (crew(), Scripted::start());
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    // None left to start.
    let single = client(&crew, &[&upstream], &[0]);
    thread::scope(|scope| {
        let sending = scope.spawn(|| single.send(&Request::get("/"), PATIENCE).unwrap());
        let mut peer = upstream.accept();
        peer.head();
        peer.say(head);
        let response = sending.join().unwrap();
        assert_eq!(response.body().buffered(), b"");
        peer.say("abc");
        assert_eq!(read(response.into_body()), "abc");
    });
    // The last rival fails while the head waits for its first byte.
    let both = client(&crew, &[&upstream], &[0, 0]);
    thread::scope(|scope| {
        let sending = scope.spawn(|| both.send(&Request::get("/"), PATIENCE).unwrap());
        let [mut waits, mut fails] = [upstream.accept(), upstream.accept()];
        waits.head();
        fails.head();
        waits.say(head);
        thread::sleep(Duration::from_millis(50)); // it waits by now, most likely; in any case it has to notice
        assert!(!sending.is_finished());
        drop(fails);
        let response = sending.join().unwrap();
        waits.say("abc");
        assert_eq!(read(response.into_body()), "abc");
    });
}

#[test]
fn an_event_stream_commits_at_its_head() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, FAR]);
    for (request, content_type) in [
        (Request::get("/").field("Accept", "text/event-stream"), "text/plain"),
        (Request::get("/"), "Text/Event-Stream; charset=utf-8"),
    ] {
        thread::scope(|scope| {
            let sending = scope.spawn(|| client.send(&request, PATIENCE).unwrap());
            let mut peer = upstream.accept();
            peer.head();
            peer.say(format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n"));
            assert_eq!(sending.join().unwrap().body().buffered(), b"");
        });
    }
}

#[test]
fn a_response_can_win_by_its_head_or_by_its_whole_body() {
    let (crew, upstream) = (crew(), Scripted::start());
    let by_head = client_with(&crew, &[&upstream], &[0, FAR], |settings| settings.commit(Commit::Head));
    thread::scope(|scope| {
        let sending = scope.spawn(|| by_head.send(&Request::get("/"), PATIENCE).unwrap());
        let mut peer = upstream.accept();
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
        assert_eq!(sending.join().unwrap().body().length(), Some(3));
    });
    let full = |most| {
        client_with(&crew, &[&upstream], &[0, FAR], |settings| settings.commit(Commit::Full).hedge_max_body(most))
    };
    for (head, rest) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", "def"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n", "3\r\ndef\r\n0\r\n\r\n"),
    ] {
        let client = full(100);
        thread::scope(|scope| {
            let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
            let mut peer = upstream.accept();
            peer.head();
            peer.say(head);
            thread::sleep(Duration::from_millis(50));
            assert!(!sending.is_finished(), "a part is not enough");
            peer.say(rest);
            let response = sending.join().unwrap();
            assert_eq!((response.body().buffered(), client.idle_connections()), (&b"abcdef"[..], 1));
            assert_eq!(read(response.into_body()), "abcdef");
        });
        // A body that is larger than what is held wins by that much, and flows on.
        let client = full(3);
        thread::scope(|scope| {
            let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
            let mut peer = upstream.accept();
            peer.head();
            peer.say(head);
            let response = sending.join().unwrap();
            peer.say(rest);
            assert_eq!(read(response.into_body()), "abcdef");
            assert_eq!(client.idle_connections(), 1);
        });
    }
}

#[test]
fn the_last_answer_is_passed_on_when_none_is_acceptable() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0]);
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
        let [mut first, mut last] = [upstream.accept(), upstream.accept()];
        first.head();
        last.head();
        first.say("HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nfirst");
        thread::sleep(Duration::from_millis(50));
        last.say("HTTP/1.1 429 Slow Down\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\n");
        let response = sending.join().unwrap();
        assert_eq!((response.status(), response.reason()), (429, &b"Slow Down"[..]));
        assert_eq!(response.fields().get("retry-after"), Some(&b"3"[..]));
        assert_eq!(client.idle_connections(), 1, "all of the first body had come: its connection is kept");
        last.say("last");
        assert_eq!(read(response.into_body()), "last");
        assert_eq!(client.idle_connections(), 2);
    });
    // An answer is better than an error that comes later, and better than none when the time is over.
    for is_error in [true, false] {
        let client = self::client(&crew, &[&upstream], &[0, 0]);
        thread::scope(|scope| {
            let limit = if is_error { PATIENCE } else { Duration::from_millis(300) };
            let client = &client;
            let sending = scope.spawn(move || client.send(&Request::get("/"), limit).unwrap());
            let [mut answers, mut fails] = [upstream.accept(), upstream.accept()];
            answers.head();
            fails.head();
            answers.say("HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\ny");
            if is_error {
                thread::sleep(Duration::from_millis(50));
                fails.reset();
                assert_eq!(read(sending.join().unwrap().into_body()), "y");
            } else {
                assert_eq!(read(sending.join().unwrap().into_body()), "y");
                assert_eq!(fails.rest(), b"");
            }
        });
    }
}

#[test]
fn what_is_acceptable_can_be_said() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client_with(&crew, &[&upstream], &[0, 0], |settings| settings.success("200-299,503".parse().unwrap()));
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
        let [mut missing, mut busy] = [upstream.accept(), upstream.accept()];
        missing.head();
        busy.head();
        missing.say("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
        thread::sleep(Duration::from_millis(50));
        assert!(!sending.is_finished());
        busy.say("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(sending.join().unwrap().status(), 503);
    });
}

#[test]
fn a_failure_begins_the_hedge_when_it_is_to() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client_with(&crew, &[&upstream], &[0, FAR], |settings| settings.after_failure(AfterFailure::Hedge));
    for said in ["HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "nonsense\r\n\r\n", ""] {
        thread::scope(|scope| {
            let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
            let mut fails = upstream.accept();
            fails.head();
            fails.say(said);
            drop(fails);
            let mut peer = upstream.accept();
            assert!(peer.head().contains("x-attempt: 1\r\n"));
            peer.say(ok("a").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
            assert_eq!((read(sending.join().unwrap().into_body()), client.idle_connections()), ("a".into(), 0));
        });
    }
}

#[test]
fn the_limit_ends_a_call_in_every_phase() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0]);
    for (said, phase) in [("", Phase::Head), ("HTTP/1.1 200 O", Phase::Head)] {
        for request in [Request::get("/"), Request::get("/").sending(Sending::Once)] {
            let limit = Duration::from_millis(150);
            thread::scope(|scope| {
                let began = Instant::now();
                let sending = scope.spawn(|| client.send(&request, limit));
                let mut peer = upstream.accept();
                peer.head();
                peer.say(said);
                let result = sending.join().unwrap();
                assert!(matches!(result, Err(Error::TimedOut { during }) if during == phase), "{result:?}");
                assert!(began.elapsed() >= limit);
                assert_eq!(peer.rest(), b"");
                if !upstream.is_quiet() {
                    assert_ne!(upstream.accept().rest(), b"", "the other attempt's request");
                }
            });
        }
    }
    let token = CancelToken::new();
    thread::scope(|scope| {
        let sending =
            scope.spawn(|| client.send(&Request::get("/"), TimeLimit::new(Deadline::after(PATIENCE), &token)));
        let mut peers = [upstream.accept(), upstream.accept()];
        peers.iter_mut().for_each(|peer| drop(peer.head()));
        token.cancel(CancelReason::ClientGone);
        assert!(matches!(sending.join().unwrap(), Err(Error::Canceled(CancelReason::ClientGone))));
        peers.iter_mut().for_each(|peer| assert_eq!(peer.rest(), b""));
    });
    let canceled = client.send(&Request::get("/"), TimeLimit::new(Deadline::Never, &token));
    assert!(matches!(canceled, Err(Error::Canceled(CancelReason::ClientGone))), "{canceled:?}");
}

#[test]
fn the_commit_ends_the_token_of_the_race_and_not_the_response() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, FAR]);
    let limit = Duration::from_millis(300);
    thread::scope(|scope| {
        let began = Instant::now();
        let sending = scope.spawn(|| client.send(&Request::get("/"), limit).unwrap());
        let mut peer = upstream.accept();
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
        let response = sending.join().unwrap();
        thread::sleep((limit + Duration::from_millis(100)).saturating_sub(began.elapsed()));
        peer.say("def");
        assert_eq!(read(response.into_body()), "abcdef");
    });
}

#[test]
fn an_attempt_takes_another_upstream_than_those_before_it() {
    let (crew, upstreams) = (crew(), [Scripted::start(), Scripted::start(), Scripted::start()]);
    let client = client(&crew, &[&upstreams[0], &upstreams[1], &upstreams[2]], &[0, 0, 0]);
    for _ in 0..3 {
        thread::scope(|scope| {
            let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
            let mut peers: Vec<_> = upstreams.iter().map(Scripted::accept).collect();
            peers.iter_mut().for_each(|peer| drop(peer.head()));
            peers[1].say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(sending.join().unwrap().upstream(), upstreams[1].address().to_string());
        });
    }
}

#[test]
fn a_dead_upstream_costs_no_request() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client_with(&crew, &[], &[0], |settings| {
        settings.upstreams([dead_url(), dead_url(), upstream.url(), dead_url()])
    });
    for request in [Request::get("/"), Request::new("POST", "/").body(*b"abc"), Request::new("POST", "/")] {
        for _ in 0..5 {
            thread::scope(|scope| {
                let sending = scope.spawn(|| client.send(&request, PATIENCE).unwrap());
                let mut peer = upstream.accept();
                assert!(peer.head().contains("x-attempt: 0\r\n"));
                peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                assert_eq!(sending.join().unwrap().upstream(), upstream.address().to_string());
            });
        }
    }
    let dead = client_with(&crew, &[], &[0], |settings| settings.upstreams([dead_url(), dead_url()]));
    let result = dead.send(&Request::get("/"), PATIENCE);
    assert!(matches!(result, Err(Error::Connect { .. })), "{result:?}");
}

#[test]
fn a_read_whose_idle_connection_is_closed_goes_out_once_more() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    thread::scope(|scope| {
        let call = || scope.spawn(|| client.send(&Request::get("/"), PATIENCE));
        let sending = call();
        let mut first = upstream.accept();
        first.head();
        first.say(ok("a"));
        assert_eq!(read(sending.join().unwrap().unwrap().into_body()), "a");
        // The idle connection takes the request, and is closed.
        let sending = call();
        first.head();
        drop(first);
        let mut second = upstream.accept();
        second.head();
        second.say(ok("b"));
        assert_eq!(read(sending.join().unwrap().unwrap().into_body()), "b");
        // Once anything has come, it is a failure.
        let sending = call();
        second.head();
        second.say("HTTP/1.1 200");
        drop(second);
        let result = sending.join().unwrap();
        assert!(matches!(result, Err(Error::Lost { .. })), "{result:?}");
        // So is a fresh connection that breaks.
        let sending = call();
        let mut third = upstream.accept();
        third.head();
        drop(third);
        let result = sending.join().unwrap();
        assert!(matches!(result, Err(Error::Lost { .. })), "{result:?}");
    });
    assert!(upstream.is_quiet());
}

#[test]
fn what_is_sent_once_takes_a_fresh_connection_and_gives_it_back() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0]);
    let mut peers = Vec::new();
    for idle in 1..=3 {
        thread::scope(|scope| {
            let request = Request::new("POST", "/").field("Content-Type", "a/b").body(*b"hello");
            let client = &client;
            let sending = scope.spawn(move || client.send(&request, PATIENCE).unwrap());
            let mut peer = upstream.accept();
            let head = peer.head();
            assert!(head.starts_with("POST / HTTP/1.1\r\n") && head.contains("\r\ncontent-length: 5\r\n"), "{head}");
            assert_eq!(peer.exactly(5), b"hello");
            peer.say(ok("x"));
            assert_eq!(read(sending.join().unwrap().into_body()), "x");
            assert_eq!(client.idle_connections(), idle);
            peers.push(peer);
        });
    }
    // A request whose fresh connection breaks is not sent again.
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(&Request::new("DELETE", "/x"), PATIENCE));
        let mut peer = upstream.accept();
        assert!(!peer.head().contains("content-length"));
        drop(peer);
        assert!(matches!(sending.join().unwrap(), Err(Error::Lost { .. })));
    });
    assert!(upstream.is_quiet() && peers.iter().all(|peer| peer.hears_nothing()));
}

#[test]
fn a_request_that_may_be_hedged_has_its_body_sent_by_each_attempt() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0]);
    let body = vec![b'x'; 300_000];
    thread::scope(|scope| {
        let request = Request::new("PUT", "/").body(body.clone()).sending(Sending::Hedged);
        let client = &client;
        let sending = scope.spawn(move || client.send(&request, PATIENCE).unwrap());
        let mut peers = [upstream.accept(), upstream.accept()];
        for peer in &mut peers {
            peer.head();
            assert!(peer.exactly(body.len()) == body);
        }
        peers[0].say(ok("y"));
        assert_eq!(read(sending.join().unwrap().into_body()), "y");
        assert_eq!(peers[1].rest(), b"");
    });
}

#[test]
fn an_observer_sees_requests_that_are_sent_once_too() {
    let (crew, upstream) = (crew(), Scripted::start());
    let (observer, seen) = Forwards::new();
    let client = client_with(&crew, &[&upstream], &[0, 0], |settings| settings.observer(observer));
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(&Request::new("POST", "/"), PATIENCE).unwrap());
        let mut peer = upstream.accept();
        peer.head();
        peer.say("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(sending.join().unwrap().status(), 500, "whatever it is");
    });
    assert!(matches!(next(&seen), Seen::Began(began) if began.attempt == 0));
    assert!(matches!(next(&seen), Seen::Ended(ended) if ended.end == AttemptEnd::Succeeded));
    assert!(matches!(next(&seen), Seen::Race(race) if race.end == RaceEnd::Won && race.begun == 1));
}
