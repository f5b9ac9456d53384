//! A time-limited call returns what it returns or ends by its time, its cleanup runs then and only then, its thread
//! comes home.

use crate::support::core as support;
use crate::support::core::{FAR, SOON, crew, eventually, next, schedule};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::{
    CancelReason, CancelToken, Crew, CrewSettings, Deadline, Error, Race, TimeLimit, TimedCall, with_timeout,
    with_timeout_on,
};
use proptest::prelude::*;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a call is waited for past its end.
const GRACE: Duration = Duration::from_millis(5);
const SHORT: Duration = Duration::from_millis(30);

/// What a call can hang in: it returns when what is returned beside it is dropped, or used.
fn door() -> (Sender<()>, Receiver<()>) {
    unbounded()
}

/// A call that hangs until it is let go, with nothing that could end it.
fn stuck(crew: &Crew, label: &str) -> (Sender<()>, Result<(), Error>) {
    let ((release, released), token) = (door(), CancelToken::new());
    let call = TimedCall::new(TimeLimit::new(Deadline::Never, &token)).on(crew).label(label);
    let result = call.run(move |_| {
        token.cancel(CancelReason::DeadlineExceeded); // not before the call has begun
        assert!(released.recv_timeout(SOON).is_err());
    });
    (release, result)
}

#[test]
fn what_the_call_returns_is_returned_and_its_own_error_unchanged() {
    assert_eq!(with_timeout(SOON, || 1 + 1).unwrap(), 2);
    let own = with_timeout(SOON, || Err::<(), _>(io::Error::from_raw_os_error(111))).unwrap();
    assert_eq!(own.unwrap_err().raw_os_error(), Some(111));
    assert_eq!(with_timeout(Deadline::Never, || "no limit").unwrap(), "no limit");
}

#[test]
fn a_panic_is_passed_on_with_its_payload() {
    let panic = catch_unwind(|| with_timeout(SOON, || std::panic::panic_any(42_u8))).unwrap_err();
    assert_eq!(panic.downcast_ref::<u8>(), Some(&42));
}

#[test]
fn a_call_that_hangs_is_over_by_its_time() {
    let (_release, released) = door();
    let begun = Instant::now();
    let result = with_timeout(SHORT, move || released.recv_timeout(SOON));
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < SOON / 2);
}

#[test]
fn the_cleanup_frees_the_call_and_its_thread_is_home_before_the_caller_is_told() {
    let crew = crew(4);
    for _ in 0..50 {
        let (release, released) = door();
        let result = TimedCall::new(Duration::from_millis(2))
            .on(&crew)
            .cleanup(move || drop(release))
            .run(move |_| assert!(released.recv_timeout(SOON).is_err()));
        assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
        eventually("the thread is idle", || crew.stats().idle == crew.stats().threads);
    }
    // Had a call been left behind, another thread would have been started for the next one.
    assert!(crew.stats().started <= 2, "{:?}", crew.stats());
}

#[test]
fn the_cleanup_runs_once_when_the_time_is_over_and_never_otherwise() {
    let (cleaned, cleanups) = unbounded();
    let call = |limit: Duration| {
        let cleaned = cleaned.clone();
        TimedCall::new(limit).cleanup(move || cleaned.send(thread::current().id()).unwrap())
    };
    call(SOON).run(|_| ()).unwrap();
    call(SOON).run(|_| Err::<(), _>("its own")).unwrap().unwrap_err();
    catch_unwind(AssertUnwindSafe(|| call(SOON).run(|_| panic!("its own")))).unwrap_err();
    assert!(cleanups.is_empty());

    let (_release, released) = door();
    call(SHORT).run(move |_| released.recv_timeout(SOON)).unwrap_err();
    // Before the caller is told, and on its own thread.
    assert_eq!(cleanups.try_recv(), Ok(thread::current().id()));
    assert!(cleanups.is_empty());
}

