//! The connection beneath the `mysql` crate, kept where it can be ended.
//!
//! The problem: the crate opens its socket itself and hands it to nobody; all it offers are timeouts per read, which a
//! server that drips never exceeds, and nothing that another thread could pull. The answer: the crate, on a thread of
//! the crew, talks over the loopback to the calling thread, which has nothing else to do, holds the only connection to
//! the server and passes the bytes on. It waits in one `poll` with the call's deadline; when that comes, in whatever
//! phase, it shuts both sockets down, and the crate's thread comes home within microseconds.
//!
//! A [`Waker`] (a pair of sockets) wakes the poll: when the crate is done, and when the call is canceled.
//!
//! Rejected: a second descriptor of the crate's socket by `pidfd_getfd` (Linux only, refused in most containers, and
//! not there before the handshake is over); timeouts per read (a drip); a Unix socket instead of the loopback (the
//! crate takes it for a private way and would send the password readable). Cost: a copy and two thread switches per
//! round trip, some tens of microseconds.
//!
//! The listener on the loopback takes one connection and is closed. A foreign process that connected first would reach
//! the server's login, which it can reach without us as well, and the call would fail.

use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Crew, Job};
use crate::error::{Error, Phase, panic_message};
use crate::limit::TimeLimit;
use crate::net::hold::is_quiet;
use crate::ready::wait;
use crate::timeout::GRACE;
use crossbeam_channel::{Receiver, bounded};
use rustix::event::{PollFd, PollFlags};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Passed on at a time, in bytes.
const CHUNK: usize = 16 << 10;

/// A connection to the server, and where the crate reaches it.
pub(super) struct Tunnel {
    server: Arc<TcpStream>,
    local: Local,
    waker: Waker,
    /// Whether the connection waits for its next statement, with nothing said by halves.
    pub(super) is_at_rest: bool,
}

/// Our end of the connection to the crate.
enum Local {
    Awaited(TcpListener),
    Here(TcpStream),
}

/// What is run over a [`Tunnel`], and within which bounds.
pub(super) struct Bounds<'a> {
    pub(super) crew: &'a Crew,
    pub(super) label: Arc<str>,
    pub(super) limit: &'a TimeLimit,
    /// The most bytes taken from the server.
    pub(super) max_bytes: u64,
    /// What the call is doing, if it is all one phase.
    pub(super) phase: Option<Phase>,
}

impl Tunnel {
    /// Takes `server` over. The crate is to connect to the port on the loopback returned with the tunnel.
    pub(super) fn new(server: Arc<TcpStream>) -> io::Result<(Tunnel, u16)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        listener.set_nonblocking(true)?;
        server.set_nonblocking(true)?;
        Ok((Tunnel { server, local: Local::Awaited(listener), waker: Waker::new()?, is_at_rest: false }, port))
    }

    /// Shuts the connection to the server down.
    pub(super) fn hang_up(&self) -> impl Fn() + Send + 'static {
        let server = self.server.clone();
        move || drop(server.shutdown(Shutdown::Both)) // it fails when the server was faster
    }

    /// Whether the server has neither closed nor sent anything unasked.
    pub(super) fn is_quiet(&self) -> bool {
        is_quiet(&self.server)
    }

    /// Runs `work`, which uses the crate, on a thread of the crew and passes its bytes on until it returns.
    ///
    /// # Errors
    ///
    /// That the call was ended: then the connection is shut down and `work`'s thread is home, or is given up after
    /// [`GRACE`]. That no thread could be had, or that `work` panicked.
    pub(super) fn run<T: Send + 'static>(
        &mut self,
        bounds: Bounds<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (inbox, outcome) = bounded(1);
        let token = CancelToken::new();
        let job = {
            let waker = self.waker.sender.clone();
            move || {
                let result = catch_unwind(AssertUnwindSafe(work));
                drop(inbox.try_send(result.map_err(|panic| Error::Panicked(panic_message(&*panic).to_owned()))));
                wake(&waker);
            }
        };
        let label = bounds.label.clone();
        bounds.crew.spawn(Claim::Request, Job { label, token: Some(token.clone()), run: Box::new(job) })?;
        self.is_at_rest = false;
        let ended = match self.pass_on(&outcome, &bounds) {
            Ok(()) => return outcome.recv().unwrap_or_else(|_| Err(Error::TimedOut { during: Phase::Wait })),
            Err(ended) => ended,
        };
        self.hang_up()();
        if let Local::Here(local) = &self.local {
            let _ = local.shutdown(Shutdown::Both);
        }
        token.cancel(CancelReason::DeadlineExceeded);
        if outcome.recv_timeout(GRACE).is_err() {
            log::warn!("{} runs on after it was ended ({ended})", bounds.label);
        }
        Err(ended)
    }

    /// Passes bytes on until there is an outcome.
    fn pass_on<T>(&mut self, outcome: &Receiver<T>, bounds: &Bounds<'_>) -> Result<(), Error> {
        let sender = self.waker.sender.clone();
        let _canceled = bounds.limit.token().on_cancel(move |_| wake(&sender));
        let until = bounds.limit.deadline();
        let (mut to_server, mut to_crate) = (Pipe::new(), Pipe::new());
        let mut phase = Phase::Send;
        loop {
            if !outcome.is_empty() {
                return if to_crate.is_empty() { Ok(()) } else { Err(unasked()) };
            }
            if !to_server.is_empty() {
                phase = Phase::Send;
            }
            bounds.limit.check(bounds.phase.unwrap_or(phase))?;
            match &self.local {
                Local::Awaited(listener) => {
                    wait(&mut [self.waker.poll(), PollFd::new(listener, PollFlags::IN)], until)?;
                    match listener.accept() {
                        Ok((local, _)) => {
                            local.set_nonblocking(true)?;
                            local.set_nodelay(true)?;
                            self.local = Local::Here(local);
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error.into()),
                    }
                    self.waker.clear();
                }
                Local::Here(local) => {
                    let mut polled = [
                        self.waker.poll(),
                        to_server.poll(local, &self.server).unwrap_or(self.waker.poll()),
                        to_crate.poll(&self.server, local).unwrap_or(self.waker.poll()),
                    ];
                    wait(&mut polled, until)?;
                    let [woken, sent, received] = polled.map(|polled| !polled.revents().is_empty());
                    if woken {
                        self.waker.clear();
                    }
                    if sent {
                        to_server.advance(local, &self.server);
                        phase = Phase::Head;
                    }
                    if received {
                        to_crate.advance(&self.server, local);
                        phase = Phase::Body;
                    }
                    if to_crate.total > bounds.max_bytes {
                        return Err(Error::BodyTooLarge { limit: bounds.max_bytes });
                    }
                }
            }
        }
    }
}

