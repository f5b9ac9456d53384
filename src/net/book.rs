//! What is known of host names, and which lookups are under way.
//!
//! Answers are used for 30 s as they are and for five minutes while a new lookup runs beside; a failure is the answer
//! for one second. There is one lookup per name, or two when the first was abandoned and has not returned for long, and
//! at most 16 in all.
//!
//! Invariant: the book starts nothing and waits for nothing. It is asked under a lock and only says what is to be done.

use crate::cancel::{CancelReason, CancelToken};
use crate::error::Error;
use crate::sync::channel::{Receiver, Sender, bounded};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Look-ups at a time.
const AT_ONCE: usize = 16;
/// For how long an answer is used as it is.
const FRESH: Duration = Duration::from_secs(30);
/// For how long it is used while a new lookup runs.
const USABLE: Duration = Duration::from_secs(300);
/// For how long a failure is the answer.
const FAILED: Duration = Duration::from_secs(1);
/// After so long an abandoned lookup gets company, since it may never return.
const PATIENCE: Duration = Duration::from_secs(5);
/// Names kept at a time; redirects can bring any number.
const MAX_NAMES: usize = 256;

#[derive(Default)]
pub(super) struct Book {
    names: HashMap<Arc<str>, Entry>,
    /// Look-ups under way, abandoned ones included.
    running: usize,
    next_id: u64,
}

#[derive(Default)]
struct Entry {
    known: Option<(Arc<[IpAddr]>, Instant)>,
    failed: Option<(Failed, Instant)>,
    search: Option<Search>,
}

/// A lookup under way.
struct Search {
    id: u64,
    since: Instant,
    /// Canceled when nobody waits any more, which ends nothing but shows the lookup among the stuck.
    token: CancelToken,
    waiters: Vec<(u64, Sender<Wake>)>,
}

/// An `io::Error` that can be told to several.
#[derive(Clone)]
pub(super) struct Failed {
    kind: io::ErrorKind,
    message: String,
}

impl Failed {
    pub(super) fn new(kind: io::ErrorKind, message: impl Into<String>) -> Failed {
        Failed { kind, message: message.into() }
    }

    pub(super) fn into_error(self, host: &str) -> Error {
        Error::Lookup { host: host.to_owned(), source: io::Error::new(self.kind, self.message) }
    }
}

pub(super) type Found = Result<Arc<[IpAddr]>, Failed>;

/// All that wakes a call that waits.
pub(super) enum Wake {
    Found(Found),
    /// There is no thread for the lookup.
    Refused,
    Canceled(CancelReason),
}

/// What the book has to say about a name.
pub(super) enum Advice {
    Use(Arc<[IpAddr]>),
    Fail(Failed),
    Wait { waiter: u64, arrivals: Receiver<Wake>, inbox: Sender<Wake> },
}

/// A lookup to be started: its number and its token.
pub(super) type Start = (u64, CancelToken);