#[test]
fn a_cleanup_that_blocks_runs_on_the_crew_and_the_caller_is_told_meanwhile() {
    let (crew, (hold, held), (cleaned, cleanups)) = (crew(4), door(), unbounded());
    for limit in [SHORT, Duration::ZERO] {
        let (held, cleaned) = (held.clone(), cleaned.clone());
        let call = TimedCall::new(limit).on(&crew).label("slow").cleanup_blocking(move || {
            held.recv_timeout(SOON).unwrap();
            cleaned.send(thread::current().id()).unwrap();
        });
        let result = call.run(|token| token.wait(Deadline::after(SOON)));
        assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
        assert!(cleanups.is_empty(), "the caller was told although the cleanup has not returned");
        eventually("it is listed", || crew.stats().stuck.iter().any(|call| &*call.label == "cleanup of slow"));
        hold.send(()).unwrap();
        assert_ne!(next(&cleanups), thread::current().id());
    }
    assert_eq!(crew.shutdown(SOON), 0);
    assert!(cleanups.is_empty(), "exactly once");
}

#[test]
fn a_cleanup_that_blocks_runs_on_the_caller_when_there_is_no_thread() {
    let (crew, (cleaned, cleanups), (_release, released)) = (crew(1), unbounded(), door());
    let call = TimedCall::new(SHORT).on(&crew).cleanup_blocking(move || cleaned.send(thread::current().id()).unwrap());
    call.run(move |_| released.recv_timeout(SOON)).unwrap_err();
    assert_eq!(cleanups.try_recv(), Ok(thread::current().id()));
}

#[test]
fn a_call_without_time_never_begins_and_is_cleaned_up_after() {
    let (seen, events) = unbounded();
    let (cleaned, called) = (seen.clone(), seen);
    let call = TimedCall::new(Duration::ZERO).cleanup(move || cleaned.send("cleaned").unwrap());
    let result = call.run(move |_| called.send("called").unwrap());
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert_eq!(events.try_iter().collect::<Vec<_>>(), ["cleaned"]);
}

#[test]
fn a_cleanup_that_fails_or_panics_hides_nothing() {
    for cleanup in [|| Err("no such process"), || panic!("in the cleanup")] as [fn() -> Result<(), &'static str>; 2] {
        let (_release, released) = door();
        let result = TimedCall::new(SHORT).cleanup(cleanup).run(move |_| released.recv_timeout(SOON));
        assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    }
}

#[test]
fn cooperative_code_is_told_by_its_token() {
    let (told, reasons) = unbounded();
    let result = TimedCall::new(SHORT).run(move |token| told.send(token.wait(Deadline::after(SOON))).unwrap());
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert_eq!(next(&reasons), Some(CancelReason::DeadlineExceeded));
}

#[test]
fn a_call_that_has_returned_is_not_canceled() {
    let token = TimedCall::new(SOON).run(CancelToken::clone).unwrap();
    assert!(!token.is_canceled());
}

#[test]
fn whoever_cancels_the_limit_ends_the_call() {
    let (token, (begun, begins), (_release, released)) = (CancelToken::new(), unbounded(), door());
    let limit = TimeLimit::new(Deadline::after(SOON), &token);
    let (cleaned, cleanups) = unbounded();
    thread::scope(|threads| {
        threads.spawn(|| {
            next(&begins);
            token.cancel(CancelReason::ClientGone);
        });
        let call = TimedCall::new(limit).cleanup(move || cleaned.send(thread::current().id()).unwrap());
        let result = call.run(move |_| {
            begun.send(()).unwrap();
            released.recv_timeout(SOON)
        });
        assert!(matches!(result, Err(Error::Canceled(CancelReason::ClientGone))), "{result:?}");
    });
    assert_eq!(cleanups.try_recv(), Ok(thread::current().id()), "on the caller's thread, not on who cancels");
}

/// A resource with a method that frees it.
struct Line(TcpStream);

impl Line {
    fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Both)
    }
}

#[test]
fn a_method_of_the_resource_can_be_the_cleanup() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = Arc::new(Line(TcpStream::connect(listener.local_addr().unwrap()).unwrap()));
    let mut peer = listener.accept().unwrap().0;
    let (read, reads) = unbounded();
    let result = with_timeout_on(SHORT, &line, Line::shutdown, move |line| {
        read.send((&line.0).read(&mut [0; 16]).unwrap()).unwrap();
    });
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert_eq!(next(&reads), 0, "the read came back");
    assert_eq!(peer.read(&mut [0; 16]).unwrap(), 0, "the peer saw it");
}

