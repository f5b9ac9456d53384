//! By what calls are made is a setting. With ureq they are made by ureq, and they are ended like all others.

#![cfg(feature = "http")]

use headstart::event::RaceEnd;
use headstart::http::{Call, Calls, Start, TraceContext};
use headstart::race::{Schedule, Threads};
use headstart::{CancelReason, Client, ClientSettings, Crew, CrewSettings, Deadline, Error, Phase, Race};
use headstart_testing::upstream::{Behavior, FakeUpstream, field};
use headstart_testing::{PATIENCE, eventually};
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_millis(200);

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

/// Calls as the plain form does: each attempt on a fresh thread, by ureq.
fn plain(crew: &Crew, upstreams: impl IntoIterator<Item = String>, schedule: &[u64]) -> Client {
    let offsets: Vec<Duration> = schedule.iter().copied().map(Duration::from_millis).collect();
    let settings = ClientSettings::new(upstreams).threads(Threads::Fresh).calls(Calls::Ureq);
    Client::new(crew, settings.schedule(Schedule::new(&offsets).unwrap())).unwrap()
}

/// By the length that is declared twice ureq takes the chunks, as RFC 9112 allows. The wire refuses such an answer.
fn taken_by_ureq_only() -> Behavior {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\ntransfer-encoding: chunked\r\n";
    Behavior::Says(format!("{head}\r\n2\r\n{{}}\r\n0\r\n\r\n").into_bytes())
}

#[test]
fn a_call_is_made_by_what_was_chosen_and_says_the_same() {
    let (crew, fake) = (crew(), FakeUpstream::start(taken_by_ureq_only()));
    let mut heads = Vec::new();
    for calls in [Calls::Wire, Calls::Ureq] {
        let settings = ClientSettings::new([fake.url()]).schedule(Schedule::new(&[Duration::ZERO]).unwrap());
        let result = Client::new(&crew, settings.calls(calls)).unwrap().get(PATIENCE);
        match calls {
            Calls::Wire => assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}"),
            Calls::Ureq => assert_eq!(result.unwrap().as_str(), "{}"),
        }
        let head = fake.next_request();
        assert!(field(&head, "x-request-timeout-ms").parse::<u64>().is_ok_and(|left| left <= 20_000), "{head}");
        assert_eq!(field(&head, "x-attempt"), "0");
        let differs = |line: &&str| line.starts_with("x-request-timeout-ms") || line.starts_with("traceparent");
        heads.push(head.lines().filter(|line| !differs(line)).collect::<Vec<_>>().join("\n"));
    }
    assert_eq!(heads[0], heads[1]);
}

#[test]
fn a_call_says_a_query_of_its_own_behind_that_of_the_url() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    for calls in [Calls::Wire, Calls::Ureq] {
        for (url, query, said) in
            [("", "b=1&b", "?b=1&b"), ("?a", "b=%20+", "?a&b=%20+"), ("?a", "", "?a"), ("", "<>", "?%3C%3E")]
        {
            let settings = ClientSettings::new([fake.url() + url]).schedule(Schedule::new(&[Duration::ZERO]).unwrap());
            let client = Client::new(&crew, settings.calls(calls)).unwrap();
            client.first(&Call::new(PATIENCE).query(query)).winner().unwrap();
            let head = fake.next_request();
            assert!(head.starts_with(&format!("GET /api/work{said} HTTP/1.1\r\n")), "{head}");
            client.first(&Call::new(PATIENCE)).winner().unwrap();
            assert!(
                fake.next_request().starts_with(&format!("GET /api/work{url} HTTP/1.1\r\n")),
                "it is the call's alone"
            );
        }
    }
}

#[test]
fn a_connection_serves_one_call_by_ureq_after_the_other() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
    let client = plain(&crew, [fake.url()], &[0]);
    for limit in [PATIENCE, PATIENCE * 2, PATIENCE] {
        client.get(limit).unwrap();
    }
    // Without a limit the timeouts of the calls before are taken off again.
    client.first(&Call::new(Deadline::Never)).winner().unwrap();
    assert_eq!((fake.accepts(), client.idle_connections()), (1, 1));
}

#[test]
fn a_loser_is_closed_when_the_winner_is_there_and_a_sleeper_never_begins() {
    let (tell, told) = crossbeam_channel::unbounded();
    let turns = [Behavior::HangsAfterRequest, Behavior::AnswersWhenTold(told)];
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::TakesTurns(Arc::new(turns))));
    let client = plain(&crew, [fake.url()], &[0, 0, 60_000]);
    let outcome = std::thread::scope(|scope| {
        let racing = scope.spawn(|| client.first(&Call::new(PATIENCE)));
        fake.next_request();
        fake.next_request();
        tell.send(()).unwrap();
        racing.join().unwrap()
    });
    assert!(outcome.winner().is_some(), "{outcome:?}");
    fake.next_gone();
    eventually("all threads are back", || crew.stats().idle == crew.stats().threads);
    assert_eq!((outcome.begun, fake.requests(), client.idle_connections()), (2, 2, 1));
}

#[test]
fn calls_that_end_by_their_socket_timeouts_are_out_of_time_and_no_failures() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::HangsAfterRequest));
    let client = plain(&crew, [fake.url()], &[0, 0, 0]);
    for _ in 0..10 {
        let outcome = client.first(&Call::new(TIMEOUT).start(Start::AtOnce));
        assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
        assert!(outcome.failures.is_empty(), "{outcome:?}");
    }
}

#[test]
fn a_call_comes_back_by_its_socket_timeout_although_nobody_closes_the_socket() {
    let (crew, fake) = (crew(), FakeUpstream::start(Behavior::HangsAfterRequest));
    let client = plain(&crew, [fake.url()], &[0]);
    let trace = TraceContext::continuing(None);
    let (came_back, comes_back) = crossbeam_channel::bounded(1);
    let (saw, seen) = crossbeam_channel::bounded(1);
    let race = Race::new(&crew).schedule(Schedule::new(&[Duration::ZERO]).unwrap()).limit(TIMEOUT);
    let outcome = race.first(move |attempt| {
        // Registered first, it is in the way of the cleanup that would close the socket, until the call is back.
        let (comes_back, saw) = (comes_back.clone(), saw.clone());
        let in_the_way = attempt.token().on_cancel(move |_| saw.send(comes_back.recv_timeout(PATIENCE)).unwrap());
        let result = client.attempt(0, attempt, &trace, None);
        came_back.send(result.as_ref().map(|_| ()).map_err(ToString::to_string)).unwrap();
        attempt.token().wait(Deadline::after(PATIENCE)); // the race's limit may come a moment later
        drop(in_the_way);
        result
    });
    assert!(outcome.winner().is_none());
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), Ok(Err(format!("timed out during {}", Phase::Head))));
}
