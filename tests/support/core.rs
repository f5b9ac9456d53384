//! What the tests of the core share: crews, gates to wait at, and an observer that sends on its events.

use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::event::{AttemptBegan, AttemptEnd, AttemptEnded, RaceEnded};
use headstart::{Attempt, CancelReason, Claim, Crew, CrewSettings, Deadline, Error, Job, Observer, Schedule};
use std::sync::Arc;
use std::time::Duration;

#[allow(unused_imports)] // each target uses its part
pub(crate) use headstart_testing::{PATIENCE as SOON, eventually};

/// Later than the end of any test.
pub(crate) const FAR: Duration = Duration::from_secs(100_000);

pub(crate) fn crew(max_threads: usize) -> Crew {
    crew_keeping(max_threads, 0)
}

/// A crew that keeps this many threads free of hedges.
pub(crate) fn crew_keeping(max_threads: usize, kept_for_requests: usize) -> Crew {
    Crew::new(CrewSettings::default().max_threads(max_threads).kept_for_requests(kept_for_requests)).unwrap()
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(SOON)
}

pub(crate) fn schedule(offsets_in_ms: &[u64]) -> Schedule {
    let offsets: Vec<Duration> = offsets_in_ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
    Schedule::new(&offsets).unwrap()
}

pub(crate) fn job(run: impl FnOnce() + Send + 'static) -> Job {
    Job { label: "job".into(), token: None, run: Box::new(run) }
}

/// Occupies a thread of `crew` until the returned value is dropped.
pub(crate) fn occupy(crew: &Crew, claim: Claim) -> Result<Sender<()>, Error> {
    let (release, released) = unbounded::<()>();
    crew.spawn(claim, job(move || assert!(released.recv_timeout(SOON).is_err()))).map(|()| release)
}

/// The next message. Panics when none comes.
pub(crate) fn next<T>(messages: &Receiver<T>) -> T {
    messages.recv_timeout(SOON).expect("a message in time")
}

/// Waits until it is canceled and returns the reason, as a well-behaved call does.
pub(crate) fn until_canceled(attempt: &Attempt) -> CancelReason {
    attempt.token().wait(soon()).expect("canceled in time")
}

/// An event that an observer received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen {
    Began(AttemptBegan),
    Ended(AttemptEnded),
    Race(RaceEnded),
}

/// An observer that sends its events to a channel.
pub(crate) struct Forwards(Sender<Seen>);

impl Forwards {
    pub(crate) fn new() -> (Arc<Forwards>, Receiver<Seen>) {
        let (tx, rx) = unbounded();
        (Arc::new(Forwards(tx)), rx)
    }
}

impl Observer for Forwards {
    fn attempt_began(&self, event: &AttemptBegan) {
        let _ = self.0.send(Seen::Began(*event));
    }

    fn attempt_ended(&self, event: &AttemptEnded) {
        let _ = self.0.send(Seen::Ended(*event));
    }

    fn race_ended(&self, event: &RaceEnded) {
        let _ = self.0.send(Seen::Race(*event));
    }
}

/// Waits for the end of `attempt`.
pub(crate) fn end_of(attempt: usize, seen: &Receiver<Seen>) -> AttemptEnded {
    loop {
        match next(seen) {
            Seen::Ended(ended) if ended.attempt == attempt => return ended,
            _ => {}
        }
    }
}

/// Waits for the ends of this many attempts, by number.
pub(crate) fn ends(attempts: usize, seen: &Receiver<Seen>) -> Vec<AttemptEnd> {
    let mut ends = vec![None; attempts];
    while ends.contains(&None) {
        if let Seen::Ended(ended) = next(seen) {
            assert_eq!(ends[ended.attempt].replace(ended.end), None, "attempt {} ends twice", ended.attempt);
        }
    }
    ends.into_iter().flatten().collect()
}

/// Makes each function of the file, which takes [`Threads`](headstart::Threads), a test on both kinds. A test that
/// only holds where the crew keeps the threads is listed with the reason.
macro_rules! on_all_threads {
    ($($test:ident),* $(,)? $(; crew_only: $($own:ident = $reason:literal),* $(,)?)?) => {
        mod on_crew {
            $(#[test] fn $test() { super::$test(headstart::Threads::Crew) })*
            $($(#[test] fn $own() { super::$own(headstart::Threads::Crew) })*)?
        }

        mod on_fresh {
            $(#[test] fn $test() { super::$test(headstart::Threads::Fresh) })*
            $($(#[test] #[ignore = $reason] fn $own() { super::$own(headstart::Threads::Fresh) })*)?
        }
    };
}
