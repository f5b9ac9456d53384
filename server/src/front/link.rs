//! One connection's socket, and what other threads may do with it.
//!
//! The connection's own thread owns the connection: it alone reads, and it alone writes responses. Two others come near
//! it, and this is all they can do: the drain ends the wait for a next request, and the client-gone watch sends the opening of
//! a response early. Both go through a [`Link`].

use super::Shared;
use super::message::Caller;
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::AlarmGuard;
use crate::sync::lock;
use std::cell::OnceCell;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a request has to last before its client is watched. Most requests are answered before, and pay an entry in
/// the alarm's tree instead of two system calls.
const WATCH_AFTER: Duration = Duration::from_millis(10);

/// What a connection's thread shares with the drain and the watch.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// Whether the thread waits for something the drain need not wait for. Set by the thread, read by the drain; sequentially
    /// consistent together with the phase, so that either the thread sees the drain or the drain sees the thread idle.
    idle: AtomicBool,
    /// Whether the receiving side was closed from here, after which its end says nothing about the client.
    deaf: AtomicBool,
    /// Taken by the connection's thread at a request's begin and end, by the alarm and the watch in between; never held
    /// across a call that can block or a cleanup.
    pub(super) slot: Mutex<Slot>,
}

/// The request under way, as far as others may touch it. Empty between requests, and for requests without a token.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) token: Option<CancelToken>,
    /// Tells this request from all others of this process; 0 when there is none.
    pub(super) request: u64,
    /// Whether the watch has the socket.
    pub(super) watched: bool,
    /// How many bytes of the response the watch has sent.
    pub(super) early: usize,
    #[cfg_attr(not(unix), allow(dead_code, reason = "only the watch asks, which is absent there"))]
    pub(super) at_end: AtEnd,
}

/// What the end of a client's sending means while its request is worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// Ask, by sending the opening of the response, whether the client is still there.
    #[default]
    Ask,
    /// The client has gone. Under TLS there is nothing to ask with, and hardly a client closes one side only.
    Gone,
}

impl Link {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr) -> Link {
        Link { stream, peer, idle: AtomicBool::new(false), deaf: AtomicBool::new(false), slot: Mutex::default() }
    }

    /// The connection's thread is about to wait for a request. Under a drain it gets only what the client has sent already.
    pub(super) fn begin_idle(&self, shared: &Shared) {
        self.idle.store(true, Ordering::SeqCst);
        if shared.is_draining() {
            self.end_idle_wait();
        }
    }

    /// The first bytes of a request are here.
    pub(super) fn end_idle(&self) {
        self.idle.store(false, Ordering::SeqCst);
    }

    /// The last answer is out, and the connection's thread is about to wait for the client to close.
    pub(super) fn begin_linger(&self) {
        self.idle.store(true, Ordering::SeqCst);
    }

    /// Wakes the connection's thread when it waits for a request. What has arrived by now can still be read, so a request
    /// that is already here gets its answer.
    pub(super) fn end_idle_wait(&self) {
        if self.idle.load(Ordering::SeqCst) {
            self.deaf.store(true, Ordering::SeqCst);
            let _ = self.stream.shutdown(Shutdown::Read);
        }
    }

    /// Whether [`Link::end_idle_wait`] has closed the receiving side. The system reports that like a client's FIN.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only the watch asks, which is absent there"))]
    pub(super) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::SeqCst)
    }

    /// Cancels the request under way, if it has a token.
    pub(super) fn cancel(&self, reason: CancelReason) -> bool {
        let token = lock(&self.slot).token.clone();
        token.is_some_and(|token| token.cancel(reason))
    }
}

static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

/// The time a handler has a request: the token, made when it is asked for, and the watch that comes with it.
pub(super) struct Lease<'a> {
    shared: &'a Arc<Shared>,
    link: &'a Arc<Link>,
    made: OnceCell<(CancelToken, AlarmGuard)>,
}

impl Caller for Lease<'_> {
    fn peer(&self) -> SocketAddr {
        self.link.peer
    }

    fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    fn token(&self) -> &CancelToken {
        &self.made.get_or_init(|| self.begin()).0
    }
}

/// What remains of a lease.
pub(super) struct Leased {
    /// Why the request was cancelled, if it was.
    pub(super) canceled: Option<CancelReason>,
    /// How many bytes of the response have been sent.
    pub(super) early: usize,
}

impl<'a> Lease<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, link: &'a Arc<Link>) -> Lease<'a> {
        Lease { shared, link, made: OnceCell::new() }
    }

    fn begin(&self) -> (CancelToken, AlarmGuard) {
        let token = CancelToken::new();
        let request = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
        let at_end = if self.shared.identity.is_some() { AtEnd::Gone } else { AtEnd::Ask };
        *lock(&self.link.slot) = Slot { token: Some(token.clone()), request, watched: false, early: 0, at_end };
        // After the slot is filled: who cuts looks there after it has changed the phase.
        if self.shared.is_cutting() {
            token.cancel(CancelReason::Shutdown);
        }
        let (shared, link) = (self.shared.clone(), self.link.clone());
        let alarm =
            self.shared.crew.alarm().set(Instant::now() + WATCH_AFTER, move || shared.watch.begin(&link, request));
        (token, alarm)
    }

    /// Ends the watch. Once this has returned nobody but the connection's thread writes to the socket.
    pub(super) fn end(self) -> Leased {
        let Some((token, alarm)) = self.made.into_inner() else {
            return Leased { canceled: None, early: 0 };
        };
        drop(alarm);
        let slot = std::mem::take(&mut *lock(&self.link.slot));
        if slot.watched {
            self.shared.watch.end(self.link, slot.request);
        }
        Leased { canceled: token.reason(), early: slot.early }
    }
}
