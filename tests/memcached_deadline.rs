//! A memcached call ends by its deadline whatever the server does, closes its connection then, and no reply is ever
//! taken for the answer to another call.

#![cfg(all(feature = "memcached", target_os = "linux"))]

use crate::support::memcached::{client, client_with, crew};
use headstart::Lookup;
use headstart::memcached::{Memcached, SetOptions};
use headstart::{CancelReason, CancelToken, Deadline, Error, TimeLimit};
use headstart_testing::memcached::{Deed, FakeMemcached, Sight, says};
use headstart_testing::upstream::AcceptsNothing;
use headstart_testing::{PATIENCE, eventually};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(150);

/// Calls, and says how the call ended: by its deadline, with nothing kept.
#[track_caller]
fn ends_in_time<T: std::fmt::Debug>(client: &Memcached, call: impl FnOnce(&Memcached) -> Result<T, Error>) {
    let began = Instant::now();
    let result = call(client);
    let elapsed = began.elapsed();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(elapsed >= TIMEOUT, "too early: {elapsed:?}");
    assert!(elapsed < TIMEOUT + Duration::from_secs(2), "too late: {elapsed:?}");
    assert_eq!(client.idle_connections(), 0);
}

/// The same for a get, of which the server sees the request and then the end.
#[track_caller]
fn get_ends_in_time_and_is_seen_to(how: impl Fn(Vec<u8>) -> Vec<Deed> + Send + Sync + 'static) {
    let (crew, fake) = (crew(), FakeMemcached::answering(how));
    ends_in_time(&client(&crew, fake.address()), |client| client.get("k", TIMEOUT));
    assert!(fake.next_request().line.starts_with("mg k "));
    fake.next_gone();
}

#[test]
fn while_connecting() {
    let (crew, fake) = (crew(), AcceptsNothing::start());
    let server = fake.url().replace("http://", "").replace('/', "");
    ends_in_time(&client(&crew, server), |client| client.get("k", TIMEOUT));
}

#[test]
fn while_nothing_is_said() {
    get_ends_in_time_and_is_seen_to(|_| vec![Deed::Hangs]);
}

#[test]
fn in_the_middle_of_a_line() {
    get_ends_in_time_and_is_seen_to(|reply| vec![says(&reply[..5]), Deed::Hangs]);
}

#[test]
fn in_the_middle_of_a_value() {
    get_ends_in_time_and_is_seen_to(|reply| vec![says(&reply[..reply.len() - 3]), Deed::Hangs]);
}

#[test]
fn before_the_end_of_a_value() {
    get_ends_in_time_and_is_seen_to(|reply| vec![says(&reply[..reply.len() - 1]), Deed::Hangs]);
}

#[test]
fn while_the_reply_drips() {
    get_ends_in_time_and_is_seen_to(|reply| vec![Deed::Drips(reply), Deed::Hangs]);
}

#[test]
fn between_the_replies_to_many_keys() {
    let (crew, fake) = (
        crew(),
        FakeMemcached::start(|request| match request.number {
            0..3 => vec![says(request.value("hi"))],
            _ => vec![Deed::Hangs],
        }),
    );
    ends_in_time(&client(&crew, fake.address()), |client| client.get_many(&["a", "b", "c", "d", "e"], TIMEOUT));
    (0..5).for_each(|_| drop(fake.next_request()));
    fake.next_gone();
}

#[test]
fn while_nobody_takes_the_value() {
    // Accepted by the system, read by nobody.
    let (crew, listener) = (crew(), TcpListener::bind("127.0.0.1:0").unwrap());
    let client = client_with(&crew, listener.local_addr().unwrap(), |settings| settings.max_value(64 << 20));
    let value = vec![0; 64 << 20];
    ends_in_time(&client, |client| client.set("k", &value, SetOptions::default(), TIMEOUT));
}