impl Book {
    /// What to do about `host`, and the lookup to be started, if any.
    pub(super) fn advise(&mut self, host: &str, now: Instant) -> (Advice, Option<Start>) {
        if !self.names.contains_key(host) {
            if self.names.len() >= MAX_NAMES {
                self.names.retain(|_, entry| entry.search.is_some());
            }
            self.names.insert(host.into(), Entry::default());
        }
        let (at_bound, id) = (self.running >= AT_ONCE, self.next_id);
        let entry = self.names.get_mut(host).expect("just made sure");
        let age = |at: &Instant| now.saturating_duration_since(*at);

        let failed = entry.failed.as_ref().filter(|(_, at)| age(at) < FAILED);
        let known = entry.known.as_ref().filter(|(_, at)| age(at) < USABLE);
        let is_fresh = known.is_some_and(|(_, at)| age(at) < FRESH);
        if let (None, Some((failed, _))) = (known, failed) {
            return (Advice::Fail(failed.clone()), None);
        }
        let under_way = entry.search.as_ref().is_some_and(|search| !search.is_overdue(now));
        let wants_start = !is_fresh && !under_way && failed.is_none();
        if wants_start && at_bound && known.is_none() {
            let message = format!("{AT_ONCE} lookups are already under way");
            return (Advice::Fail(Failed::new(io::ErrorKind::WouldBlock, message)), None);
        }
        let start = (wants_start && !at_bound).then(|| {
            let token = CancelToken::new();
            let waiters = entry.search.take().map(|search| search.waiters).unwrap_or_default();
            entry.search = Some(Search { id, since: now, token: token.clone(), waiters });
            self.running += 1;
            (id, token)
        });
        self.next_id += 2;
        if let Some((addresses, _)) = known {
            return (Advice::Use(addresses.clone()), start);
        }
        // Room for the answer and for the cancellation, so that neither who finds nor who cancels blocks.
        let (inbox, arrivals) = bounded(2);
        let waiter = id + 1;
        let search = entry.search.as_mut().expect("under way or just begun");
        search.waiters.push((waiter, inbox.clone()));
        (Advice::Wait { waiter, arrivals, inbox }, start)
    }

    /// A waiter has given up. Returns the token of the lookup that nobody waits for any more.
    pub(super) fn leave(&mut self, host: &str, waiter: u64) -> Option<CancelToken> {
        let search = self.names.get_mut(host)?.search.as_mut()?;
        search.waiters.retain(|(other, _)| *other != waiter);
        search.waiters.is_empty().then(|| search.token.clone())
    }

    /// The lookup `id` has ended, now.
    pub(super) fn finish(&mut self, host: &str, id: u64, found: Found, now: Instant) {
        self.running -= 1;
        let Some(entry) = self.names.get_mut(host) else { return };
        match &found {
            Ok(addresses) => (entry.known, entry.failed) = (Some((addresses.clone(), now)), None),
            Err(failed) => entry.failed = Some((failed.clone(), now)),
        }
        // A late success of an abandoned lookup serves those who wait for its successor too.
        if let Some(search) = entry.search.take_if(|search| search.id == id || found.is_ok()) {
            for (_, inbox) in search.waiters {
                let _ = inbox.try_send(Wake::Found(found.clone()));
            }
        }
    }

    /// The lookup `id` found no thread. That says nothing about the name, so the next call tries again.
    pub(super) fn refuse(&mut self, host: &str, id: u64) {
        self.running -= 1;
        let Some(entry) = self.names.get_mut(host) else { return };
        for (_, inbox) in entry.search.take_if(|search| search.id == id).into_iter().flat_map(|search| search.waiters) {
            let _ = inbox.try_send(Wake::Refused);
        }
    }
}

