//! A client whose requests are hedged by a policy: where hedges go, what keeps them back, and what takes an upstream
//! out and brings it back.

#![cfg(all(feature = "http", unix))]

use crate::support::core::eventually;
use crate::support::scripted::{Scripted, client_with, crew};
use headstart::event::SkipReason;
use headstart::http::{Request, Sending};
use headstart::policy::{Delay, PlaceState, PolicySettings};
use headstart::{Client, ClientSettings, Crew};
use headstart_testing::PATIENCE;
use headstart_testing::upstream::{Behavior, FakeUpstream, Sight, answer_with, field};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Hedges after this time, as many as there are primaries.
fn after(delay: Duration) -> PolicySettings {
    PolicySettings::new(Delay::After(delay)).budget(1.0).unwrap()
}

fn at_once() -> PolicySettings {
    after(Duration::ZERO)
}

/// Later than the end of any test.
fn far() -> PolicySettings {
    after(PATIENCE * 10)
}

/// A client of fakes.
fn client_of(crew: &Crew, upstreams: &[&FakeUpstream], policy: PolicySettings) -> Client {
    let settings = ClientSettings::new(upstreams.iter().map(|upstream| upstream.url())).policy(policy);
    Client::new(crew, settings).unwrap()
}

fn skipped(client: &Client, reason: SkipReason) -> u64 {
    client.policy().figures().skipped.iter().find(|(other, _)| *other == reason).unwrap().1
}

fn get(client: &Client) -> u16 {
    let mut response = client.send(&Request::get("/"), PATIENCE).unwrap();
    std::io::copy(response.body_mut(), &mut std::io::sink()).unwrap();
    response.status()
}

fn state_of(client: &Client, address: SocketAddr) -> PlaceState {
    let figures = client.policy().figures();
    figures.places.iter().find(|place| place.label == address.to_string()).unwrap().state
}

fn primaries_of(client: &Client, address: SocketAddr) -> u64 {
    let figures = client.policy().figures();
    figures.places.iter().find(|place| place.label == address.to_string()).unwrap().primaries_sent
}

fn is_ejected(state: PlaceState) -> bool {
    matches!(state, PlaceState::Ejected(_))
}

#[test]
fn a_hedge_goes_to_another_upstream_and_with_one_over_another_connection() {
    let (crew, upstreams) = (crew(), [Scripted::start(), Scripted::start()]);
    let client = client_with(&crew, &[&upstreams[0], &upstreams[1]], &[0], |settings| settings.policy(at_once()));
    let alone = client_with(&crew, &[&upstreams[0]], &[0], |settings| settings.policy(at_once()));
    for (client, of_primary_and_hedge) in [(&client, [0, 1]), (&alone, [0, 0])] {
        for _ in 0..5 {
            thread::scope(|scope| {
                let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
                let mut peers = of_primary_and_hedge.map(|at| upstreams[at].accept());
                let heads = peers.each_mut().map(|peer| peer.head());
                let hedge = heads.iter().position(|head| head.contains("x-attempt: 1\r\n")).expect("a hedge");
                assert!(heads[1 - hedge].contains("x-attempt: 0\r\n"), "{heads:?}");
                peers[hedge].say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                assert_eq!(sending.join().unwrap().attempt(), 1);
                assert_eq!(peers[1 - hedge].rest(), b"", "the loser's connection is closed");
            });
        }
    }
}

