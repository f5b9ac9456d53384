//! A slow and broken network, on demand: a TCP proxy that delays, drips, stalls, cuts and resets.
//!
//! The problem: how a call behaves on a bad network depends on events that a good network never has: a byte every 50
//! ms, an answer that stops in the middle, a connection that stays open and silent. The kernel can inject these, but
//! only with privileges that tests and containers do not have.
//!
//! The answer: a [`FaultProxy`] between a client and an upstream. It passes bytes on with the delays and errors that
//! its [`Faults`] describe, for each direction, on open connections too as soon as they are [set](FaultProxy::set).
//! [`FaultStats`] count them. The rest passes unchanged: order, the half-close of either side, resets.
//!
//! Threads: one of the [`Crew`] for each proxy, however many connections there are, in a loop over sockets that do not
//! block. Two threads for each connection would also need a way to be woken for new faults in the middle of a read, a
//! wait or a write.
//!
//! What this does not do: lose, repeat or reorder packets (TCP hides it; only delays would show), slow the handshake,
//! which the system does by itself, or look into the bytes that pass.

mod connection;
mod error;
mod faults;
mod flow;
mod lane;
mod relay;
mod sync;

pub use error::Error;
pub use faults::{Admission, Direction, DirectionStats, Drip, FaultStats, Faults};

use crate::sync::{lock, wait_until};
use headstart::Deadline;
use headstart::{Claim, Crew, Job};
use relay::Relay;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A running proxy. Dropping it is [`shutdown`](FaultProxy::shutdown) with no time for anybody.
///
/// ```
/// use headstart_fault::{Direction, FaultProxy, Faults};
/// use headstart::{Crew, CrewSettings};
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use std::time::{Duration, Instant};
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let upstream = TcpListener::bind("127.0.0.1:0")?;
/// let late = Direction { delay: Duration::from_millis(50), ..Direction::default() };
/// let proxy = FaultProxy::start(&crew, "127.0.0.1:0", upstream.local_addr()?, Faults::both_ways(late))?;
///
/// let mut client = TcpStream::connect(proxy.address())?;
/// let began = Instant::now();
/// client.write_all(b"x")?;
/// upstream.accept()?.0.read_exact(&mut [0; 1])?;
/// assert!(began.elapsed() >= Duration::from_millis(50));
/// assert_eq!(proxy.stats().to_upstream.bytes, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    waker: mio::Waker,
}

/// The state shared between the loop and the owner of the proxy.
struct Shared {
    /// Held for a few instructions at a time.
    control: Mutex<Control>,
    /// Signalled when `done`, `stats` or `ended` change.
    turned: Condvar,
}

struct Control {
    faults: Faults,
    /// How long connections may go on after accepting has stopped.
    stop: Option<Deadline>,
    /// Counts the requests to the loop.
    asked: u64,
    /// How many of them are done. Only the loop writes this and the fields below.
    done: u64,
    stats: FaultStats,
    ended: bool,
}

/// Tells waiting threads that the loop has ended.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        lock(&self.0.control).ended = true;
        self.0.turned.notify_all();
    }
}

impl FaultProxy {
    /// Listens at `listen` and passes bytes on to `upstream` with these `faults`, on a thread of `crew`.
    ///
    /// Both are given as `host:port`; port 0 of `listen` takes a free one. The upstream's name is looked up now, once;
    /// of several addresses each connection takes the first that works. Nobody has to listen there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] when the address cannot be listened on, [`Error::Lookup`] when the upstream has no address,
    /// [`Error::Crew`] when there is no thread, [`Error::Io`] when the system refuses an event queue.
    pub fn start(crew: &Crew, listen: &str, upstream: impl fmt::Display, faults: Faults) -> Result<FaultProxy, Error> {
        let upstream = look_up(&upstream.to_string())?;
        let failed = |source| Error::Listen { at: listen.to_owned(), source };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let control = Control { faults, stop: None, asked: 0, done: 0, stats: FaultStats::default(), ended: false };
        let shared = Arc::new(Shared { control: Mutex::new(control), turned: Condvar::new() });
        let (relay, waker) = Relay::new(shared.clone(), listener, upstream, faults)?;
        let ended = Ended(shared.clone());
        let run = Box::new(move || {
            let _ended = ended; // dropped after the loop and its sockets
            relay.run();
        });
        crew.spawn(Claim::Request, Job { label: "fault proxy".into(), token: None, run })?;
        Ok(FaultProxy { shared, address, waker })
    }

