//! The access line says who won and what it took.

use crate::support::http::{get, send};
use crate::support::served;
use crate::support::served::Served;
use crate::support::stack::{Front, Stack};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart_testing::PATIENCE;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use log::kv::{Error, Key, Value, VisitSource};
use std::collections::BTreeMap;
use std::sync::OnceLock;

type Line = BTreeMap<String, String>;

/// Passes access lines on as they are logged.
struct Lines(OnceLock<Sender<Line>>);

static LINES: Lines = Lines(OnceLock::new());

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "headstart::access" {
            let mut fields = Fields(Line::new());
            record.key_values().visit(&mut fields).unwrap();
            let _ = self.0.get().unwrap().send(fields.0);
        }
    }

    fn flush(&self) {}
}

struct Fields(Line);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

fn listen_to_lines() -> Receiver<Line> {
    let (tell, lines) = unbounded();
    LINES.0.set(tell).unwrap();
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    lines
}

#[track_caller]
fn assert_line(lines: &Receiver<Line>, expected: &[(&str, &str)], absent: &[&str]) {
    let line = lines.recv_timeout(PATIENCE).expect("a line");
    for (key, value) in expected {
        assert_eq!(line.get(*key).map(String::as_str), Some(*value), "{key} in {line:?}");
    }
    for key in absent {
        assert!(!line.contains_key(*key), "{key} in {line:?}");
    }
}

/// One test, since a process has one logger.
#[test]
fn each_answer_is_logged_with_the_winner_and_the_attempts_begun() {
    headstart_testing::alone!();
    let lines = listen_to_lines();
    for stack in Stack::ALL {
        println!("on {stack:?}");
        answers_are_logged(*stack, &lines);
        if stack.front == Front::Own {
            a_client_that_leaves_is_logged(*stack, &lines); // tiny_http does not see it
        }
    }
}

fn answers_are_logged(stack: Stack, lines: &Receiver<Line>) {
    let failing = Behavior::Says(answer_with("500 Internal Server Error", "application/json", "{}"));
    let turns = [Behavior::Answers("1"), failing, Behavior::Answers("2"), Behavior::HangsAfterRequest];
    let upstream = FakeUpstream::start(Behavior::TakesTurns(turns.into()));
    let served =
        Served::start_on(stack, &upstream.url(), |settings| settings.client.schedule = served::schedule(&[0, 200]));

    get(served.address(), "/api/smart?timeout=5000");
    assert_line(
        lines,
        &[("path", "/api/smart?timeout=5000"), ("status", "200"), ("winner", "0"), ("attempts", "1")],
        &[],
    );

    get(served.address(), "/api/smart"); // the primary fails
    assert_line(lines, &[("status", "200"), ("winner", "1"), ("attempts", "2")], &[]);

    get(served.address(), "/api/smart"); // the primary hangs
    assert_line(lines, &[("status", "200"), ("winner", "1"), ("attempts", "2")], &[]);

    get(served.address(), "/healthz");
    assert_line(lines, &[("path", "/healthz"), ("status", "200")], &["winner", "attempts"]);
    get(served.address(), "/api/all?timeout=x");
    assert_line(lines, &[("status", "400")], &["winner", "attempts"]);
}

fn a_client_that_leaves_is_logged(stack: Stack, lines: &Receiver<Line>) {
    let hanging = FakeUpstream::start(Behavior::HangsAfterRequest);
    let served = Served::start_on(stack, &hanging.url(), |_| {});
    let client = send(served.address(), "GET", "/api/smart", &[]);
    (0..3).for_each(|_| drop(hanging.next_request()));
    drop(client);
    assert_line(lines, &[("status", "499"), ("attempts", "3")], &["winner"]);
    get(served.address(), "/api/all?timeout=50");
    assert_line(lines, &[("status", "408"), ("attempts", "3")], &["winner"]);
}
