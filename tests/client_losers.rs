//! A decided race leaves nothing behind: the loser's connection is closed, seen by the upstream, and its thread is
//! back.

#![cfg(feature = "http")]

use headstart::http::{Call, Json};
use headstart::race::{Outcome, Schedule};
use headstart::{Client, ClientSettings, Crew, CrewSettings, Error};
use headstart_testing::upstream::{AcceptsNothing, Behavior, FakeUpstream, Sight};
use headstart_testing::{PATIENCE, eventually};
use std::time::{Duration, Instant};

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

/// Attempts to the two upstreams, both at once; which of them is the primary changes from call to call.
fn client(crew: &Crew, upstreams: [String; 2]) -> Client {
    let schedule = Schedule::new(&[Duration::ZERO; 2]).unwrap();
    Client::new(crew, ClientSettings::new(upstreams).schedule(schedule)).unwrap()
}

fn race(client: &Client) -> Outcome<Json, Error> {
    client.first(&Call::new(PATIENCE))
}

#[track_caller]
fn everybody_is_back(crew: &Crew) {
    eventually("all threads are back", || crew.stats().idle == crew.stats().threads);
    assert!(crew.stats().stuck.is_empty());
}

/// Races `behavior` against an upstream that answers once the loser has come as far as it will.
#[track_caller]
fn is_ended_on_either_thread(behavior: Behavior) {
    let (tell, told) = crossbeam_channel::unbounded();
    let reads = !matches!(behavior, Behavior::HangsAfterAccept);
    let (crew, loser) = (crew(), FakeUpstream::start(behavior));
    let winner = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let client = client(&crew, [loser.url(), winner.url()]);
    for primary in ["the loser", "the winner"] {
        let outcome = std::thread::scope(|scope| {
            let racing = scope.spawn(|| race(&client));
            loop {
                match loser.sights.recv_timeout(PATIENCE).unwrap() {
                    Sight::Request(_) => break,
                    Sight::Accepted if !reads => break,
                    Sight::Accepted | Sight::Gone(_) => {}
                }
            }
            tell.send(()).unwrap();
            racing.join().unwrap()
        });
        assert!(outcome.winner().is_some(), "primary {primary}: {outcome:?}");
        loser.next_gone();
        everybody_is_back(&crew);
    }
    assert_eq!((winner.accepts(), client.idle_connections()), (1, 1), "the winner's connection is used again");
}

#[test]
fn a_loser_whose_request_is_not_taken_is_ended() {
    is_ended_on_either_thread(Behavior::HangsAfterAccept);
}

#[test]
fn a_loser_without_an_answer_is_ended() {
    is_ended_on_either_thread(Behavior::HangsAfterRequest);
}

#[test]
fn a_loser_whose_head_drips_is_ended() {
    is_ended_on_either_thread(Behavior::DripsHeaders);
}

#[test]
fn a_loser_that_waits_for_its_body_is_ended() {
    is_ended_on_either_thread(Behavior::HangsAfterHeaders);
}

#[test]
fn a_loser_whose_body_drips_is_ended() {
    is_ended_on_either_thread(Behavior::DripsBody);
}

#[test]
fn a_loser_whose_body_has_no_end_is_ended() {
    is_ended_on_either_thread(Behavior::EndlessBody);
}

#[test]
fn a_loser_that_connects_is_ended() {
    let (crew, nowhere) = (crew(), AcceptsNothing::start());
    let winner = FakeUpstream::start(Behavior::AnswersAfter(Duration::from_millis(50)));
    let client = client(&crew, [nowhere.url(), winner.url()]);
    for _ in 0..2 {
        let began = Instant::now();
        assert!(race(&client).winner().is_some());
        assert!(began.elapsed() < Duration::from_secs(5), "the primary held the winner up: {:?}", began.elapsed());
        everybody_is_back(&crew);
    }
}

#[cfg(feature = "https")]
#[test]
fn a_loser_in_a_tls_handshake_is_ended() {
    let (tell, told) = crossbeam_channel::unbounded();
    let (crew, loser) = (crew(), FakeUpstream::start(Behavior::HangsAfterAccept));
    let winner = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let client = client(&crew, [loser.url().replace("http:", "https:"), winner.url()]);
    for _ in 0..2 {
        let outcome = std::thread::scope(|scope| {
            let racing = scope.spawn(|| race(&client));
            while !matches!(loser.sights.recv_timeout(PATIENCE).unwrap(), Sight::Accepted) {}
            tell.send(()).unwrap();
            racing.join().unwrap()
        });
        assert!(outcome.winner().is_some());
        loser.next_gone();
        everybody_is_back(&crew);
    }
}