#[test]
fn whatever_is_called() {
    let (crew, fake) = (crew(), FakeMemcached::start(|_| vec![Deed::Hangs]));
    let client = client(&crew, fake.address());
    let options = SetOptions::default();
    // Both sights of a call before the next one: each connection of the fake tells from a thread of its own.
    let seen_to = || {
        fake.next_request();
        fake.next_gone();
    };
    ends_in_time(&client, |client| client.set("k", "v", options, TIMEOUT));
    seen_to();
    ends_in_time(&client, |client| client.add("k", "v", options, TIMEOUT));
    seen_to();
    ends_in_time(&client, |client| client.delete("k", TIMEOUT));
    seen_to();
    ends_in_time(&client, |client| client.touch("k", options.expiry, TIMEOUT));
    seen_to();
    ends_in_time(&client, |client| client.incr("k", 1, TIMEOUT));
    seen_to();
    ends_in_time(&client, |client| client.decr("k", 1, TIMEOUT));
    seen_to();
    ends_in_time(&client, |client| client.version(TIMEOUT));
    seen_to();
}

/// Looks names up for as long as nobody drops the other end.
struct HangsLookingUp(crossbeam_channel::Receiver<()>);

impl Lookup for HangsLookingUp {
    fn lookup(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        let _ = self.0.recv_timeout(PATIENCE);
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

#[test]
fn while_the_name_is_looked_up() {
    let (crew, fake) = (crew(), FakeMemcached::answering(|reply| vec![says(reply)]));
    let (let_go, go_on) = crossbeam_channel::bounded::<()>(0);
    let server = format!("cache.test:{}", fake.address().port());
    let client = client_with(&crew, server, |settings| settings.lookup(Arc::new(HangsLookingUp(go_on))));
    ends_in_time(&client, |client| client.get("k", TIMEOUT));
    eventually("the look-up is told as stuck", || crew.stats().stuck.len() == 1);
    drop(let_go);
    eventually("its thread is back", || crew.stats().stuck.is_empty());
    assert_eq!(client.get("k", PATIENCE).unwrap().unwrap().value, b"hi");
}

#[test]
fn connecting_has_a_timeout_of_its_own() {
    let (crew, fake) = (crew(), AcceptsNothing::start());
    let server = fake.url().replace("http://", "").replace('/', "");
    let client = client_with(&crew, server, |settings| settings.connect_timeout(TIMEOUT));
    let error = client.get("k", PATIENCE).unwrap_err();
    let timed_out = std::io::ErrorKind::TimedOut;
    assert!(matches!(&error, Error::Connect { source, .. } if source.kind() == timed_out), "{error:?}");
}

#[test]
fn a_passed_deadline_reaches_no_server() {
    let (crew, listener) = (crew(), TcpListener::bind("127.0.0.1:0").unwrap());
    let result = client(&crew, listener.local_addr().unwrap()).get("k", Duration::ZERO);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_token_ends_a_call_long_before_its_deadline() {
    let (crew, fake) = (
        crew(),
        FakeMemcached::start(|request| match request.number {
            0 => vec![says(request.value("hi"))],
            _ => vec![Deed::Hangs],
        }),
    );
    let client = client(&crew, fake.address());
    client.get("k", PATIENCE).unwrap();
    fake.next_request();
    let token = CancelToken::new();
    let began = Instant::now();
    let result = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.get("k", TimeLimit::new(Deadline::after(PATIENCE), &token)));
        fake.next_request();
        token.cancel(CancelReason::ClientGone);
        waiting.join().unwrap()
    });
    assert!(matches!(result, Err(Error::Canceled(CancelReason::ClientGone))), "{result:?}");
    assert!(began.elapsed() < PATIENCE / 2, "the deadline has ended it: {:?}", began.elapsed());
    fake.next_gone();
    assert_eq!(client.idle_connections(), 0);
}

