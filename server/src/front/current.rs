//! The request that a connection's thread has in hand: the token, made when it is asked for, the watch that comes with
//! it, and the body, for a handler that takes it.

use super::intake::Intake;
use super::link::{AtEnd, Link};
use super::message::Caller;
use super::render;
use super::request_body::{NoBody, RequestBody, Source};
use super::shared::Shared;
use super::stream::Stream;
use headstart::cancel::{CancelReason, CancelToken};
use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::io::{self, Read};
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

/// A request, for as long as a handler has it.
pub(super) struct CurrentRequest<'a> {
    shared: &'a Arc<Shared>,
    link: &'a Arc<Link>,
    stream: &'a RefCell<Stream>,
    received_at: Instant,
    token: OnceCell<CancelToken>,
    intake: RefCell<Intake>,
    /// Whether the client still waits for leave to send its body.
    waits_for_leave: Cell<bool>,
}

/// How a handler's time with a request went.
pub(super) struct Handled {
    /// Why the request was canceled, if it was.
    pub(super) canceled: Option<CancelReason>,
    /// How many bytes of the response have been sent.
    pub(super) early: usize,
    /// What is left of the body.
    pub(super) intake: Intake,
}

impl<'a> CurrentRequest<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        link: &'a Arc<Link>,
        stream: &'a RefCell<Stream>,
        received_at: Instant,
    ) -> CurrentRequest<'a> {
        CurrentRequest {
            shared,
            link,
            stream,
            received_at,
            token: OnceCell::new(),
            intake: RefCell::default(),
            waits_for_leave: Cell::new(false),
        }
    }

    /// With a body that the handler takes.
    pub(super) fn with_body(mut self, intake: Intake, waits_for_leave: bool) -> CurrentRequest<'a> {
        self.intake = RefCell::new(intake);
        self.waits_for_leave = Cell::new(waits_for_leave);
        self
    }

    fn begin(&self) -> CancelToken {
        let token = CancelToken::new();
        let at_end = if self.shared.identity.is_some() { AtEnd::Gone } else { AtEnd::Ask };
        if self.link.begin_request(token.clone(), self.received_at, at_end) {
            self.shared.watch.queue(self.link);
        }
        self.heed_cut(&token);
        token
    }

    /// Comes after the slot is filled: the cut looks there after it has changed the phase.
    fn heed_cut(&self, token: &CancelToken) {
        if self.shared.lifecycle.is_cutting() {
            token.cancel(CancelReason::Shutdown);
        }
    }

    /// Whether the body is over, or was none.
    pub(super) fn is_body_over(&self) -> bool {
        self.intake.borrow().is_over()
    }

    /// Ends the watch. Once this has returned nobody but the connection's thread writes to the socket.
    pub(super) fn end(self) -> Handled {
        let intake = self.intake.into_inner();
        let Some(token) = self.token.into_inner() else { return Handled { canceled: None, early: 0, intake } };
        let ongoing = self.link.end_request();
        if let Some(watched) = ongoing.as_ref().filter(|ongoing| ongoing.is_watched) {
            self.shared.watch.end(self.link, watched.id);
        }
        Handled { canceled: token.reason(), early: ongoing.map_or(0, |ongoing| ongoing.early), intake }
    }

    /// Ends the watch, but not the request: its response is streamed, and the drain can cancel it until
    /// [`Link::end_request`].
    pub(super) fn go_on(mut self) -> (Handled, CancelToken) {
        let token = self.token.take().unwrap_or_default();
        let (watched, early) = self.link.begin_response(&token, self.received_at);
        if let Some(request) = watched {
            self.shared.watch.end(self.link, request);
        }
        self.heed_cut(&token);
        (Handled { canceled: token.reason(), early, intake: self.intake.into_inner() }, token)
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
        RequestBody::new(CurrentBody { current: self, intake: self.intake.borrow_mut() })
    }

    fn send_interim(&self, status: u16, response: &[u8]) -> io::Result<()> {
        if status == 100 {
            self.waits_for_leave.set(false);
        }
        let early = self.link.begin_interim();
        let sent = self.stream.borrow_mut().send(&response[early..], self.shared.settings.write_timeout);
        self.link.end_interim();
        sent
    }

    fn token(&self) -> &CancelToken {
        self.token.get_or_init(|| self.begin())
    }
}

/// The body of a request whose handler takes it.
struct CurrentBody<'a> {
    current: &'a CurrentRequest<'a>,
    intake: RefMut<'a, Intake>,
}

impl CurrentBody<'_> {
    fn give_leave(&self) -> io::Result<()> {
        match self.current.waits_for_leave.get() {
            true => self.current.send_interim(100, &render::interim(100, b"")),
            false => Ok(()),
        }
    }
}

impl Read for CurrentBody<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.give_leave()?;
        let timeout = self.current.shared.settings.body_idle_timeout;
        self.intake.read(&mut self.current.stream.borrow_mut(), into, timeout)
    }
}

impl Source for CurrentBody<'_> {
    #[cfg(unix)]
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        self.intake.peek_now(&mut self.current.stream.borrow_mut())
    }

    #[cfg(unix)]
    fn consume(&mut self, bytes: usize) {
        self.intake.consume(bytes);
    }

    #[cfg(unix)]
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.current.link.stream.as_fd())
    }
}

/// A request of which only the head is looked at: nothing has begun yet.
pub(super) struct Announced<'a> {
    pub(super) shared: &'a Shared,
    pub(super) link: &'a Link,
    pub(super) token: OnceCell<CancelToken>,
}

impl Caller for Announced<'_> {
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
        RequestBody::new(NoBody)
    }

    fn send_interim(&self, _: u16, _: &[u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the request has not begun yet"))
    }

    fn token(&self) -> &CancelToken {
        self.token.get_or_init(CancelToken::new)
    }
}
