//! One connection's socket, and what other threads may do with it.
//!
//! The connection's own thread owns the connection: it alone reads, and it alone writes responses. Two others come near
//! it, and this is all they can do: the drain ends the wait for a next request, and the client-gone watch sends the
//! opening of a response early. Both go through a [`Link`]. The thread itself takes that opening for an interim
//! response's where one is due.

use super::lifecycle::Lifecycle;
use crate::sync::lock;
use headstart::cancel::{CancelReason, CancelToken};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// What a connection's thread shares with the drain and the watch.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// Whether the thread waits for something the drain need not wait for. Set by the thread, read by the drain;
    /// sequentially consistent together with the phase, so that either the thread sees the drain or the drain sees the
    /// thread idle.
    idle: AtomicBool,
    /// Whether the receiving side was closed from here, after which its end says nothing about the client.
    deaf: AtomicBool,
    /// Taken by the connection's thread at a request's begin and end, by the watch and the drain in between; never held
    /// across a call that can block or a cleanup.
    pub(super) slot: Mutex<Slot>,
}

/// What the connection's thread and the watch know of each other.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The request under way. `None` between requests, and for requests without a token.
    pub(super) ongoing: Option<Ongoing>,
    /// Whether the connection is in the watch's queue.
    pub(super) is_queued: bool,
}

/// A request under way, as far as others may touch it.
#[derive(Debug)]
#[cfg_attr(not(unix), allow(dead_code, reason = "only the watch asks, which is absent there"))]
pub(super) struct Ongoing {
    pub(super) token: CancelToken,
    /// Tells this request from all others of this process.
    pub(super) id: u64,
    /// When its head was complete.
    pub(super) since: Instant,
    /// Whether the watch has the socket.
    pub(super) is_watched: bool,
    /// Whether its response is on its way, from which on the watch leaves the socket alone.
    pub(super) is_answered: bool,
    /// Whether the connection's thread is sending an interim response, into which the watch must not speak.
    pub(super) is_interim: bool,
    /// How many bytes of the response the watch has sent.
    pub(super) early: usize,
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

    /// The connection's thread is about to wait for a request. Under a drain it gets only what the client has sent
    /// already.
    pub(super) fn begin_idle(&self, lifecycle: &Lifecycle) {
        self.idle.store(true, Ordering::SeqCst);
        if lifecycle.is_draining() {
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

    /// Wakes the connection's thread when it waits for a request. What has arrived by now can still be read, so a
    /// request that is already here gets its answer.
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

    /// A request that began at `since` is under way, which `token` ends. Tells whether the watch has to be given the
    /// connection.
    pub(super) fn begin_request(&self, token: CancelToken, since: Instant, at_end: AtEnd) -> bool {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let mut slot = lock(&self.slot);
        slot.ongoing = Some(Ongoing {
            token,
            id,
            since,
            is_watched: false,
            is_answered: false,
            is_interim: false,
            early: 0,
            at_end,
        });
        !std::mem::replace(&mut slot.is_queued, true)
    }

    /// The response is on its way: nobody asks after the client any more, but `token` can still be canceled. Tells the
    /// request that is watched, and how many bytes of the response the watch has sent.
    pub(super) fn begin_response(&self, token: &CancelToken, since: Instant) -> (Option<u64>, usize) {
        let mut slot = lock(&self.slot);
        let ongoing = slot.ongoing.get_or_insert_with(|| Ongoing {
            token: token.clone(),
            id: 0,
            since,
            is_watched: false,
            is_answered: true,
            is_interim: false,
            early: 0,
            at_end: AtEnd::Ask,
        });
        ongoing.is_answered = true;
        let watched = std::mem::take(&mut ongoing.is_watched).then_some(ongoing.id);
        (watched, ongoing.early)
    }

    /// The connection's thread is about to send an interim response. Tells how many bytes of it have been sent.
    pub(super) fn begin_interim(&self) -> usize {
        lock(&self.slot).ongoing.as_mut().map_or(0, |ongoing| {
            ongoing.is_interim = true;
            std::mem::take(&mut ongoing.early)
        })
    }

    /// The interim response is out. It has asked after the client as well as the watch would have.
    pub(super) fn end_interim(&self) {
        if let Some(ongoing) = &mut lock(&self.slot).ongoing {
            ongoing.is_interim = false;
        }
    }

    /// Takes the request out. Nobody but the watch that has the socket touches it any more.
    pub(super) fn end_request(&self) -> Option<Ongoing> {
        lock(&self.slot).ongoing.take()
    }

    /// Cancels the request under way, if it has a token.
    pub(super) fn cancel(&self, reason: CancelReason) -> bool {
        let token = lock(&self.slot).ongoing.as_ref().map(|ongoing| ongoing.token.clone());
        token.is_some_and(|token| token.cancel(reason))
    }
}
