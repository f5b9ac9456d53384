//! Host names to addresses, without a call ever hanging in the C library.
//!
//! The problem: `getaddrinfo` blocks for as long as it likes and nothing ends it. The answer: lookups are jobs of the
//! crew; a call waits for one with its own token and gives up when that is canceled, the lookup runs on, is counted
//! among the crew's stuck calls once nobody waits for it any more, and its thread comes home when it returns.
//!
//! Calls for the same name share one lookup, and answers are kept: the [`book`](super::book) says for how long.
//!
//! What this does not do: know the DNS's own times to live, which the system's resolver does not tell.

use super::book::{Advice, Book, Failed, Start, Wake};
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Crew, Job};
use crate::deadline::Deadline;
use crate::error::{Error, Phase, panic_message};
use crate::sync::channel::RecvTimeoutError;
use crate::sync::lock;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Finds the addresses of host names.
///
/// ```
/// use headstart::Lookup;
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
    /// The addresses of `host`, in the order in which to try them. Called on a thread of its own, so it may block;
    /// nobody who waits for it is held up beyond their deadline.
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

/// Looks names up; clones are handles to the same book of answers.
#[derive(Clone)]
pub(crate) struct Names {
    shared: Arc<Shared>,
}

struct Shared {
    lookup: Arc<dyn Lookup>,
    crew: Crew,
    book: Mutex<Book>,
}

impl Names {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, crew: &Crew) -> Names {
        Names { shared: Arc::new(Shared { lookup, crew: crew.clone(), book: Mutex::default() }) }
    }

    /// The addresses of `host`, at least one. Waits until `until` or until `token` is canceled.
    pub(crate) fn addresses(&self, host: &str, until: Deadline, token: &CancelToken) -> Result<Arc<[IpAddr]>, Error> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok([literal].into());
        }
        let (advice, start) = lock(&self.shared.book).advise(host, Instant::now());
        let background = matches!(advice, Advice::Use(_));
        if let Some(start) = start {
            match background {
                true => self.refresh(host, start),
                false => self.start(host, start)?,
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
                match woken {
                    Ok(Wake::Found(found)) => return found.map_err(|failed| failed.into_error(host)),
                    Ok(Wake::Refused) => return Err(Error::ThreadStart(io::ErrorKind::WouldBlock.into())),
                    _ => {}
                }
                self.give_up(host, waiter);
                Err(match woken {
                    Ok(Wake::Canceled(reason)) => Error::ended(reason, Phase::Lookup),
                    _ => Failed::new(io::ErrorKind::TimedOut, "no answer in time").into_error(host),
                })
            }
        }
    }

    /// Starts the lookup that a call waits for.
    fn start(&self, host: &str, start: Start) -> Result<(), Error> {
        let id = start.0;
        // Others may have joined meanwhile.
        self.spawn(host, start, Claim::Request).inspect_err(|_| lock(&self.shared.book).refuse(host, id))
    }

    /// Starts a lookup beside an answer that is still used. Without a thread that is put off like after a failure.
    fn refresh(&self, host: &str, start: Start) {
        let id = start.0;
        if let Err(error) = self.spawn(host, start, Claim::Hedge) {
            let failed = Failed::new(io::ErrorKind::WouldBlock, error.to_string());
            lock(&self.shared.book).finish(host, id, Err(failed), Instant::now());
        }
    }

    fn spawn(&self, host: &str, (id, token): Start, claim: Claim) -> Result<(), Error> {
        let (shared, name) = (self.shared.clone(), Arc::<str>::from(host));
        let job = Job {
            label: format!("lookup {host}").into(),
            token: Some(token),
            run: Box::new(move || shared.run(&name, id)),
        };
        self.shared.crew.spawn(claim, job)
    }

    /// A call waits no longer; with the last one the lookup is abandoned.
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
                Err(Failed::new(io::ErrorKind::Other, format!("the lookup panicked: {message}")))
            }
        };
        lock(&self.book).finish(host, id, found, Instant::now());
    }
}
