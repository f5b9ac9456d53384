//! The client does what it says to a real memcached.

#![cfg(all(feature = "memcached", target_os = "linux"))]

use crate::support::memcached::{client, client_with, crew};
use headstart::memcached::{Expiry, Memcached, SetOptions};
use headstart::{Crew, Error, Race, Schedule};
use headstart_testing::memcached::RealMemcached;
use headstart_testing::needs;
use headstart_testing::{PATIENCE, eventually};
use std::time::{Duration, Instant};

/// A server, and a client of it with the crew that it needs.
struct Served {
    server: RealMemcached,
    client: Memcached,
    crew: Crew,
}

fn served() -> Served {
    let (server, crew) = (RealMemcached::start(), crew());
    let client = client(&crew, server.address());
    Served { server, client, crew }
}

fn value(client: &Memcached, key: &str) -> Option<Vec<u8>> {
    client.get(key, PATIENCE).unwrap().map(|item| item.value)
}

fn expiring(seconds: u64) -> SetOptions {
    SetOptions { expiry: Expiry::After(Duration::from_secs(seconds)), ..SetOptions::default() }
}

#[needs("memcached")]
#[test]
fn what_is_set_is_got_with_its_flags_until_it_is_deleted() {
    let Served { client, server: _server, .. } = served();
    assert_eq!(client.get("k", PATIENCE).unwrap(), None);
    assert!(!client.delete("k", PATIENCE).unwrap());
    let options = SetOptions { flags: u32::MAX, expiry: Expiry::Never };
    client.set("k", "value", options, PATIENCE).unwrap();
    let item = client.get("k", PATIENCE).unwrap().unwrap();
    assert_eq!((item.value.as_slice(), item.flags), (b"value".as_slice(), u32::MAX));
    assert!(client.delete("k", PATIENCE).unwrap());
    assert_eq!(client.get("k", PATIENCE).unwrap(), None);
    assert_eq!(client.idle_connections(), 1, "one connection served all");
}

#[needs("memcached")]
#[test]
fn values_are_any_bytes_of_any_allowed_size() {
    let Served { client, server: _server, .. } = served();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let nearly_a_mebibyte: Vec<u8> = (0..(1 << 20) - 500).map(|at| (at * 31 % 251) as u8).collect();
    for bytes in [b"".as_slice(), b"\r\n", b"EN\r\nHD\r\n\r\n", &all_bytes, &nearly_a_mebibyte] {
        client.set("k", bytes, SetOptions::default(), PATIENCE).unwrap();
        assert_eq!(value(&client, "k").unwrap(), bytes);
    }
    assert_eq!(client.idle_connections(), 1);
}

