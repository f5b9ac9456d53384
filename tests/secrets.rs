//! The query of an upstream's URL may hold a key, and is shown nowhere: not in errors, in the log, among stuck calls,
//! as `Debug`.

#![cfg(feature = "http")]

use crossbeam_channel::{Receiver, bounded};
use headstart::event::AttemptEnded;
use headstart::{Client, ClientSettings, Crew, CrewSettings, Observer, Schedule};
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use headstart_testing::{PATIENCE, eventually};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECRET: &str = "S3CRET";

/// Keeps all that is logged. What ureq logs of itself, below the level of warnings, holds URLs whole.
struct Kept(Mutex<Vec<String>>);

static LOG: Kept = Kept(Mutex::new(Vec::new()));

impl log::Log for Kept {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        !metadata.target().starts_with("ureq") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Holds the thread of a hedge up after its call.
struct HoldsUp(Receiver<()>);

impl Observer for HoldsUp {
    fn attempt_ended(&self, event: &AttemptEnded) {
        if event.attempt > 0 {
            let _ = self.0.recv_timeout(PATIENCE);
        }
    }
}

#[test]
fn the_query_of_an_upstream_is_shown_nowhere() {
    headstart_testing::alone!();
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let mut shown = Vec::new();
    let schedule = |attempts| Schedule::new(&[Duration::ZERO; 2][..attempts]).unwrap();
    let settings =
        |origin: &str| ClientSettings::new([format!("{origin}/work?api_key={SECRET}")]).schedule(schedule(1));

    // Each way in which a call can end, by the wire and by an agent.
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let crew = Crew::new(CrewSettings::default()).unwrap();
    for behavior in [
        Behavior::Answers("{}"),
        Behavior::Says(answer_with("500 No", "text/plain", "no")),
        Behavior::Says(answer_with("200 OK", "text/html", "no")),
        Behavior::Says(answer_with("200 OK", "application/json", "no")),
        Behavior::Says(b"nonsense\r\n\r\n".to_vec()),
        Behavior::Says(b"HTTP/1.1 302 Found\r\nlocation: http://\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Behavior::SaysAndResets(Vec::new()),
        Behavior::ClosesOnReuse,
    ] {
        let fake = FakeUpstream::start(behavior);
        for origin in [format!("http://{}", fake.address()), format!("http://{refusing}")] {
            for max_redirects in [0, 1] {
                let client = Client::new(&crew, settings(&origin).max_redirects(max_redirects)).unwrap();
                for _ in 0..2 {
                    shown.push(format!("{:?}", client.get(PATIENCE).map_err(|error| (error.to_string(), error))));
                }
                shown.push(format!("{client:?}"));
            }
        }
    }

    // URLs that cannot be.
    for wrong in ["ftp://a", "http://a:ge", "http://me:pass@a", "http://", "a", "http://a b"] {
        let error = Client::new(&crew, settings(wrong)).unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    let error = Client::new(&crew, settings("http://a").proxy(format!("?{SECRET}"))).unwrap_err();
    shown.push(format!("{error} {error:?}"));

    // A call that was canceled and is not home.
    let fake = FakeUpstream::start(Behavior::HangsAfterRequest);
    let origin = format!("http://{}", fake.address());
    let (let_go, go_on) = bounded::<()>(0);
    let late = settings(&origin).schedule(schedule(2)).observer(Arc::new(HoldsUp(go_on)));
    shown.push(format!("{:?}", Client::new(&crew, late).unwrap().get(Duration::from_millis(300))));
    eventually("the hedge is stuck", || !crew.stats().stuck.is_empty());
    let stuck = crew.stats().stuck;
    assert_eq!(&*stuck[0].label, format!("GET {origin}"));
    shown.push(format!("{stuck:?}"));
    drop(let_go);
    eventually("it is home", || crew.stats().stuck.is_empty());

    let log = LOG.0.lock().unwrap();
    assert!(log.iter().any(|line| line.starts_with("headstart")), "{log:#?}");
    let told: Vec<_> = shown.iter().chain(log.iter()).filter(|text| text.contains(SECRET)).collect();
    assert!(told.is_empty(), "{told:#?}");
    assert!(shown.iter().all(|text| !text.contains("me:pass")));
}