#[test]
fn a_token_of_a_finished_call_does_not_touch_its_connection_any_more() {
    let (crew, fake) = (crew(), FakeMemcached::answering(|reply| vec![says(reply)]));
    let (client, token) = (client(&crew, fake.address()), CancelToken::new());
    client.get("k", TimeLimit::new(Deadline::Never, &token)).unwrap();
    token.cancel(CancelReason::Superseded);
    client.get("k", PATIENCE).unwrap();
    fake.next_request();
    fake.next_request(); // and nobody has left in between
}

#[test]
fn a_lie_is_an_error_and_its_connection_is_closed() {
    let lies: [fn(&headstart_testing::memcached::Request) -> String; 9] = [
        |request| format!("VA 2 f0 kother O{}\r\nhi\r\n", request.opaque()),
        |request| format!("VA 2 f0 k{} O{}\r\nhi\r\n", request.key(), request.opaque() + 1),
        |request| format!("VA 2 f0 k{}\r\nhi\r\n", request.key()),
        |request| format!("VA 2 f0 k{} O{}\r\nlonger\r\n", request.key(), request.opaque()),
        |request| format!("VA 2 f0 k{} O{}\r\nhi\n\n", request.key(), request.opaque()),
        |request| format!("HD k{} O{}\r\n", request.key(), request.opaque()),
        |_| "VALUE k 0 2\r\nhi\r\nEND\r\n".to_owned(),
        |_| "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(),
        |_| "\0\u{1}\u{7f}\r\n".to_owned(),
    ];
    let (crew, fake) = (crew(), FakeMemcached::start(move |request| vec![says(lies[request.number](request))]));
    let client = client(&crew, fake.address());
    for _ in lies {
        let error = client.get("k", PATIENCE).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{error:?}");
        fake.next_request();
        fake.next_gone();
    }
}

#[test]
fn more_than_was_asked_for_closes_the_connection() {
    for extra in ["\r\n", "HD kk O1\r\n", "x"] {
        let fake = FakeMemcached::answering(move |mut reply| {
            reply.extend_from_slice(extra.as_bytes());
            vec![says(reply)]
        });
        let (crew, mut calls) = (crew(), 0);
        let client = client(&crew, fake.address());
        while calls < 3 {
            assert_eq!(client.get("k", PATIENCE).unwrap().unwrap().value, b"hi");
            calls += 1;
            fake.next_request();
            assert_eq!(client.idle_connections(), 0);
            fake.next_gone();
        }
    }
}

#[test]
fn floods_and_giant_lengths_are_given_up_at_once() {
    let giant = |request: &headstart_testing::memcached::Request, size: &str| {
        format!("VA {size} k{} O{}\r\n", request.key(), request.opaque())
    };
    let (crew, fake) = (
        crew(),
        FakeMemcached::start(move |request| match request.number {
            0 => vec![Deed::Floods(vec![b'x'; 1 << 16])],
            1 => vec![says(giant(request, "18446744073709551615")), Deed::Floods(vec![b'x'; 1 << 16])],
            2 => vec![says(giant(request, "1048577")), Deed::Floods(vec![b'x'; 1 << 16])],
            _ => vec![says(giant(request, "1048576")), Deed::Floods(vec![b'x'; 1 << 16])],
        }),
    );
    let client = client(&crew, fake.address());
    for expects_too_large in [false, true, true, false] {
        let error = client.get("k", PATIENCE).unwrap_err();
        assert_eq!(matches!(error, Error::BodyTooLarge { .. }), expects_too_large, "{error:?}");
        assert_eq!(matches!(error, Error::Protocol(_)), !expects_too_large, "{error:?}");
        fake.next_request();
        fake.next_gone();
    }
}

#[test]
fn a_server_that_closes_is_told_as_a_lost_connection() {
    let (crew, fake) = (crew(), FakeMemcached::answering(|reply| vec![says(&reply[..4]), Deed::Closes]));
    let error = client(&crew, fake.address()).get("k", PATIENCE).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
}

