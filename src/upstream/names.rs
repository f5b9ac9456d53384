//! Host names to addresses, without a call ever hanging in the C library.
//!
//! The problem: `getaddrinfo` blocks for as long as it likes and nothing ends it. The answer: look-ups are jobs of the crew;
//! a call waits for one with its own token and gives up when that is cancelled, the look-up runs on, is counted among the
//! crew's stuck calls once nobody waits for it any more, and its thread comes home when it returns.
//!
//! Calls for the same name share one look-up, there are at most 16 at a time, and answers are kept: for 30 s as they are,
//! for five minutes while a new look-up runs beside, a failure for one second.
//!
//! What this does not do: know the DNS's own times to live, which the system's resolver does not tell.

use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Crew, Job};
use crate::deadline::Deadline;
use crate::error::{Error, panic_message};
use crate::sync::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crate::sync::lock;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Finds the addresses of host names.
///
/// ```
/// use headstart::fetch::Lookup;
/// use std::net::{IpAddr, Ipv4Addr};
///
/// struct EverythingIsHere;
///
/// impl Lookup for EverythingIsHere {
///     fn lookup(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
///         Ok(vec![Ipv4Addr::LOCALHOST.into()])
///     }
/// }
/// ```
pub trait Lookup: Send + Sync {
    /// The addresses of `host`, in the order in which to try them. Called on a thread of its own, so it may block; nobody
    /// who waits for it is held up beyond their deadline.
    ///
    /// # Errors
    ///
    /// Whatever there is to say; no addresses is a failure too.
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own way: `getaddrinfo`, and with it `/etc/hosts` and whatever else it is set up to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// Look-ups at a time.
const AT_ONCE: usize = 16;
/// For how long an answer is used as it is.
const FRESH: Duration = Duration::from_secs(30);
/// For how long it is used while a new look-up runs.
const USABLE: Duration = Duration::from_secs(300);
/// For how long a failure is the answer.
const FAILED: Duration = Duration::from_secs(1);
/// After so long an abandoned look-up gets company, since it may never return.
const PATIENCE: Duration = Duration::from_secs(5);
/// Names kept at a time; redirects can bring any number.
const MAX_NAMES: usize = 256;

/// The address of a host in a URL, without the brackets of IPv6.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The book of names; clones are handles to the same one.
#[derive(Clone)]
pub(super) struct Names {
    shared: Arc<Shared>,
}

struct Shared {
    lookup: Arc<dyn Lookup>,
    crew: Crew,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
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

/// A look-up under way.
struct Search {
    id: u64,
    since: Instant,
    /// Cancelled when nobody waits any more, which ends nothing but shows the look-up among the stuck.
    token: CancelToken,
    waiters: Vec<(u64, Sender<Wake>)>,
}

/// An `io::Error` that can be told to several.
#[derive(Clone)]
struct Failed {
    kind: io::ErrorKind,
    message: String,
}

impl Failed {
    fn new(kind: io::ErrorKind, message: impl Into<String>) -> Failed {
        Failed { kind, message: message.into() }
    }

    fn into_error(self, host: &str) -> Error {
        Error::Lookup { host: host.to_owned(), source: io::Error::new(self.kind, self.message) }
    }
}

type Found = Result<Arc<[IpAddr]>, Failed>;

/// All that wakes a call that waits.
enum Wake {
    Found(Found),
    Canceled(CancelReason),
}

/// What the book has to say about a name.
enum Advice {
    Use(Arc<[IpAddr]>),
    Fail(Failed),
    Wait { waiter: u64, arrivals: Receiver<Wake>, inbox: Sender<Wake> },
}

/// A look-up to be started: its number and its token.
type Start = (u64, CancelToken);

impl Names {
    pub(super) fn new(lookup: Arc<dyn Lookup>, crew: &Crew) -> Names {
        Names { shared: Arc::new(Shared { lookup, crew: crew.clone(), book: Mutex::default() }) }
    }