impl Drop for Tunnel {
    /// Tells the server that no more is to come, so that it counts the connection as closed, not as lost.
    fn drop(&mut self) {
        const COM_QUIT: [u8; 5] = [1, 0, 0, 0, 1];
        if self.is_at_rest {
            let _ = (&*self.server).write(&COM_QUIT);
        }
    }
}

fn unasked() -> Error {
    Error::Protocol("the server sent more than it was asked for".to_owned())
}

/// One direction: what was read and has yet to be written.
struct Pipe {
    chunk: Vec<u8>,
    written: usize,
    read: usize,
    total: u64,
    ended: bool,
}

impl Pipe {
    fn new() -> Pipe {
        Pipe { chunk: vec![0; CHUNK], written: 0, read: 0, total: 0, ended: false }
    }

    fn is_empty(&self) -> bool {
        self.written == self.read
    }

    /// What has to happen before [`advance`](Pipe::advance) gets on; nothing, once the source has ended.
    fn poll<'a>(&self, from: &'a TcpStream, to: &'a TcpStream) -> Option<PollFd<'a>> {
        match (self.ended, self.is_empty()) {
            (true, _) => None,
            (false, true) => Some(PollFd::new(from, PollFlags::IN)),
            (false, false) => Some(PollFd::new(to, PollFlags::OUT)),
        }
    }

    /// Reads and writes what can be read and written now. The end of the source is passed on as such, and so is its
    /// failure: the target learns as much from the one as from the other.
    fn advance(&mut self, mut from: &TcpStream, mut to: &TcpStream) {
        if self.ended {
            return;
        }
        if self.is_empty() {
            match from.read(&mut self.chunk) {
                Ok(0) => self.end(to),
                Ok(read) => (self.written, self.read, self.total) = (0, read, self.total + read as u64),
                Err(error) if later(&error) => return,
                Err(_) => self.end(to),
            }
        }
        while !self.is_empty() {
            match to.write(&self.chunk[self.written..self.read]) {
                Ok(written) => self.written += written,
                Err(error) if later(&error) => return,
                Err(_) => {
                    // The other direction brings the reason why the target reads no more.
                    self.end(to);
                    let _ = from.shutdown(Shutdown::Read);
                }
            }
        }
    }

    fn end(&mut self, to: &TcpStream) {
        (self.written, self.read, self.ended) = (0, 0, true);
        let _ = to.shutdown(Shutdown::Write);
    }
}

fn later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// What wakes the poll.
struct Waker {
    receiver: UnixStream,
    sender: Arc<UnixStream>,
}

impl Waker {
    fn new() -> io::Result<Waker> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        Ok(Waker { receiver, sender: Arc::new(sender) })
    }

    fn poll(&self) -> PollFd<'_> {
        PollFd::new(&self.receiver, PollFlags::IN)
    }

    fn clear(&self) {
        let _ = (&self.receiver).read(&mut [0; 16]);
    }
}

fn wake(sender: &UnixStream) {
    let _ = (&*sender).write(&[1]); // a full pair rings as well
}