impl Search {
    /// Abandoned and long under way.
    fn is_overdue(&self, now: Instant) -> bool {
        self.token.is_canceled() && now.saturating_duration_since(self.since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn found() -> Found {
        Ok([IpAddr::V4(Ipv4Addr::LOCALHOST)].into())
    }

    fn begin(book: &mut Book, host: &str, now: Instant) -> u64 {
        let (advice, start) = book.advise(host, now);
        assert!(matches!(advice, Advice::Wait { .. }));
        start.expect("a lookup to be started").0
    }

    #[test]
    fn waiters_share_a_lookup_and_all_hear_of_it() {
        let (mut book, now) = (Book::default(), Instant::now());
        let (first, start) = book.advise("a", now);
        let (second, none) = book.advise("a", now);
        assert!(none.is_none());
        book.finish("a", start.unwrap().0, found(), now);
        for advice in [first, second] {
            let Advice::Wait { arrivals, .. } = advice else { panic!("no wait") };
            assert!(matches!(arrivals.try_recv(), Ok(Wake::Found(Ok(_)))));
        }
    }

    #[test]
    fn an_answer_is_used_while_one_lookup_refreshes_it() {
        let (mut book, now) = (Book::default(), Instant::now());
        let id = begin(&mut book, "a", now);
        book.finish("a", id, found(), now);

        let (advice, start) = book.advise("a", now + FRESH - Duration::from_millis(1));
        assert!(matches!(advice, Advice::Use(_)) && start.is_none());
        let stale = now + FRESH;
        let (advice, start) = book.advise("a", stale);
        assert!(matches!(advice, Advice::Use(_)));
        let refresh = start.expect("a refresh").0;
        let (advice, start) = book.advise("a", stale);
        assert!(matches!(advice, Advice::Use(_)) && start.is_none(), "one refresh at a time");

        // It fails: the answer stays in use, and the next refresh waits a moment.
        book.finish("a", refresh, Err(Failed::new(io::ErrorKind::NotFound, "gone")), stale);
        let (advice, start) = book.advise("a", stale);
        assert!(matches!(advice, Advice::Use(_)) && start.is_none());
        assert!(book.advise("a", stale + FAILED).1.is_some());
        assert!(matches!(book.advise("a", now + USABLE).0, Advice::Wait { .. }));
    }

    #[test]
    fn a_failure_is_the_answer_for_a_moment() {
        let (mut book, now) = (Book::default(), Instant::now());
        let id = begin(&mut book, "a", now);
        book.finish("a", id, Err(Failed::new(io::ErrorKind::NotFound, "unknown")), now);
        assert!(matches!(book.advise("a", now).0, Advice::Fail(_)));
        begin(&mut book, "a", now + FAILED);
    }

    #[test]
    fn a_lookup_without_a_thread_is_tried_again_and_all_hear_of_it() {
        let (mut book, now) = (Book::default(), Instant::now());
        let (_, start) = book.advise("a", now);
        let (Advice::Wait { arrivals, .. }, None) = book.advise("a", now) else { panic!("no wait") };
        book.refuse("a", start.unwrap().0);
        assert!(matches!(arrivals.try_recv(), Ok(Wake::Refused)));
        begin(&mut book, "a", now);
        assert_eq!(book.running, 1);
    }

    #[test]
    fn no_more_lookups_than_the_bound_are_under_way() {
        let (mut book, now) = (Book::default(), Instant::now());
        let ids: Vec<u64> = (0..AT_ONCE).map(|number| begin(&mut book, &number.to_string(), now)).collect();
        assert!(matches!(book.advise("one more", now).0, Advice::Fail(_)));
        book.finish("0", ids[0], found(), now);
        begin(&mut book, "one more", now);
    }

    #[test]
    fn an_abandoned_lookup_is_joined_and_gets_company_when_it_does_not_return() {
        let (mut book, now) = (Book::default(), Instant::now());
        let (advice, start) = book.advise("a", now);
        let Advice::Wait { waiter, .. } = advice else { panic!("no wait") };
        book.leave("a", waiter).expect("nobody waits").cancel(CancelReason::Superseded);

        let (_, none) = book.advise("a", now);
        assert!(none.is_none(), "it may still return");
        let (advice, second) = book.advise("a", now + PATIENCE);
        assert!(second.is_some());
        let Advice::Wait { arrivals, .. } = advice else { panic!("no wait") };
        book.finish("a", start.unwrap().0, found(), now + PATIENCE);
        assert!(matches!(arrivals.try_recv(), Ok(Wake::Found(Ok(_)))), "the first one serves all");
        book.finish("a", second.unwrap().0, found(), now + PATIENCE);
        assert_eq!(book.running, 0);
    }

    #[test]
    fn names_do_not_pile_up() {
        let (mut book, now) = (Book::default(), Instant::now());
        for number in 0..10 * MAX_NAMES {
            let host = number.to_string();
            let id = begin(&mut book, &host, now);
            book.finish(&host, id, found(), now);
        }
        assert!(book.names.len() <= MAX_NAMES);
    }
}
