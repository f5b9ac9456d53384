//! The answer comes by the deadline, whatever the upstream is doing, and nothing stays behind.

#![cfg(feature = "http")]

use headstart::Lookup;
use headstart::http::{Call, Start};
use headstart::race::Schedule;
use headstart::{CancelReason, Client, ClientSettings, Crew, CrewSettings, Error};
use headstart_testing::upstream::{AcceptsNothing, Behavior, FakeUpstream};
use headstart_testing::{PATIENCE, eventually};
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(150);

fn client(crew: &Crew, change: impl FnOnce(ClientSettings) -> ClientSettings) -> Client {
    let settings = change(
        ClientSettings::new(Vec::<String>::new())
            .schedule(Schedule::new(&[Duration::ZERO, Duration::from_millis(20)]).unwrap()),
    );
    Client::new(crew, settings).unwrap()
}

/// Calls, and says how the call ended: by its deadline, with all threads back soon after.
#[track_caller]
fn ends_in_time(crew: &Crew, client: &Client) {
    let began = Instant::now();
    let result = client.get(TIMEOUT);
    let elapsed = began.elapsed();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(elapsed >= TIMEOUT, "too early: {elapsed:?}");
    assert!(elapsed < TIMEOUT + Duration::from_secs(2), "too late: {elapsed:?}");
    eventually("all threads are back", || {
        let stats = crew.stats();
        stats.idle == stats.threads
    });
    assert!(crew.stats().stuck.is_empty());
    assert_eq!(client.idle_connections(), 0);
}

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

#[track_caller]
fn ends_in_time_and_is_seen_to(behavior: Behavior) {
    let (crew, fake) = (crew(), FakeUpstream::start(behavior));
    ends_in_time(&crew, &client(&crew, |settings| settings.upstreams(vec![fake.url()])));
    until_left(&fake);
}

/// Waits until the upstream has seen each connection end that it saw begin. The hedge's may be missing: on a busy
/// machine the time can be over before it begins.
fn until_left(fake: &FakeUpstream) {
    let mut gone = 0;
    while gone == 0 || gone < fake.accepts() {
        fake.next_gone();
        gone += 1;
    }
}

#[test]
fn while_connecting() {
    let (crew, fake) = (crew(), AcceptsNothing::start());
    ends_in_time(&crew, &client(&crew, |settings| settings.upstreams(vec![fake.url()])));
}

#[test]
fn while_nothing_is_said() {
    ends_in_time_and_is_seen_to(Behavior::HangsAfterRequest);
}

#[test]
fn while_nobody_takes_the_request() {
    ends_in_time_and_is_seen_to(Behavior::HangsAfterAccept);
}

#[test]
fn while_the_head_drips() {
    ends_in_time_and_is_seen_to(Behavior::DripsHeaders);
}

#[test]
fn while_the_body_is_awaited() {
    ends_in_time_and_is_seen_to(Behavior::HangsAfterHeaders);
}

#[test]
fn while_the_body_drips() {
    ends_in_time_and_is_seen_to(Behavior::DripsBody);
}

#[test]
fn while_the_body_has_no_end() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::EndlessBody));
    let client = client(&crew, |settings| settings.upstreams(vec![fake.url()]).max_body(u64::MAX));
    ends_in_time(&crew, &client);
    until_left(&fake);
}

#[cfg(feature = "https")]
#[test]
fn while_the_tls_handshake_hangs() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::HangsAfterAccept));
    let url = fake.url().replace("http:", "https:");
    ends_in_time(&crew, &client(&crew, |settings| settings.upstreams(vec![url])));
    until_left(&fake);
}

/// Lets a name be looked up for as long as it exists.
struct HangsLookingUp {
    begun: crossbeam_channel::Sender<()>,
    go_on: crossbeam_channel::Receiver<()>,
}

impl Lookup for HangsLookingUp {
    fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.begun.send(()).unwrap();
        let _ = self.go_on.recv_timeout(PATIENCE);
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

#[test]
fn while_the_name_is_looked_up_and_the_stuck_look_up_is_counted_and_comes_home() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let (begun, begins) = crossbeam_channel::unbounded();
    let (let_go, go_on) = crossbeam_channel::bounded::<()>(0);
    let client = client(&crew, |settings| {
        settings
            .upstreams(vec![format!("http://upstream.test:{}/", fake.address().port())])
            .lookup(Arc::new(HangsLookingUp { begun, go_on }))
    });
    for _ in 0..3 {
        let began = Instant::now();
        let result = client.get(TIMEOUT);
        assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
        assert!(began.elapsed() < TIMEOUT + Duration::from_secs(2));
    }
    eventually("the look-up alone is stuck", || {
        let stats = crew.stats();
        stats.threads - stats.idle == 1 && stats.stuck.len() == 1
    });
    assert_eq!(&*crew.stats().stuck[0].label, "lookup upstream.test");
    assert_eq!(begins.len(), 1, "six attempts share one look-up");

    drop(let_go);
    eventually("its thread is back", || crew.stats().stuck.is_empty() && crew.stats().idle == crew.stats().threads);
    assert_eq!(client.get(PATIENCE).unwrap().as_str(), "{}", "the late answer serves the next call");
    assert_eq!(begins.len(), 1);
}

#[test]
fn connecting_has_a_timeout_of_its_own() {
    let (crew, fake) = (crew(), AcceptsNothing::start());
    let client = client(&crew, |settings| settings.upstreams(vec![fake.url()]).connect_timeout(TIMEOUT));
    let began = Instant::now();
    let result = client.get(PATIENCE);
    assert!(
        matches!(&result, Err(Error::Connect { source, .. }) if source.kind() == io::ErrorKind::TimedOut),
        "{result:?}"
    );
    assert!(began.elapsed() >= TIMEOUT && began.elapsed() < PATIENCE);
}

#[cfg(feature = "https")]
#[test]
fn the_connect_timeout_holds_for_the_tls_handshake() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::HangsAfterAccept));
    let client = client(&crew, |settings| {
        settings.upstreams(vec![fake.url().replace("http:", "https:")]).connect_timeout(TIMEOUT)
    });
    let result = client.get(PATIENCE);
    assert!(matches!(result, Err(Error::Connect { .. } | Error::Tls { .. })), "{result:?}");
}

#[test]
fn a_call_without_a_deadline_ends_by_its_token() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::HangsAfterRequest));
    let client = client(&crew, |settings| settings.upstreams(vec![fake.url()]));
    let token = headstart::CancelToken::new();
    let outcome = std::thread::scope(|scope| {
        let call = Call::new(&token).start(Start::AtOnce);
        let (client, fake) = (&client, &fake);
        let waiting = scope.spawn(move || client.first(&call));
        fake.next_request();
        token.cancel(CancelReason::ClientGone);
        waiting.join().unwrap()
    });
    assert_eq!(outcome.end, headstart::event::RaceEnd::Canceled(CancelReason::ClientGone));
    fake.next_gone();
}

#[test]
fn a_passed_deadline_reaches_no_upstream() {
    let (crew, listener) = (crew(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = client(&crew, |settings| settings.upstreams(vec![url]));
    let result = client.get(Duration::ZERO);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