#[test]
fn an_answer_that_asks_to_be_left_alone_ends_further_attempts_and_keeps_hedges_away() {
    for (status, how_long) in [
        ("503 Service Unavailable", "30"),
        ("429 Too Many Requests", "30"),
        ("503 Service Unavailable", "Thu, 31 Dec 2099 23:59:59 GMT"),
    ] {
        let (crew, upstream) = (crew(), Scripted::start());
        let client = client_with(&crew, &[&upstream], &[0], |settings| settings.policy(far()));
        let answer = |head: &str| {
            thread::scope(|scope| {
                let sending = scope.spawn(|| client.send(&Request::get("/"), PATIENCE).unwrap());
                let mut peer = upstream.accept();
                peer.head();
                peer.say(format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
                let response = sending.join().unwrap();
                (response.status(), response.race().hedges)
            })
        };
        // Without the field, this would take as long as the hedge does to be due.
        let (code, hedges) = answer(&format!("{status}\r\nRetry-After: {how_long}"));
        assert_eq!((code.to_string(), hedges), (status[..3].to_owned(), 0));
        assert_eq!(skipped(&client, SkipReason::Pushback), 1);
        client.policy().change(at_once());
        assert_eq!(answer("200 OK"), (200, 0), "primaries still go there");
        assert_eq!(skipped(&client, SkipReason::Pushback), 2);
    }
}

#[test]
fn an_upstream_that_asks_to_be_left_alone_gets_no_hedge_while_others_take_them() {
    static HAS_ASKED: AtomicBool = AtomicBool::new(false);
    const PAUSE: Duration = Duration::from_millis(20);
    let busy = FakeUpstream::start(Behavior::Chooses(|_| match HAS_ASKED.swap(true, Ordering::SeqCst) {
        false => Behavior::Says(b"HTTP/1.1 503 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n".to_vec()),
        true => Behavior::AnswersAfter(PAUSE),
    }));
    let (crew, other) = (crew(), FakeUpstream::start(Behavior::AnswersAfter(PAUSE)));
    let client = client_of(&crew, &[&busy, &other], at_once());
    assert_eq!(get(&client), 200, "by the other");
    busy.next_request();
    for _ in 0..30 {
        get(&client);
    }
    let attempts = |upstream: &FakeUpstream| -> Vec<String> {
        let heads = upstream.sights.try_iter();
        let heads = heads.filter_map(|sight| if let Sight::Request(head) = sight { Some(head) } else { None });
        heads.map(|head| field(&head, "x-attempt").to_owned()).collect()
    };
    assert!(attempts(&busy).iter().all(|attempt| attempt == "0"), "it was sent a hedge");
    let of_other = attempts(&other).iter().filter(|attempt| *attempt == "1").count();
    assert!(of_other >= 20, "{of_other} of 30 were hedged");
}

#[test]
fn a_request_that_is_a_hedge_itself_is_not_hedged() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client_with(&crew, &[&upstream], &[0], |settings| settings.policy(at_once()));
    for (chained, hedges) in [("1", 0), ("2", 0), ("0", 1)] {
        thread::scope(|scope| {
            let request = Request::get("/").field("x-attempt", chained);
            let client = &client;
            let sending = scope.spawn(move || client.send(&request, PATIENCE).unwrap());
            let mut peers: Vec<_> = (0..=hedges).map(|_| upstream.accept()).collect();
            for peer in &mut peers {
                peer.head();
            }
            peers[0].say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            sending.join().unwrap();
        });
        assert!(upstream.is_quiet());
    }
    assert_eq!(skipped(&client, SkipReason::Chain), 2);
}

#[test]
fn a_request_that_may_be_sent_once_only_has_that_for_a_reason() {
    let (crew, upstream) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let client = client_of(&crew, &[&upstream], at_once());
    let response = client.send(&Request::get("/").sending(Sending::Once), PATIENCE).unwrap();
    assert_eq!((response.status(), skipped(&client, SkipReason::Method)), (200, 1));
}

#[test]
fn five_failures_in_a_row_eject_an_upstream_for_a_second_and_then_it_is_tried_again() {
    static IS_WELL: AtomicBool = AtomicBool::new(false);
    let sick = FakeUpstream::start(Behavior::Chooses(|_| {
        let status = if IS_WELL.load(Ordering::SeqCst) { "200 OK" } else { "500 X" };
        Behavior::Says(answer_with(status, "text/plain", "."))
    }));
    // Slow enough for the failure to come first, as each request is sent to both.
    let good = FakeUpstream::start(Behavior::AnswersAfter(Duration::from_millis(30)));
    let (crew, began) = (crew(), Instant::now());
    let client = client_of(&crew, &[&sick, &good], at_once());
    let mut failures = 0;
    while !is_ejected(state_of(&client, sick.address())) {
        assert!(failures < 30, "never");
        assert_eq!(get(&client), 200, "a failure costs no request");
        failures += 1;
    }
    assert!((5..10).contains(&failures), "after {failures} failures");
    let ejected_by = Instant::now();
    client.policy().change(far());
    let primaries = primaries_of(&client, sick.address());
    while is_ejected(state_of(&client, sick.address())) {
        assert_eq!(primaries_of(&client, sick.address()), primaries, "it gets no primaries");
        get(&client);
        IS_WELL.store(true, Ordering::SeqCst);
    }
    assert!(began.elapsed() >= Duration::from_secs(1) && ejected_by.elapsed() < PATIENCE);
    eventually("it serves again", || {
        get(&client);
        state_of(&client, sick.address()) == PlaceState::Serving
    });
    assert!(primaries_of(&client, sick.address()) > primaries);
}

