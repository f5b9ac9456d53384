//! Noticing that a client has gone while its request is being worked on.
//!
//! The problem: the connection's thread is busy with the request and reads nothing, so it learns of a client's leaving
//! when it writes the answer, too late to save the work. A FIN alone does not say it either: a client that shuts its
//! sending side down (`nc -N`) and waits for the answer sends the very same.
//!
//! The answer: one thread asks the system (epoll, kqueue) about the sockets of requests that last. A reset means gone.
//! At a FIN it sends the opening of the response, `HTTP/1.1 `, which is the same for every response: a client that is
//! there takes it as what it is, one that has closed its socket answers with a reset. The connection's thread later
//! sends the rest.
//!
//! Most requests are over before a watch would tell anything, and asking the system costs two calls. So a request that
//! begins only puts its connection in a queue, and not even that if the connection is still there from an earlier
//! request. The thread goes through the queue every [`TICK`] and takes the sockets of those requests that have lasted
//! [`WATCH_AFTER`]. It keeps that time itself, by the timeout of its poll, and stops when nobody has come for
//! [`QUIET_TICKS`]; only the next request then makes a system call to wake it.
//!
//! Invariants: the watch never reads, so pipelined bytes stay where they are, and being edge-triggered it does not spin
//! over them. It writes only under the lock of the [`Link`]'s slot and only without waiting. A cancellation runs
//! without a lock.
//!
//! Once the head of the response is on its way the watch is over: who sends the body finds out, and the drain can still
//! cancel the request.
//!
//! What this does not do: see a FIN behind more pipelined bytes than the receive buffer holds, or notice that a client
//! which half-closed and took the opening has closed since. Such a request runs to its end. Under TLS nothing can be
//! sent early, so a FIN means gone there. A `close_notify` without a FIN changes nothing before the request is over: it
//! is encrypted like everything else (in TLS 1.3 by the look of it too), the session that could read it is the busy
//! thread's, and sharing that would put a lock around every read. Nor should it: who says it may still read (RFC 8446,
//! section 6.1), so it gets its answer.

use super::link::{AtEnd, Link, Ongoing};
use super::render::OPENING;
use crate::sync::lock;
use headstart::cancel::CancelReason;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use rustix::net::SendFlags;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a request has to last before its client is watched.
const WATCH_AFTER: Duration = Duration::from_millis(10);

/// How often the queue is looked through while there is something in it: a request is watched that much later at most.
const TICK: Duration = Duration::from_millis(10);

/// After so many ticks with nothing in the queue there are no more, until it is filled again.
const QUIET_TICKS: u32 = 10;

const WAKE: Token = Token(0);

#[cfg(target_vendor = "apple")]
const AT_ONCE: SendFlags = SendFlags::DONTWAIT;
#[cfg(not(target_vendor = "apple"))]
const AT_ONCE: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// The sockets under watch.
#[derive(Debug)]
pub(super) struct Watch {
    registry: Registry,
    waker: Waker,
    queue: Mutex<Queue>,
    /// By request. Taken after a slot's lock or without it, never before.
    watched: Mutex<HashMap<u64, Arc<Link>>>,
    stopping: AtomicBool,
    /// Clients found gone.
    gone: AtomicU64,
}

/// The connections with a request that may be watched soon. Its lock is taken without any other.
#[derive(Debug, Default)]
struct Queue {
    /// Each connection once. Weak, so that nobody but its own thread keeps a socket open.
    links: Vec<Weak<Link>>,
    /// Whether the thread keeps ticking. Otherwise it has to be woken.
    ticks: bool,
}

impl Watch {
    /// Starts the watching thread. It ends after [`Watch::stop`].
    pub(super) fn start() -> io::Result<(Arc<Watch>, JoinHandle<()>)> {
        let mut poll = Poll::new()?;
        let watch = Arc::new(Watch {
            registry: poll.registry().try_clone()?,
            waker: Waker::new(poll.registry(), WAKE)?,
            queue: Mutex::default(),
            watched: Mutex::default(),
            stopping: AtomicBool::new(false),
            gone: AtomicU64::new(0),
        });
        let thread = thread::Builder::new().name("headstart-watch".to_owned()).spawn({
            let watch = watch.clone();
            move || watch.serve(&mut poll)
        })?;
        Ok((watch, thread))
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = self.waker.wake();
    }

    /// How many clients were found gone so far.
    pub(super) fn gone(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }

    /// The connection has a request that may have to be watched. Called by the connection's thread, when
    /// [`Link::begin_request`] says that it is not in the queue.
    pub(super) fn queue(&self, link: &Arc<Link>) {
        let ticks = {
            let mut queue = lock(&self.queue);
            queue.links.push(Arc::downgrade(link));
            std::mem::replace(&mut queue.ticks, true)
        };
        if !ticks {
            let _ = self.waker.wake();
        }
    }

