//! Connections are used again, never when they are dead, and not kept for ever.

#![cfg(feature = "http")]

use headstart::{Client, ClientSettings, Crew, CrewSettings, Error};
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use headstart_testing::{PATIENCE, eventually};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

fn client(crew: &Crew, fake: &FakeUpstream, change: impl FnOnce(ClientSettings) -> ClientSettings) -> Client {
    let settings = change(ClientSettings::new([fake.url()]));
    Client::new(crew, settings).unwrap()
}

#[test]
fn calls_one_after_the_other_share_one_connection() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let client = client(&crew, &fake, |settings| settings);
    for _ in 0..100 {
        client.get(PATIENCE).unwrap();
    }
    assert_eq!((fake.accepts(), fake.requests(), client.idle_connections()), (1, 100, 1));
    assert_eq!(crew.stats().started, 0, "a call that needs no hedge needs no thread");
}

#[test]
fn fifty_callers_at_once_need_no_more_connections_than_callers() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers(r#"{"n":1}"#)));
    // The hedges of slow calls would have connections of their own.
    let client =
        client(&crew, &fake, |settings| settings.schedule(headstart::Schedule::new(&[Duration::ZERO]).unwrap()));
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..40 {
                    assert_eq!(client.get(PATIENCE).unwrap().as_bytes(), br#"{"n":1}"#);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), 2_000);
    assert!(fake.accepts() <= 50, "{} connections", fake.accepts());
    assert_eq!(client.idle_connections(), fake.accepts());
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_error() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::ClosesIdle));
    let client = client(&crew, &fake, |settings| settings);
    for _ in 0..100 {
        client.get(PATIENCE).unwrap();
    }
    assert_eq!(fake.requests(), 100);
}

#[test]
fn a_connection_that_closes_when_used_again_costs_no_error() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::ClosesOnReuse));
    let client = client(&crew, &fake, |settings| settings);
    for _ in 0..100 {
        client.get(PATIENCE).unwrap();
    }
    // The first call connects; each later one finds its connection closed, and tries once more.
    assert_eq!((fake.accepts(), fake.requests()), (100, 199));
}

#[test]
fn a_fresh_connection_that_breaks_is_a_failure() {
    for behavior in [Behavior::SaysAndResets(Vec::new()), Behavior::SaysAndCloses(Vec::new())] {
        let (crew, fake) = (crew(), FakeUpstream::start(behavior));
        let client =
            client(&crew, &fake, |settings| settings.schedule(headstart::Schedule::new(&[Duration::ZERO]).unwrap()));
        let result = client.get(PATIENCE);
        assert!(matches!(&result, Err(Error::Lost { to, .. }) if *to == fake.address().to_string()), "{result:?}");
        assert_eq!((fake.requests(), client.idle_connections()), (1, 0), "tried once only");
    }
}

#[test]
fn a_failure_with_a_short_body_keeps_its_connection() {
    let wrong = answer_with("503 Service Unavailable", "text/plain", "come back later");
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Says(wrong)));
    let client =
        client(&crew, &fake, |settings| settings.schedule(headstart::Schedule::new(&[Duration::ZERO]).unwrap()));
    for _ in 0..20 {
        assert!(matches!(client.get(PATIENCE), Err(Error::Status(503))));
    }
    assert_eq!(fake.accepts(), 1);
}

#[test]
fn no_more_connections_stay_idle_than_allowed() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::AnswersAfter(Duration::from_millis(50))));
    let client = client(&crew, &fake, |settings| settings.max_idle(2));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.get(PATIENCE).unwrap());
        }
    });
    assert_eq!(client.idle_connections(), 2);
}

#[test]
fn an_idle_connection_is_closed_when_its_time_is_over() {
    const IDLE: Duration = Duration::from_millis(100);
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let client = client(&crew, &fake, |settings| settings.idle_timeout(IDLE));
    for _ in 0..2 {
        client.get(PATIENCE).unwrap();
        let used = Instant::now();
        assert_eq!(client.idle_connections(), 1);
        let closed = fake.next_gone();
        assert!(closed - used >= IDLE - Duration::from_millis(20), "closed after {:?}", closed - used);
        eventually("the pool is empty", || client.idle_connections() == 0);
    }
    assert_eq!(fake.accepts(), 2);
}

#[test]
fn a_dropped_client_closes_its_connections() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let client = client(&crew, &fake, |settings| settings);
    client.get(PATIENCE).unwrap();
    drop(client);
    fake.next_gone();
}