#[test]
fn at_most_half_of_the_upstreams_are_ejected() {
    let failing = || FakeUpstream::start(Behavior::Says(answer_with("502 X", "text/plain", "no")));
    let (crew, upstreams) = (crew(), [(); 5].map(|()| failing()));
    let client = client_of(&crew, &upstreams.each_ref()[..], far().after(Delay::Off));
    let ejected = || client.policy().figures().places.iter().filter(|place| is_ejected(place.state)).count();
    let mut most = 0;
    for _ in 0..200 {
        assert_eq!(get(&client), 502);
        most = most.max(ejected());
    }
    assert_eq!(most, 2);
}

#[test]
fn a_loser_that_was_ended_is_no_failure_of_its_upstream() {
    let silent = FakeUpstream::start(Behavior::HangsAfterRequest);
    let good = FakeUpstream::start(Behavior::AnswersAfter(Duration::from_millis(10)));
    let crew = crew();
    let client = client_of(&crew, &[&silent, &good], at_once());
    for _ in 0..20 {
        assert_eq!(get(&client), 200);
        assert!(!is_ejected(state_of(&client, silent.address())));
    }
    assert_eq!(skipped(&client, SkipReason::Throttle), 0);
    eventually("primaries spare it all the same", || {
        assert_eq!(get(&client), 200);
        state_of(&client, silent.address()) == PlaceState::Silent
    });
    eventually("it was left each time", || silent.abandoned() == silent.requests());
}

#[test]
fn a_status_that_is_no_trouble_of_the_server_is_no_failure() {
    let [first, other] =
        [(); 2].map(|()| FakeUpstream::start(Behavior::Says(answer_with("404 X", "text/plain", "no"))));
    let crew = crew();
    let client = client_of(&crew, &[&first, &other], far().after(Delay::Off));
    let call: [&dyn Fn(); 2] = [&|| assert_eq!(get(&client), 404), &|| assert!(client.get(PATIENCE).is_err())];
    for call in call {
        (0..20).for_each(|_| call());
        for upstream in [&first, &other] {
            assert_eq!(state_of(&client, upstream.address()), PlaceState::Serving);
        }
    }
}

#[test]
fn a_check_of_its_health_takes_an_upstream_out_and_back_in() {
    static IS_WELL: AtomicBool = AtomicBool::new(true);
    let checked = FakeUpstream::start(Behavior::Chooses(|head| {
        let is_ill = head.starts_with("GET /healthz ") && !IS_WELL.load(Ordering::SeqCst);
        Behavior::Says(answer_with(if is_ill { "503 X" } else { "200 OK" }, "application/json", "{}"))
    }));
    let other = FakeUpstream::start(Behavior::Answers("{}"));
    let crew = crew();
    let settings = ClientSettings::new([checked.url(), other.url()]).policy(far()).health_path("/healthz");
    let client = Client::new(&crew, settings).unwrap();
    eventually("both were checked", || checked.requests() > 0 && other.requests() > 0);
    assert_eq!(client.policy().figures().primaries_sent, 0, "a check is no request");
    assert_eq!(state_of(&client, checked.address()), PlaceState::Serving);
    IS_WELL.store(false, Ordering::SeqCst);
    eventually("it is out", || state_of(&client, checked.address()) == PlaceState::Ill);
    let primaries = primaries_of(&client, checked.address());
    for _ in 0..20 {
        assert_eq!(get(&client), 200);
    }
    assert_eq!(primaries_of(&client, checked.address()), primaries);
    IS_WELL.store(true, Ordering::SeqCst);
    eventually("it is back", || state_of(&client, checked.address()) == PlaceState::Serving);
    eventually("it gets primaries", || {
        get(&client);
        primaries_of(&client, checked.address()) > primaries
    });
}