#[test]
fn a_drip_that_defeats_a_socket_timeout_does_not_defeat_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let socket = Arc::new(socket);
    let mut peer = listener.accept().unwrap().0;
    let drips = thread::spawn(move || {
        let begun = Instant::now();
        while begun.elapsed() < SOON && peer.write_all(b".").is_ok() {
            thread::sleep(Duration::from_millis(5)); // the drip itself
        }
        begun.elapsed()
    });
    let result = with_timeout_on(
        Duration::from_millis(100),
        &socket,
        |socket| socket.shutdown(Shutdown::Both),
        |mut socket| socket.read_exact(&mut [0; 100_000]),
    );
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(drips.join().unwrap() < SOON, "the peer saw the close");
}

#[test]
fn a_call_that_cannot_be_ended_is_listed_until_it_returns() {
    let crew = crew(8);
    let (release, result) = stuck(&crew, "SELECT that hangs");
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    let listed = crew.stats().stuck;
    assert_eq!(listed.len(), 1);
    assert_eq!(&*listed[0].label, "SELECT that hangs");
    assert!(listed[0].age >= listed[0].overdue && listed[0].overdue >= GRACE, "{listed:?}");
    drop(release);
    eventually("nothing is stuck any more", || crew.stats().stuck.is_empty());
    eventually("the thread is home", || crew.stats().idle == 1);
}

#[test]
fn at_the_bound_of_stuck_calls_others_are_refused_until_one_returns() {
    let settings = CrewSettings::default().max_threads(16).max_stuck(2);
    let crew = Crew::new(settings).unwrap();
    let first = stuck(&crew, "first").0;
    let _second = stuck(&crew, "second").0;
    let call = || TimedCall::new(SOON).on(&crew).run(|_| ());
    eventually("the bound is reached", || matches!(call(), Err(Error::TooManyStuck { most: 2 })));
    drop(first);
    eventually("a call is taken again", || call().is_ok());
}

#[test]
fn busy_is_not_stuck() {
    let settings = CrewSettings::default().max_threads(16).max_stuck(1);
    let crew = Crew::new(settings).unwrap();
    let _busy = support::occupy(&crew, headstart::Claim::Request).unwrap();
    TimedCall::new(SOON).on(&crew).run(|_| ()).unwrap();
}

#[test]
fn a_crew_without_a_thread_left_is_an_error_and_nothing_is_called() {
    let crew = crew(1);
    let _busy = support::occupy(&crew, headstart::Claim::Request).unwrap();
    let call = TimedCall::new(SOON).on(&crew).cleanup(|| -> () { panic!("nothing to clean up") });
    let result = call.run(|_| panic!("not to be called"));
    assert!(matches!(result, Err::<(), _>(Error::NoThread { bound: 1 })), "{result:?}");
}

#[test]
fn an_attempt_of_a_race_is_a_limit() {
    let (crew, (freed, frees)) = (crew(8), unbounded());
    let inner = crew.clone();
    let outcome = Race::new(&crew).schedule(schedule(&[0, 10])).limit(FAR).first(move |attempt| {
        let (number, (release, released)) = (attempt.number(), door());
        let freed = freed.clone();
        TimedCall::new(attempt)
            .on(&inner)
            .cleanup(move || {
                drop(release);
                freed.send(number).unwrap();
            })
            .run(move |_| match number {
                0 => released.recv_timeout(SOON).map_or(0, |()| 0),
                hedge => hedge,
            })
    });
    assert_eq!(outcome.winner().unwrap().value, 1);
    assert_eq!(next(&frees), 0, "the loser was freed");
    eventually("all threads are home", || crew.stats().idle == crew.stats().threads);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whoever_is_first_a_call_either_returns_or_is_cleaned_up(limit in 0_u64..6, takes in 0_u64..6) {
        let (cleaned, cleanups) = unbounded();
        let result = TimedCall::new(Duration::from_millis(limit))
            .cleanup(move || cleaned.send(()).unwrap())
            .run(move |token| token.wait(Deadline::after(Duration::from_millis(takes))));
        match result {
            Ok(waited) => prop_assert!(waited.is_none() && cleanups.is_empty()),
            Err(error) => {
                let timed_out = matches!(error, Error::TimedOut { .. });
                prop_assert!(timed_out && cleanups.len() == 1)
            },
        }
    }
}
