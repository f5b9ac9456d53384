//! Noticing that a client has gone while its request is being worked on.
//!
//! The problem: the connection's thread is busy with the request and reads nothing, so it learns of a client's leaving when
//! it writes the answer, too late to save the work. A FIN alone does not say it either: a client that shuts its sending side
//! down (`nc -N`) and waits for the answer sends the very same.
//!
//! The answer: one thread asks the system (epoll, kqueue) about the sockets of requests that last. A reset means gone. At a FIN it
//! sends the opening of the response, `HTTP/1.1 `, which is the same for every response: a client that is there takes it as
//! what it is, one that has closed its socket answers with a reset. The connection's thread later sends the rest.
//!
//! Invariants: the watch never reads, so pipelined bytes stay where they are, and being edge-triggered it does not spin over
//! them. It writes only under the lock of the [`Link`]'s slot and only without waiting. A cancellation runs without a lock.
//!
//! What this does not do: see a FIN behind more pipelined bytes than the receive buffer holds, or notice that a client which
//! half-closed and took the opening has closed since. Such a request runs to its end. Under TLS nothing can be sent early, so a
//! FIN means gone there. A `close_notify` without a FIN changes nothing before the request is over: it is encrypted like everything
//! else (in TLS 1.3 by the look of it too), the session that could read it is the busy thread's, and sharing that would put a lock
//! around every read. Nor should it: who says it may still read (RFC 8446, section 6.1), so it gets its answer.

use super::link::{AtEnd, Link};
use super::render::OPENING;
use crate::cancel::CancelReason;
use crate::sync::lock;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use rustix::net::SendFlags;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

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
    /// By request. Taken after a slot's lock or without it, never before.
    watched: Mutex<HashMap<u64, Arc<Link>>>,
    stopping: AtomicBool,
    /// Clients found gone.
    gone: AtomicU64,
}

impl Watch {
    /// Starts the watching thread. It ends after [`Watch::stop`].
    pub(super) fn start() -> io::Result<(Arc<Watch>, JoinHandle<()>)> {
        let mut poll = Poll::new()?;
        let watch = Arc::new(Watch {
            registry: poll.registry().try_clone()?,
            waker: Waker::new(poll.registry(), WAKE)?,
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

    /// Begins to watch the client of `request`, unless that has ended meanwhile. Called by the alarm.
    pub(super) fn begin(&self, link: &Arc<Link>, request: u64) {
        let mut slot = lock(&link.slot);
        if slot.request != request {
            return;
        }
        lock(&self.watched).insert(request, link.clone());
        // Edge-triggered, and what is the case already counts as the first edge: a FIN from before is not missed.
        let source = &mut SourceFd(&link.stream.as_raw_fd());
        match self.registry.register(source, Token(request as usize), Interest::READABLE) {
            Ok(()) => slot.watched = true,
            Err(error) => {
                lock(&self.watched).remove(&request);
                log::debug!("client {} is not watched: {error}", link.peer);
            }
        }
    }

    /// Ends the watch over a socket that [`Watch::begin`] took. Called by the connection's thread.
    pub(super) fn end(&self, link: &Link, request: u64) {
        let _ = self.registry.deregister(&mut SourceFd(&link.stream.as_raw_fd()));
        lock(&self.watched).remove(&request);
    }

    fn serve(&self, poll: &mut Poll) {
        let mut events = Events::with_capacity(256);
        while !self.stopping.load(Ordering::SeqCst) {
            match poll.poll(&mut events, None) {
                Ok(()) => events.iter().filter(|event| event.token() != WAKE).for_each(|event| self.look(event)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!("the watch for clients that leave has ended: {error}");
                    return;
                }
            }
        }
    }

    fn look(&self, event: &Event) {
        let request = event.token().0 as u64;
        let Some(link) = lock(&self.watched).get(&request).cloned() else { return };
        let token = {
            let mut slot = lock(&link.slot);
            if slot.request != request {
                return; // an event of an earlier request on this socket
            }
            let is_gone = event.is_error()
                || event.is_write_closed()
                || event.is_read_closed()
                    && match slot.at_end {
                        AtEnd::Gone => !link.is_deaf(),
                        AtEnd::Ask => slot.early == 0 && !is_listening(&link, &mut slot.early),
                    };
            slot.token.clone().filter(|_| is_gone)
        };
        if token.is_some_and(|token| token.cancel(CancelReason::ClientGone)) {
            self.gone.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sends the opening of the response. `false` when that shows at once that nobody is there; if it shows later, by a reset,
/// there is one more event.
fn is_listening(link: &Link, early: &mut usize) -> bool {
    match rustix::net::send(&link.stream, OPENING, AT_ONCE) {
        Ok(sent) => {
            *early = sent;
            true
        }
        Err(error) => error == rustix::io::Errno::AGAIN || error == rustix::io::Errno::INTR,
    }
}