#[needs("memcached")]
#[test]
fn keys_are_any_bytes_that_the_protocol_can_carry() {
    let Served { client, server: _server, .. } = served();
    for key in ["ключ".as_bytes(), &[b'x'; 250], &[0xff, 0x80], b"a/b?c#d%20", b"O1", b"mn"] {
        client.set(key, key, SetOptions::default(), PATIENCE).unwrap();
        assert_eq!(client.get(key, PATIENCE).unwrap().unwrap().value, key);
    }
    for wrong in ["", "a b", "a\r\nflush_all", &"x".repeat(251)] {
        let error = client.get(wrong, PATIENCE).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
}

#[needs("memcached")]
#[test]
fn a_value_too_large_is_refused_here_or_by_the_server() {
    let Served { client, server, crew } = served();
    let error = client.set("k", vec![0; (1 << 20) + 1], SetOptions::default(), PATIENCE).unwrap_err();
    assert!(matches!(error, Error::BodyTooLarge { limit: 0x100000 }), "{error}");

    let lavish = client_with(&crew, server.address(), |settings| settings.max_value(4 << 20));
    let error = lavish.set("k", vec![0; 2 << 20], SetOptions::default(), PATIENCE).unwrap_err();
    assert!(matches!(&error, Error::Refused { why, .. } if why.contains("too large")), "{error}");

    client.set("k", vec![7; 1000], SetOptions::default(), PATIENCE).unwrap();
    let frugal = client_with(&crew, server.address(), |settings| settings.max_value(999));
    let error = frugal.get("k", PATIENCE).unwrap_err();
    assert!(matches!(error, Error::BodyTooLarge { limit: 999 }), "{error}");
    assert_eq!(frugal.idle_connections(), 0, "the rest of the value is still on its way");
}

#[needs("memcached")]
#[test]
fn many_keys_are_got_in_their_order_with_gaps_for_those_that_are_missing() {
    let Served { client, server: _server, .. } = served();
    let keys: Vec<String> = (0..5_000).map(|number| format!("key-{number}")).collect();
    for key in keys.iter().step_by(2) {
        client.set(key, key, SetOptions::default(), PATIENCE).unwrap();
    }
    let items = client.get_many(&keys, PATIENCE).unwrap();
    for (at, (key, item)) in keys.iter().zip(&items).enumerate() {
        let expected = (at % 2 == 0).then_some(key.as_bytes());
        assert_eq!(item.as_ref().map(|item| item.value.as_slice()), expected, "{key}");
    }
    assert_eq!(items.len(), keys.len());
    assert_eq!(client.get_many::<&str>(&[], PATIENCE).unwrap(), []);
    let twice = client.get_many(&["key-0", "key-0"], PATIENCE).unwrap();
    assert_eq!(twice[0], twice[1]);
    assert_eq!(client.idle_connections(), 1);
}

#[needs("memcached")]
#[test]
fn many_large_values_are_got_though_they_fill_every_buffer_on_the_way() {
    let Served { client, server: _server, .. } = served();
    let large = vec![b'x'; 500_000];
    client.set("large", &large, SetOptions::default(), PATIENCE).unwrap();
    let items = client.get_many(&["large"; 100], PATIENCE).unwrap();
    assert!(items.into_iter().all(|item| item.unwrap().value == large));
}

#[needs("memcached")]
#[test]
fn a_value_is_forgotten_when_its_time_is_over_and_a_touch_changes_that() {
    let Served { client, server: _server, .. } = served();
    client.set("short", "1", expiring(1), PATIENCE).unwrap();
    client.set("touched", "1", expiring(1), PATIENCE).unwrap();
    client.set("month", "1", expiring(31 * 24 * 60 * 60), PATIENCE).unwrap();
    if client.touch("touched", Expiry::After(Duration::from_secs(1000)), PATIENCE).unwrap() {
        eventually("the value is forgotten", || value(&client, "short").is_none());
        assert!(value(&client, "touched").is_some());
    } else {
        // The server's clock ticks in seconds: one was over between two calls.
        println!("the touch came too late");
    }
    assert!(value(&client, "month").is_some(), "more than 30 days is not a moment in 1970");
    assert!(!client.touch("missing", Expiry::Never, PATIENCE).unwrap());
}

#[needs("memcached")]
#[test]
fn counters_count_up_and_down_and_only_numbers_do() {
    let Served { client, server: _server, .. } = served();
    assert_eq!(client.incr("n", 1, PATIENCE).unwrap(), None);
    client.set("n", "41", SetOptions::default(), PATIENCE).unwrap();
    assert_eq!(client.incr("n", 1, PATIENCE).unwrap(), Some(42));
    assert_eq!(client.decr("n", 40, PATIENCE).unwrap(), Some(2));
    assert_eq!(client.decr("n", 3, PATIENCE).unwrap(), Some(0), "not below 0");
    assert_eq!(client.incr("n", u64::MAX, PATIENCE).unwrap(), Some(u64::MAX));
    assert_eq!(client.incr("n", 2, PATIENCE).unwrap(), Some(1), "wraps");
    client.set("text", "many", SetOptions::default(), PATIENCE).unwrap();
    let error = client.incr("text", 1, PATIENCE).unwrap_err();
    assert!(matches!(&error, Error::Refused { why, .. } if why.contains("non-numeric")), "{error}");
    assert_eq!(value(&client, "text").unwrap(), b"many", "the next call is well");
}

#[needs("memcached")]
#[test]
fn add_stores_only_what_is_not_there() {
    let Served { client, server: _server, .. } = served();
    assert!(client.add("k", "first", SetOptions::default(), PATIENCE).unwrap());
    assert!(!client.add("k", "second", SetOptions::default(), PATIENCE).unwrap());
    assert_eq!(value(&client, "k").unwrap(), b"first");
}

#[needs("memcached")]
#[test]
fn the_server_tells_its_version_and_a_server_that_is_not_there_is_told_as_such() {
    let Served { client, server, .. } = served();
    assert!(client.version(PATIENCE).unwrap().starts_with("1."));
    drop(server);
    let error = client.version(PATIENCE).unwrap_err();
    let refused = std::io::ErrorKind::ConnectionRefused;
    assert!(matches!(&error, Error::Connect { source, .. } if source.kind() == refused), "{error:?}");
}

#[needs("memcached")]
#[test]
fn threads_share_a_client_and_each_gets_its_own_answers() {
    let Served { client, server: _server, .. } = served();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || {
                for round in 0..200 {
                    let key = format!("{thread}-{round}");
                    client.set(&key, &key, SetOptions::default(), PATIENCE).unwrap();
                    assert_eq!(value(client, &key).unwrap(), key.as_bytes());
                }
            });
        }
    });
    assert!((1..=8).contains(&client.idle_connections()), "{}", client.idle_connections());
}

