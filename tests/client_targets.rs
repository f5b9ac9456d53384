//! A name with several addresses: each is called, and what changes is taken up while requests run.

#![cfg(all(feature = "http", target_os = "linux"))] // where all of 127/8 is this machine

use crate::support::core::eventually;
use headstart::http::Request;
use headstart::policy::{Delay, PolicySettings};
use headstart::{Client, ClientSettings, Crew, CrewSettings, Lookup};
use headstart_testing::PATIENCE;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Looks up whatever is asked as it was told.
#[derive(Default)]
struct Names {
    /// `None` is a failure.
    addresses: Mutex<Option<Vec<IpAddr>>>,
    lookups: AtomicUsize,
}

impl Names {
    fn say(&self, last_bytes: &[u8]) {
        let addresses = last_bytes.iter().map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, *last))).collect();
        *self.addresses.lock().unwrap() = Some(addresses);
    }

    fn fail(&self) {
        *self.addresses.lock().unwrap() = None;
    }
}

impl Lookup for Names {
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(host, "service.test");
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.addresses.lock().unwrap().clone().ok_or_else(|| io::Error::other("the name server is gone"))
    }
}

/// Servers at 127.0.0.2, .3 and so on, all at the same port.
fn servers(count: u8) -> Vec<FakeUpstream> {
    let start = |last: u8, port: u16| {
        FakeUpstream::start_at(SocketAddr::from(([127, 0, 0, last], port)), Behavior::Answers("{}"))
    };
    let first = start(2, 0);
    let port = first.address().port();
    std::iter::once(first).chain((3..2 + count).map(|last| start(last, port))).collect()
}

fn client(crew: &Crew, servers: &[FakeUpstream], names: &Arc<Names>) -> Client {
    let settings = ClientSettings::new([format!("http://service.test:{}/", servers[0].address().port())])
        .policy(PolicySettings::new(Delay::Off))
        .lookup(names.clone())
        .idle_timeout(PATIENCE * 2)
        .dns_refresh(Duration::from_millis(20));
    Client::new(crew, settings).unwrap()
}

fn get(client: &Client) {
    let mut response = client.send(&Request::get("/"), PATIENCE).unwrap();
    io::copy(response.body_mut(), &mut io::sink()).unwrap();
}

/// Sends requests until the client knows as many addresses as that.
fn until_known(client: &Client, count: usize) {
    eventually("its addresses are known", || {
        get(client);
        let places = client.policy().figures().places;
        places.len() == count && !places.iter().any(|place| place.label.contains("service.test"))
    });
}

/// Sends requests until each of `servers` that is to be called was, and none went to another.
fn are_called(client: &Client, servers: &[FakeUpstream], expected: &[bool]) {
    let before: Vec<usize> = servers.iter().map(FakeUpstream::requests).collect();
    let is_called = |at: usize| servers[at].requests() > before[at];
    // One that was slow for a moment is left out for a second.
    eventually("each is called", || {
        (0..20).for_each(|_| get(client));
        (0..servers.len()).all(|at| !expected[at] || is_called(at))
    });
    (0..servers.len()).for_each(|at| assert_eq!(is_called(at), expected[at], "server {at}"));
}

#[test]
fn each_address_of_a_name_is_called_and_changes_are_taken_up() {
    let (crew, names, servers) = (Crew::new(CrewSettings::default()).unwrap(), Arc::new(Names::default()), servers(3));
    names.say(&[2, 3, 2]);
    let client = client(&crew, &servers, &names);
    until_known(&client, 2);
    are_called(&client, &servers, &[true, true, false]);

    names.say(&[2, 3, 4]);
    until_known(&client, 3);
    are_called(&client, &servers, &[true, true, true]);
    assert_eq!(client.idle_connections(), 3, "one for each");

    names.say(&[3]);
    until_known(&client, 1);
    for gone in [&servers[0], &servers[2]] {
        gone.next_gone();
    }
    eventually("idle connections to what is gone are closed", || client.idle_connections() == 1);
    are_called(&client, &servers, &[false, true, false]);
}

#[test]
fn a_lookup_that_fails_leaves_what_was_known() {
    let (crew, names, servers) = (Crew::new(CrewSettings::default()).unwrap(), Arc::new(Names::default()), servers(2));
    names.say(&[2, 3]);
    let client = client(&crew, &servers, &names);
    until_known(&client, 2);
    for answer in [None, Some(&[][..])] {
        match answer {
            None => names.fail(),
            Some(none) => names.say(none),
        }
        let lookups = names.lookups.load(Ordering::SeqCst);
        eventually("it was tried", || {
            get(&client);
            names.lookups.load(Ordering::SeqCst) >= lookups + 2
        });
        assert_eq!(client.policy().figures().places.len(), 2);
        are_called(&client, &servers, &[true, true]);
    }
    names.say(&[3]);
    until_known(&client, 1);
}

#[test]
fn lookups_that_overlap_leave_each_address_once() {
    /// Answers when all that ask at a time are there.
    struct Slow(Names, AtomicUsize);

    impl Lookup for Slow {
        fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            let number = self.1.fetch_add(1, Ordering::SeqCst);
            eventually("the next one asks too", || number % 2 == 1 || self.1.load(Ordering::SeqCst) > number + 1);
            self.0.lookup(host)
        }
    }

    let servers = servers(4);
    let slow = Arc::new(Slow(Names::default(), AtomicUsize::new(0)));
    slow.0.say(&[2, 3, 4, 5]);
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let settings = ClientSettings::new([format!("http://service.test:{}/", servers[0].address().port())])
        .policy(PolicySettings::new(Delay::Off))
        .lookup(slow.clone())
        .dns_refresh(Duration::from_millis(1));
    let client = Client::new(&crew, settings).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..500 {
                    slow.0.say(if round % 2 == 0 { &[2, 3] } else { &[2, 3, 4, 5] });
                    get(&client);
                }
            });
        }
    });
    slow.0.say(&[2, 3, 4, 5]);
    until_known(&client, 4);
    let mut labels: Vec<_> = client.policy().figures().places.into_iter().map(|place| place.label).collect();
    labels.sort_unstable();
    let expected: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
    assert_eq!(labels, expected);
}

#[test]
fn calls_by_turns_keep_their_connections_when_addresses_come_and_go() {
    let (crew, names, servers) = (Crew::new(CrewSettings::default()).unwrap(), Arc::new(Names::default()), servers(1));
    names.say(&[2]);
    let url = format!("http://service.test:{}/", servers[0].address().port());
    let settings = ClientSettings::new([url]).lookup(names.clone()).dns_refresh(Duration::from_millis(20));
    let client = Client::new(&crew, settings).unwrap();
    until_known(&client, 1);
    client.get(PATIENCE).unwrap();
    let accepts = servers[0].accepts();
    for _ in 0..20 {
        client.get(PATIENCE).unwrap();
    }
    assert_eq!(servers[0].accepts(), accepts, "a connection for each call");
}