/// Closes the connection of the second request instead of answering, as a server does whose idle timeout has just
/// struck.
fn closes_on_second() -> FakeMemcached {
    FakeMemcached::start(|request| match request.number {
        1 => vec![Deed::Closes],
        _ if request.line.starts_with("ma ") => {
            vec![says(format!("VA 1 k{} O{}\r\n1\r\n", request.key(), request.opaque()))]
        }
        _ => vec![says(request.value("hi"))],
    })
}

#[test]
fn a_read_whose_idle_connection_was_closed_is_made_once_more() {
    let (crew, fake) = (crew(), closes_on_second());
    let client = client(&crew, fake.address());
    for _ in 0..2 {
        assert_eq!(client.get("k", PATIENCE).unwrap().unwrap().value, b"hi");
    }
    let requests = std::iter::from_fn(|| (!fake.has_seen_nothing()).then(|| fake.next()));
    assert_eq!(requests.filter(|sight| matches!(sight, Sight::Request(_))).count(), 3);
}

#[test]
fn a_change_whose_connection_was_closed_is_not_made_again() {
    let (crew, fake) = (crew(), closes_on_second());
    let client = client(&crew, fake.address());
    assert_eq!(client.incr("k", 1, PATIENCE).unwrap(), Some(1));
    let error = client.incr("k", 1, PATIENCE).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    (0..2).for_each(|_| drop(fake.next_request()));
    fake.next_gone();
    assert!(fake.has_seen_nothing());
}

#[test]
fn a_read_on_a_fresh_connection_that_is_closed_is_not_made_again() {
    let (crew, fake) = (crew(), FakeMemcached::start(|_| vec![Deed::Closes]));
    let error = client(&crew, fake.address()).get("k", PATIENCE).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    fake.next_request();
    fake.next_gone();
    assert!(fake.has_seen_nothing());
}

/// A key that says what the server is to do with it, and what its value is.
fn key(number: usize, stalls: [u64; 2]) -> String {
    format!("{number}/{}/{}", stalls[0], stalls[1])
}

/// Waits before the reply and in the middle of it, for as long as the key says.
fn stalls_as_the_key_says() -> FakeMemcached {
    FakeMemcached::start(|request| {
        let mut waits =
            request.key().split('/').skip(1).map(|ms| Deed::Waits(Duration::from_millis(ms.parse().unwrap())));
        let reply = request.value(request.key()).into_bytes();
        let (begin, end) = reply.split_at(reply.len() / 2);
        vec![waits.next().unwrap(), says(begin), waits.next().unwrap(), says(end)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each value is its key, so a reply read by the wrong call shows. A timeout is the only way in which a call may
    /// fail: a connection with an old reply on its way that is used again shows as a malformed one.
    #[test]
    fn no_reply_is_taken_for_the_answer_to_another_call(
        calls in prop::collection::vec((0..12_u64, 0..12_u64, 1..16_u64, 1..4_usize), 1..20),
    ) {
        let (crew, fake) = (crew(), stalls_as_the_key_says());
        let client = client(&crew, fake.address());
        let failed: Vec<String> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..3).map(|caller| {
                let (client, calls) = (&client, &calls);
                scope.spawn(move || calls.iter().enumerate().filter_map(|(at, (before, within, timeout, count))| {
                    let first = caller * 1000 + at * 10;
                    let keys: Vec<_> = (0..*count).map(|key_at| key(first + key_at, [*before, *within])).collect();
                    match client.get_many(&keys, Duration::from_millis(*timeout)) {
                        Err(Error::TimedOut { .. }) => None,
                        Ok(items) => {
                            let mut pairs = items.iter().zip(&keys);
                            let right = pairs.all(|(item, key)| item.as_ref().unwrap().value == key.as_bytes());
                            (!right).then(|| format!("{keys:?} got {items:?}"))
                        }
                        Err(error) => Some(format!("{keys:?}: {error:?}")),
                    }
                }).collect::<Vec<_>>())
            }).collect();
            callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        });
        prop_assert!(failed.is_empty(), "{failed:#?}");
    }
}
