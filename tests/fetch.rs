//! The content of a URL comes whole, or the call ends by its time with the server seeing it.

#![cfg(feature = "http")]

use headstart::http::{Fetch, Fetched, fetch};
use headstart::timeout::DefaultTimeout;
use headstart::{CancelReason, CancelToken, Crew, CrewSettings, Deadline, Error, Race, TimeLimit};
use headstart_testing::upstream::{AcceptsNothing, Behavior, FakeUpstream, answer_with};
use headstart_testing::{PATIENCE, eventually};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(150);

fn text(fetched: &Fetched) -> &str {
    str::from_utf8(&fetched.body).unwrap()
}

#[track_caller]
fn ends_in_time(url: &str) {
    let began = Instant::now();
    let result = fetch(url, TIMEOUT);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(began.elapsed() >= TIMEOUT && began.elapsed() < PATIENCE / 2);
}

#[test]
fn any_content_of_any_success_comes_whole() {
    let page = "<p>gr\u{fc}n</p>".repeat(20_000);
    let fake = FakeUpstream::start(Behavior::Says(answer_with("203 Found it", "text/html", &page)));
    let fetched = fetch(&fake.url(), PATIENCE).unwrap();
    assert_eq!((text(&fetched), fetched.content_type.as_deref()), (page.as_str(), Some("text/html")));
    fake.next_gone();
}

#[test]
fn the_default_timeout_is_asked_for() {
    let fake = FakeUpstream::start(Behavior::Answers("{}"));
    assert!(matches!(DefaultTimeout::limit(), Err(Error::NoDefaultTimeout)));
    let _scope = DefaultTimeout::for_this_thread(|| PATIENCE);
    assert_eq!(text(&fetch(&fake.url(), DefaultTimeout::limit().unwrap()).unwrap()), "{}");
}

#[test]
fn a_refused_connection_is_passed_on_as_such() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    match fetch(&format!("http://{free}/"), PATIENCE) {
        Err(Error::Connect { source, .. }) => assert_eq!(source.kind(), ErrorKind::ConnectionRefused),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_accepts_nothing_ends_in_a_timeout() {
    ends_in_time(&AcceptsNothing::start().url());
}

#[test]
fn a_server_that_drips_hangs_or_stops_sees_the_request_and_then_the_close() {
    for behavior in [
        Behavior::HangsAfterRequest,
        Behavior::DripsHeaders,
        Behavior::HangsAfterHeaders,
        Behavior::DripsBody,
        Behavior::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of".to_vec()),
    ] {
        let fake = FakeUpstream::start(behavior);
        ends_in_time(&fake.url());
        fake.next_request();
        fake.next_gone();
    }
}

#[test]
fn no_thread_remains() {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let fake = FakeUpstream::start(Behavior::HangsAfterHeaders);
    for _ in 0..10 {
        let result = Fetch::new(fake.url()).on(&crew).run(Duration::from_millis(20));
        assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    }
    eventually("no thread is busy", || crew.stats().idle == crew.stats().threads);
    assert!(crew.stats().stuck.is_empty());
}

#[test]
fn the_token_of_a_limit_ends_it() {
    let (fake, token) = (FakeUpstream::start(Behavior::HangsAfterHeaders), CancelToken::new());
    std::thread::scope(|threads| {
        threads.spawn(|| {
            fake.next_request();
            token.cancel(CancelReason::ClientGone);
        });
        let result = fetch(&fake.url(), TimeLimit::new(Deadline::after(PATIENCE), &token));
        assert!(matches!(result, Err(Error::Canceled(CancelReason::ClientGone))), "{result:?}");
    });
}

#[test]
fn other_schemes_are_refused_with_those_that_are_not() {
    for url in ["ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "http://", "http://user:secret@a/"] {
        match fetch(url, PATIENCE) {
            Err(Error::Setting { key, value, allowed }) => {
                assert_eq!(key, "url");
                assert!(!value.contains("secret"), "{value}");
                assert!(
                    allowed.contains("http://") || allowed.contains("host") || allowed.contains("user"),
                    "{allowed}"
                );
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn more_than_the_limit_is_an_error() {
    let fake = FakeUpstream::start(Behavior::EndlessBody);
    let result = Fetch::new(fake.url()).max_body(1 << 16).run(PATIENCE);
    assert!(matches!(result, Err(Error::BodyTooLarge { limit: 65_536 })), "{result:?}");
}

#[test]
fn a_part_of_the_content_is_none() {
    for (framing, part) in [
        ("Content-Length: 5", "hell"),
        ("Transfer-Encoding: chunked", "5\r\nhell"),
        ("Transfer-Encoding: chunked", "5\r\nhello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0"),
    ] {
        let said = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{part}");
        let fake = FakeUpstream::start(Behavior::SaysAndCloses(said.into_bytes()));
        let result = fetch(&fake.url(), PATIENCE);
        assert!(matches!(result, Err(Error::Lost { .. } | Error::Protocol(_))), "{part:?}: {result:?}");
    }
}

#[test]
fn redirects_are_followed_only_when_asked() {
    let target = FakeUpstream::start(Behavior::Answers("7"));
    let location = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", target.url());
    let fake = FakeUpstream::start(Behavior::Says(location.into_bytes()));
    assert!(matches!(fetch(&fake.url(), PATIENCE), Err(Error::Status(302))));
    assert_eq!(target.accepts(), 0);
    assert_eq!(text(&Fetch::new(fake.url()).max_redirects(1).run(PATIENCE).unwrap()), "7");
}

#[test]
fn an_attempt_of_a_race_can_be_one() {
    let (tell, told) = crossbeam_channel::bounded(1);
    let (hangs, answers) =
        (FakeUpstream::start(Behavior::HangsAfterRequest), FakeUpstream::start(Behavior::AnswersWhenTold(told)));
    let urls = [hangs.url(), answers.url()];
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let race = Race::new(&crew)
        .schedule(headstart::Schedule::new(&[Duration::ZERO, Duration::from_millis(20)]).unwrap())
        .limit(PATIENCE);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            hangs.next_request(); // the loser is under way
            tell.send(()).unwrap();
        });
        let outcome = race.first(move |attempt| fetch(&urls[attempt.number()], attempt));
        assert_eq!(text(&outcome.winner().unwrap().value), r#"{"told":true}"#);
    });
    hangs.next_gone();
}