#[needs("memcached")]
#[test]
fn a_stopped_server_ends_in_a_timeout_and_serves_again_when_it_goes_on() {
    let Served { client, server, .. } = served();
    for number in 0..20 {
        client.set(format!("k{number}"), format!("v{number}"), SetOptions::default(), PATIENCE).unwrap();
    }
    for round in 0..5 {
        server.stop();
        let timeout = Duration::from_millis(60);
        for number in 0..4 {
            let began = Instant::now();
            let result = client.get(format!("k{number}"), timeout);
            assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
            assert!(began.elapsed() >= timeout && began.elapsed() < timeout + Duration::from_secs(2));
            assert_eq!(client.idle_connections(), 0);
        }
        server.go_on();
        // It now answers all that was given up.
        for number in 0..20 {
            let expected = format!("v{number}").into_bytes();
            assert_eq!(value(&client, &format!("k{number}")), Some(expected), "round {round}");
        }
    }
}

#[needs("memcached")]
#[test]
fn a_read_hedged_over_two_servers_is_answered_though_one_hangs() {
    let (stopped, well) = (served(), served());
    for served in [&stopped, &well] {
        served.client.set("k", "v", SetOptions::default(), PATIENCE).unwrap();
    }
    let replicas = [stopped.client.clone(), well.client.clone()];
    let hedge_after = Duration::from_millis(20);
    let read = || {
        let replicas = replicas.clone();
        Race::new(&stopped.crew)
            .schedule(Schedule::new(&[Duration::ZERO, hedge_after]).unwrap())
            .limit(PATIENCE)
            .first(move |attempt| replicas[attempt.number()].get("k", attempt))
    };
    stopped.server.stop();
    let began = Instant::now();
    let outcome = read();
    let winner = outcome.winner().unwrap();
    assert_eq!((winner.attempt, winner.value.as_ref().unwrap().value.as_slice()), (1, b"v".as_slice()));
    assert!(began.elapsed() >= hedge_after && began.elapsed() < PATIENCE / 2);
    eventually("the loser's thread is back", || stopped.crew.stats().threads == stopped.crew.stats().idle);
    assert_eq!(stopped.client.idle_connections(), 0, "the loser's connection is closed");

    stopped.server.go_on();
    assert_eq!(value(&stopped.client, "k").unwrap(), b"v");
    assert!(read().winner().is_some());
}
