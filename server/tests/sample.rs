//! The sample upstream is as unreliable as asked, and says what it saw.

use crate::support::http::{Reply, ask, get, send};
use crate::support::served;
use headstart::{Crew, CrewSettings};
use headstart_server::Server;
use headstart_server::sample::{Sample, SampleSettings};
use headstart_testing::eventually;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Running(Server);

impl Running {
    fn start(settings: SampleSettings) -> Running {
        let crew = Crew::new(CrewSettings::default()).unwrap();
        Running(Server::start(&crew, served::on_a_free_port(), Arc::new(Sample::new(settings).unwrap())).unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// One figure of `/stats`, by its JSON pointer.
    fn stat(&self, pointer: &str) -> u64 {
        let stats = get(self.address(), "/stats").json();
        stats.pointer(pointer).and_then(|value| value.as_u64()).unwrap_or_else(|| panic!("no {pointer} in {stats}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shutdown(Duration::ZERO);
    }
}

/// Answers soon and always rightly.
fn reliable() -> SampleSettings {
    SampleSettings::default()
        .error_rate(0.0)
        .garbage_rate(0.0)
        .hang_rate(0.0)
        .min(Duration::from_millis(1))
        .max(Duration::from_millis(5))
        .nap(Duration::from_millis(400))
}

#[test]
fn work_takes_the_time_it_answers_with() {
    let sample = Running::start(reliable().min(Duration::from_millis(50)).max(Duration::from_millis(80)));
    let began = Instant::now();
    let reply = get(sample.address(), "/api/work");
    let elapsed = began.elapsed();
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let time = reply.json()["time"].as_u64().unwrap();
    assert!((50..=80).contains(&time), "{time}");
    assert_eq!(reply.text(), format!("{{\"time\": {time}}}"));
    assert!(elapsed >= Duration::from_millis(time), "{elapsed:?} for {time} ms");
}

#[test]
fn the_same_seed_and_sequence_bring_the_same_answers() {
    let unreliable = reliable().seed(42).error_rate(0.3).garbage_rate(0.3);
    let answers = |seed: u64| -> Vec<(u16, Vec<u8>)> {
        let sample = Running::start(unreliable.clone().seed(seed));
        (0..40).map(|_| get(sample.address(), "/api/work")).map(|reply| (reply.status, reply.body)).collect()
    };
    let once = answers(42);
    assert_eq!(once, answers(42));
    assert_ne!(once, answers(43));
}

#[test]
fn errors_and_garbage_are_of_every_kind() {
    let errors = Running::start(reliable().error_rate(1.0));
    let statuses: Vec<u16> = (0..40).map(|_| get(errors.address(), "/api/work").status).collect();
    assert!(statuses.contains(&500) && statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| [500, 503].contains(status)), "{statuses:?}");
    assert_eq!(errors.stat("/work/errors"), 40);

    let garbage = Running::start(reliable().garbage_rate(1.0));
    let replies: Vec<Reply> = (0..60).map(|_| get(garbage.address(), "/api/work")).collect();
    let is_json = |reply: &Reply| serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok();
    let declared = |reply: &Reply| reply.header("content-type") == Some("application/json");
    assert!(
        replies.iter().all(|reply| reply.status == 200 && !(declared(reply) && is_json(reply) && reply.is_whole()))
    );
    assert!(replies.iter().any(|reply| !declared(reply)), "none of another type");
    assert!(replies.iter().any(|reply| declared(reply) && !reply.is_whole()), "none cut off");
    assert!(replies.iter().any(|reply| declared(reply) && reply.is_whole()), "none malformed");
    assert_eq!(garbage.stat("/work/garbage"), 60);
    assert_eq!(garbage.stat("/work/succeeded"), 0);
}

#[test]
fn what_hangs_ends_when_its_client_leaves() {
    let sample = Running::start(reliable().hang_rate(1.0));
    let client = send(sample.address(), "GET", "/api/work", &["x-attempt: 1"]);
    eventually("it hangs", || sample.stat("/work/hangs") == 1);
    assert_eq!(sample.stat("/work/in_flight"), 1);
    drop(client);
    eventually("it has ended", || sample.stat("/work/in_flight") == 0);
    assert_eq!(sample.stat("/work/canceled"), 1);
    assert_eq!(sample.stat("/work/succeeded"), 0);
}

#[test]
fn the_figures_tell_attempts_apart() {
    let sample = Running::start(reliable());
    for field in [&["x-attempt: 0"][..], &["x-attempt: 0"], &["X-Attempt: 2"], &["x-attempt: 99"], &[]] {
        assert_eq!(ask(sample.address(), "GET", "/api/work", field).status, 200);
    }
    assert_eq!(sample.stat("/work/seen"), 5);
    assert_eq!(sample.stat("/work/succeeded"), 5);
    assert_eq!(sample.stat("/work/attempts/0"), 2);
    assert_eq!(sample.stat("/work/attempts/2"), 1);
    assert_eq!(sample.stat("/work/attempts/none"), 2);
}

#[test]
fn with_context_stops_when_its_client_leaves_and_no_context_does_not() {
    let sample = Running::start(reliable().nap(Duration::from_secs(3)));
    let began = Instant::now();
    let clients = ["/no-context", "/with-context"].map(|path| send(sample.address(), "GET", path, &[]));
    for name in ["no_context", "with_context"] {
        eventually("both nap", || sample.stat(&format!("/{name}/in_flight")) == 1);
    }
    drop(clients);
    eventually("one has stopped", || sample.stat("/with_context/canceled") == 1);
    if began.elapsed() < Duration::from_millis(2_500) {
        assert_eq!(sample.stat("/no_context/in_flight"), 1);
    }
    eventually("the other has slept on", || sample.stat("/no_context/finished") == 1);
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert_eq!(sample.stat("/no_context/canceled"), 0);
    assert_eq!(sample.stat("/with_context/finished"), 0);
}

#[test]
fn a_nap_that_is_waited_for_is_answered() {
    let sample = Running::start(reliable());
    for path in ["/no-context", "/with-context"] {
        assert_eq!(get(sample.address(), path).text(), "{\"time\": 400}");
    }
}

#[test]
fn it_says_what_it_is_and_refuses_what_it_is_not() {
    let sample = Running::start(reliable());
    assert!(get(sample.address(), "/").text().starts_with("headstart sample"));
    assert_eq!(get(sample.address(), "/nothing").status, 404);
    let refused = ask(sample.address(), "DELETE", "/api/work", &[]);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(sample.stat("/work/seen"), 0);
}
