//! The request that a connection's thread has in hand: the token, made when it is asked for, and the watch that comes
//! with it.

use super::link::{AtEnd, Link};
use super::message::Caller;
use super::request_body::RequestBody;
use super::shared::Shared;
use headstart::cancel::{CancelReason, CancelToken};
use std::cell::OnceCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A request, for as long as a handler has it.
pub(super) struct CurrentRequest<'a> {
    shared: &'a Arc<Shared>,
    link: &'a Arc<Link>,
    received_at: Instant,
    token: OnceCell<CancelToken>,
}

/// How a handler's time with a request went.
pub(super) struct Handled {
    /// Why the request was canceled, if it was.
    pub(super) canceled: Option<CancelReason>,
    /// How many bytes of the response have been sent.
    pub(super) early: usize,
}

impl<'a> CurrentRequest<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, link: &'a Arc<Link>, received_at: Instant) -> CurrentRequest<'a> {
        CurrentRequest { shared, link, received_at, token: OnceCell::new() }
    }

    fn begin(&self) -> CancelToken {
        let token = CancelToken::new();
        let at_end = if self.shared.identity.is_some() { AtEnd::Gone } else { AtEnd::Ask };
        if self.link.begin_request(token.clone(), self.received_at, at_end) {
            self.shared.watch.queue(self.link);
        }
        // After the slot is filled: the cut looks there after it has changed the phase.
        if self.shared.lifecycle.is_cutting() {
            token.cancel(CancelReason::Shutdown);
        }
        token
    }

    /// Ends the watch. Once this has returned nobody but the connection's thread writes to the socket.
    pub(super) fn end(self) -> Handled {
        let Some(token) = self.token.into_inner() else { return Handled { canceled: None, early: 0 } };
        let ongoing = self.link.end_request();
        if let Some(watched) = ongoing.as_ref().filter(|ongoing| ongoing.is_watched) {
            self.shared.watch.end(self.link, watched.id);
        }
        Handled { canceled: token.reason(), early: ongoing.map_or(0, |ongoing| ongoing.early) }
    }
}

impl Caller for CurrentRequest<'_> {
    fn peer(&self) -> SocketAddr {
        self.link.peer
    }

    fn is_draining(&self) -> bool {
        self.shared.lifecycle.is_draining()
    }

    fn is_secure(&self) -> bool {
        self.shared.identity.is_some()
    }

    fn body(&self) -> RequestBody<'_> {
        todo!()
    }

    fn send_interim(&self, _response: &[u8]) -> io::Result<()> {
        todo!()
    }

    fn token(&self) -> &CancelToken {
        self.token.get_or_init(|| self.begin())
    }
}