    /// Where it listens: with port 0, the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does to connections now.
    pub fn faults(&self) -> Faults {
        lock(&self.shared.control).faults
    }

    /// Sets the faults from now on, also for open connections and for bytes that are held back. When it returns,
    /// nothing passes by the old rules any more. A stalled direction goes on when the new faults have no stall.
    pub fn set(&self, faults: Faults) {
        self.ask(|control| control.faults = faults);
    }

    /// The figures of this moment. They include all that a client or the upstream has seen by now.
    pub fn stats(&self) -> FaultStats {
        self.ask(|_| {})
    }

    /// Waits until `is_so` holds of the figures. `false` when it does not by `deadline`.
    ///
    /// ```
    /// # use headstart_fault::{FaultProxy, Faults};
    /// # use headstart::{Crew, CrewSettings, Deadline};
    /// # use std::time::Duration;
    /// # let crew = Crew::new(CrewSettings::default())?;
    /// # let upstream = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let proxy = FaultProxy::start(&crew, "127.0.0.1:0", upstream.local_addr()?, Faults::default())?;
    /// let client = std::net::TcpStream::connect(proxy.address())?;
    /// assert!(proxy.wait_until(Deadline::after(Duration::from_secs(20)), |stats| stats.open == 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_until(&self, deadline: Deadline, is_so: impl Fn(&FaultStats) -> bool) -> bool {
        let mut stats = self.stats();
        while !is_so(&stats) {
            let mut control = lock(&self.shared.control);
            while control.stats == stats {
                if deadline.has_passed() || control.ended {
                    return false;
                }
                control = wait_until(&self.shared.turned, control, deadline.instant());
            }
            stats = control.stats;
        }
        true
    }

    /// Stops: accepts nothing more, lets open connections come to their end until `drain_timeout` is over, then ends
    /// them, and returns how many those were. A connection that is ended is closed; its ends see that as a reset when
    /// bytes they have sent were not read.
    ///
    /// The thread is back in its crew a moment later.
    pub fn shutdown(self, drain_timeout: Duration) -> u64 {
        self.stop(drain_timeout)
    }

    fn stop(&self, drain_timeout: Duration) -> u64 {
        let deadline = Deadline::after(drain_timeout);
        self.ask(|control| control.stop = Some(control.stop.map_or(deadline, |stop| stop.earlier(deadline))));
        let mut control = lock(&self.shared.control);
        while !control.ended {
            control = wait_until(&self.shared.turned, control, None);
        }
        control.stats.open
    }

    /// Makes `change`, and waits until the loop has acted on it or has ended. A turn of the loop never blocks.
    fn ask(&self, change: impl FnOnce(&mut Control)) -> FaultStats {
        let mut control = lock(&self.shared.control);
        change(&mut control);
        control.asked += 1;
        let asked = control.asked;
        // Only fails when the loop has ended, with its queue.
        let _ = self.waker.wake();
        while control.done < asked && !control.ended {
            control = wait_until(&self.shared.turned, control, None);
        }
        control.stats
    }
}

fn look_up(upstream: &str) -> Result<Vec<SocketAddr>, Error> {
    let failed = |source| Error::Lookup { upstream: upstream.to_owned(), source };
    let addresses: Vec<_> = upstream.to_socket_addrs().map_err(failed)?.collect();
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("address", &self.address)
            .field("faults", &self.faults())
            .finish_non_exhaustive()
    }
}

/// The examples of the documents are tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../docs/bad-networks.md")]
    struct BadNetworks;
}