    /// Watches the client of a request that has lasted, and says whether the connection stays in the queue.
    fn consider(&self, link: &Arc<Link>, now: Instant) -> bool {
        let mut slot = lock(&link.slot);
        match &mut slot.ongoing {
            Some(request) if request.is_answered => {}
            Some(request) if now.saturating_duration_since(request.since) < WATCH_AFTER => return true,
            Some(request) => self.begin(link, request),
            None => {}
        }
        slot.is_queued = false;
        false
    }

    fn begin(&self, link: &Arc<Link>, request: &mut Ongoing) {
        lock(&self.watched).insert(request.id, link.clone());
        // Edge-triggered, and what is the case already counts as the first edge: a FIN from before is not missed.
        let socket = link.stream.as_raw_fd();
        match self.registry.register(&mut SourceFd(&socket), Token(request.id as usize), Interest::READABLE) {
            Ok(()) => request.is_watched = true,
            Err(error) => {
                lock(&self.watched).remove(&request.id);
                log::debug!("client {} is not watched: {error}", link.peer);
            }
        }
    }

    /// Ends the watch over the client of `request`. Called by the connection's thread, for one that is watched.
    pub(super) fn end(&self, link: &Link, request: u64) {
        let socket = link.stream.as_raw_fd();
        let _ = self.registry.deregister(&mut SourceFd(&socket));
        lock(&self.watched).remove(&request);
    }

    fn serve(&self, poll: &mut Poll) {
        let mut events = Events::with_capacity(256);
        let mut ticker = Ticker::default();
        while !self.stopping.load(Ordering::SeqCst) {
            match poll.poll(&mut events, ticker.time_left()) {
                Ok(()) => events.iter().filter(|event| event.token() != WAKE).for_each(|event| self.look(event)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!("the watch for clients that leave has ended: {error}");
                    return;
                }
            }
            self.tick(&mut ticker);
        }
    }

    /// Goes through the queue, if it is time to.
    fn tick(&self, ticker: &mut Ticker) {
        let now = Instant::now();
        match ticker.next {
            Some(next) if now < next => return,
            Some(_) => {
                std::mem::swap(&mut lock(&self.queue).links, &mut ticker.links);
                ticker.links.retain(|link| link.upgrade().is_some_and(|link| self.consider(&link, now)));
            }
            None => {}
        }
        let mut queue = lock(&self.queue);
        queue.links.append(&mut ticker.links);
        ticker.quiet = if queue.links.is_empty() { ticker.quiet + 1 } else { 0 };
        queue.ticks = ticker.quiet < QUIET_TICKS;
        ticker.next = queue.ticks.then(|| now + TICK);
    }

    fn look(&self, event: &Event) {
        let request = event.token().0 as u64;
        let Some(link) = lock(&self.watched).get(&request).cloned() else { return };
        let token = {
            let mut slot = lock(&link.slot);
            let is_of = |ongoing: &&mut Ongoing| ongoing.id == request && !ongoing.is_answered;
            let Some(ongoing) = slot.ongoing.as_mut().filter(is_of) else {
                return; // an event of an earlier request on this socket, or of one that is being answered
            };
            let is_gone = event.is_error()
                || event.is_write_closed()
                || event.is_read_closed()
                    && match ongoing.at_end {
                        AtEnd::Gone => !link.is_deaf(),
                        AtEnd::Ask => {
                            ongoing.early == 0 && !ongoing.is_interim && !is_listening(&link, &mut ongoing.early)
                        }
                    };
            is_gone.then(|| ongoing.token.clone())
        };
        if token.is_some_and(|token| token.cancel(CancelReason::ClientGone)) {
            self.gone.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// When the thread goes through the queue.
#[derive(Default)]
struct Ticker {
    /// `None` while nobody is in the queue.
    next: Option<Instant>,
    /// Ticks in a row that have left the queue empty.
    quiet: u32,
    /// The queue while it is gone through.
    links: Vec<Weak<Link>>,
}

impl Ticker {
    fn time_left(&self) -> Option<Duration> {
        self.next.map(|next| next.saturating_duration_since(Instant::now()))
    }
}

/// Sends the opening of the response. `false` when that shows at once that nobody is there; if it shows later, by a
/// reset, there is one more event.
fn is_listening(link: &Link, early: &mut usize) -> bool {
    match rustix::net::send(&link.stream, OPENING, AT_ONCE) {
        Ok(sent) => {
            *early = sent;
            true
        }
        Err(error) => error == rustix::io::Errno::AGAIN || error == rustix::io::Errno::INTR,
    }
}