    /// The addresses of `host`, at least one. Waits until `until` or until `token` is cancelled.
    pub(super) fn addresses(&self, host: &str, until: Deadline, token: &CancelToken) -> Result<Arc<[IpAddr]>, Error> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok([literal].into());
        }
        let (advice, start) = lock(&self.shared.book).advise(host, Instant::now());
        let background = matches!(advice, Advice::Use(_));
        if let Some(start) = start {
            let started = self.start(host, start, if background { Claim::Hedge } else { Claim::Request });
            if let (Err(error), false) = (started, background) {
                return Err(error);
            }
        }
        match advice {
            Advice::Use(addresses) => Ok(addresses),
            Advice::Fail(failed) => Err(failed.into_error(host)),
            Advice::Wait { waiter, arrivals, inbox } => {
                let _canceled = token.on_cancel(move |reason| drop(inbox.try_send(Wake::Canceled(reason))));
                let woken = match until.instant() {
                    Some(until) => arrivals.recv_deadline(until),
                    None => arrivals.recv().map_err(|_| RecvTimeoutError::Disconnected),
                };
                if let Ok(Wake::Found(found)) = woken {
                    return found.map_err(|failed| failed.into_error(host));
                }
                self.give_up(host, waiter);
                Err(match woken {
                    Ok(Wake::Canceled(reason)) => Error::Canceled(reason),
                    _ => Failed::new(io::ErrorKind::TimedOut, "no answer in time").into_error(host),
                })
            }
        }
    }

    fn start(&self, host: &str, (id, token): Start, claim: Claim) -> Result<(), Error> {
        let (shared, name) = (self.shared.clone(), Arc::<str>::from(host));
        let job = Job {
            label: format!("lookup {host}").into(),
            token: Some(token),
            run: Box::new(move || shared.run(&name, id)),
        };
        self.shared.crew.spawn(claim, job).inspect_err(|error| {
            // Others may have joined meanwhile.
            let failed = Failed::new(io::ErrorKind::WouldBlock, error.to_string());
            lock(&self.shared.book).finish(host, id, Err(failed));
        })
    }

    /// A call waits no longer; with the last one the look-up is abandoned.
    fn give_up(&self, host: &str, waiter: u64) {
        let abandoned = lock(&self.shared.book).leave(host, waiter);
        if let Some(token) = abandoned {
            token.cancel(CancelReason::Superseded);
        }
    }
}

impl Shared {
    fn run(&self, host: &str, id: u64) {
        let found = match catch_unwind(AssertUnwindSafe(|| self.lookup.lookup(host))) {
            Ok(Ok(addresses)) if addresses.is_empty() => {
                Err(Failed::new(io::ErrorKind::NotFound, "the name has no addresses"))
            }
            Ok(Ok(addresses)) => Ok(addresses.into()),
            Ok(Err(error)) => Err(Failed::new(error.kind(), error.to_string())),
            Err(panic) => {
                let message = panic_message(&*panic);
                Err(Failed::new(io::ErrorKind::Other, format!("the look-up panicked: {message}")))
            }
        };
        lock(&self.book).finish(host, id, found);
    }
}

impl Book {
    fn advise(&mut self, host: &str, now: Instant) -> (Advice, Option<Start>) {
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
            let message = format!("{AT_ONCE} look-ups are already under way");
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

    fn leave(&mut self, host: &str, waiter: u64) -> Option<CancelToken> {
        let search = self.names.get_mut(host)?.search.as_mut()?;
        search.waiters.retain(|(other, _)| *other != waiter);
        search.waiters.is_empty().then(|| search.token.clone())
    }

    fn finish(&mut self, host: &str, id: u64, found: Found) {
        self.running -= 1;
        let Some(entry) = self.names.get_mut(host) else { return };
        let now = Instant::now();
        match &found {
            Ok(addresses) => (entry.known, entry.failed) = (Some((addresses.clone(), now)), None),
            Err(failed) => entry.failed = Some((failed.clone(), now)),
        }
        // A late success of an abandoned look-up serves those who wait for its successor too.
        if let Some(search) = entry.search.take_if(|search| search.id == id || found.is_ok()) {
            for (_, inbox) in search.waiters {
                let _ = inbox.try_send(Wake::Found(found.clone()));
            }
        }
    }
}

impl Search {
    /// Abandoned and long under way.
    fn is_overdue(&self, now: Instant) -> bool {
        self.token.is_canceled() && now.saturating_duration_since(self.since) >= PATIENCE
    }
}
