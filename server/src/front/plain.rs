//! The plain front: the same handlers on tiny_http, which is the server most people would take.
//!
//! One thread takes requests from tiny_http and lends each a worker of the [`Crew`]; the worker checks the head, calls
//! the handler and hands the answer back. That is all a front has to be, as long as nobody means it harm. It is here to
//! be compared with [`Server`](super::Server) and to be read, and belongs in trusted networks: tiny_http 0.12 is the
//! last release, of 2022, with CVE-2026-66752 and CVE-2026-66753 open.
//!
//! What it cannot do, and why:
//!
//! | missing | because tiny_http |
//! |---|---|
//! | limits on heads, connections and clients; timeouts of head, body, idle connection and answer | has none, and shows no socket to set one on |
//! | strict framing | has parsed the head before anybody sees it: what is refused with `400` was framed its way, and the connection stays open |
//! | noticing a client that leaves | shows no socket: the race runs to its end, and no access line says 499 |
//! | surviving `HTTP/2.0` in a request line | waits for itself: a thread and two descriptors for each are gone until the process ends |
//! | refusing a large body | allocates a declared `Content-Length` when the request is dropped: one above `--max-body` is never answered, and its connection and thread are gone until the process ends |
//! | an answer by `timeout` when an announced body comes late | waits for a body of up to 1 KiB before it hands the request out, and the time counts from there: at `timeout=300` and a body after 200 ms, `408` after 500 ms |
//! | a bound on a body that is announced and not sent | reads it after the answer: the worker is gone until the client is |
//! | refusing when no thread is left | would wait itself for the refusal's turn: requests wait for a thread; above `--max-in-flight` they get `503` as ever |
//! | `Connection: close` at a drain, `503` from `/readyz` meanwhile, and a last look into the queue of connections | writes that field itself, and closes its listener with the queue |
//! | ending idle connections at a stop | shows none of them: they end with the process |
//! | `Connection: keep-alive` for HTTP/1.0 | does not write it: `ab -k` hangs |
//! | counting connections | does not say: that figure stays 0 |
//! | TLS | was built without it |
//! | streamed answers, and tunnels after `101` | shows no socket: a stream is collected in memory and sent when it is over, one that fails is answered with `502`, a tunnel with `501` |
//! | interim answers | has none but `100`, which it sends when a body is first read |
//! | bodies in chunks, for handlers that take bodies | does not tell one that was cut from one that has ended: `411` |
//! | `body_idle_timeout`, and looking at a body without waiting | shows no socket: both wait for as long as the client does |
//!
//! What is helped from outside: a burst of connections is queued behind threads that will not come free, so the taking
//! thread keeps connecting to the server, each time waking one; an accept loop that has ended (out of descriptors or
//! threads) is seen by its error or by those connections being refused, and a new one takes its place (`listening.rs`);
//! a handler that panics is answered with `500`; a head that says two things is refused; an absurd length ends nothing.

mod answer;
mod exchange;
mod listening;
mod words;

use super::choice::Front;
use super::files::FileLimit;
use super::lifecycle::{GRACE, Lifecycle};
use super::message::Handler;
use super::settings::ServerSettings;
use super::stats::{Counters, Drained, ServerStats};
use crate::error::Error;
use crate::sync::{lock, wait_until};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::Deadline;
use headstart::cancel::{CancelReason, CancelToken};
use headstart::crew::{Claim, Crew, Job};
use listening::Listening;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A running server on tiny_http, for trusted networks. Dropping it is [`shutdown`](Front::shutdown) with no time to
/// drain.
///
/// Of its settings `listen`, `max_target`, `max_fields` and `max_body` have a meaning. What it cannot do is listed in
/// the README; beside that, answers always end whole, whatever their [`Ending`](super::Ending), streamed ones are
/// collected in memory and then sent, a tunnel is answered with `501`, interim responses are not sent, and of
/// [passed](super::Response::passed) ones the reason phrase and fields beyond ASCII are lost. A handler that
/// [takes bodies](Handler::takes_body) gets those of a known length; one in chunks is refused with `411`.
pub struct PlainServer {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    taking: Mutex<Option<JoinHandle<()>>>,
}

/// What all threads of a server share.
struct Shared {
    crew: Crew,
    handler: Arc<dyn Handler>,
    settings: ServerSettings,
    lifecycle: Lifecycle,
    counters: Counters,
    /// Requests that were taken and wait for a worker, which is on its way as a rule.
    taken: (Sender<Taken>, Receiver<Taken>),
    /// The token of every request: as nobody sees a client leave, only a stop cancels them, all at once.
    cut: CancelToken,
    /// Requests taken whose answer is not out yet.
    under_way: Mutex<usize>,
    /// Signalled when there is none any more.
    left: Condvar,
}

struct Taken {
    request: tiny_http::Request,
    at: Instant,
}

impl PlainServer {
    /// Listens and serves on threads of `crew` until [`shutdown`](Front::shutdown).
    ///
    /// Warns when others than this machine can reach it. Raises the process's soft limit of open files to its hard
    /// limit.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when a setting cannot be, [`Error::Listen`] when the address cannot be listened on,
    /// [`Error::ThreadStart`] when the system refuses a thread.
    pub fn start(crew: &Crew, settings: ServerSettings, handler: Arc<dyn Handler>) -> Result<PlainServer, Error> {
        settings.check()?;
        if settings.tls.is_some() {
            let (key, value) = ("tls".to_owned(), "a certificate".to_owned());
            return Err(Error::Setting { key, value, allowed: "nothing: tiny_http speaks no TLS here".to_owned() });
        }
        FileLimit::raise();
        let (listening, local_addr) = Listening::begin(&settings.listen)?;
        if !local_addr.ip().is_loopback() {
            log::warn!(
                "tiny_http listens on {local_addr}, where others can reach it: it has no limits and no timeouts, and \
                 a single request can take a thread for good or end the process; keep it in a trusted network"
            );
        }
        let shared = Arc::new(Shared {
            crew: crew.clone(),
            handler,
            settings,
            lifecycle: Lifecycle::new(),
            counters: Counters::default(),
            taken: unbounded(),
            cut: CancelToken::new(),
            under_way: Mutex::new(0),
            left: Condvar::new(),
        });
        let builder = thread::Builder::new().name("headstart-take".to_owned());
        let taking = builder.spawn({
            let shared = shared.clone();
            move || shared.take(listening)
        });
        Ok(PlainServer { shared, local_addr, taking: Mutex::new(Some(taking.map_err(Error::ThreadStart)?)) })
    }
}

impl Shared {
    /// The taking thread: requests come in until the server drains, and then what tiny_http has already.
    fn take(self: &Arc<Self>, mut listening: Listening) {
        let mut is_short = false;
        while !self.lifecycle.is_draining() {
            let under_way = *lock(&self.under_way);
            if let Some(request) = listening.next(under_way) {
                is_short |= self.accept(request).is_err();
            }
            // There was no thread for a worker, and those that were at work may have ended meanwhile.
            if is_short {
                is_short = !self.taken.1.is_empty() && self.call_worker().is_err();
            }
        }
        listening.end(|request| {
            let _ = self.accept(request); // without a worker it is one of those that the stop cuts
        });
    }

    /// Fails when there was no thread for a worker, and keeps the request.
    fn accept(self: &Arc<Self>, request: tiny_http::Request) -> Result<(), headstart::Error> {
        *lock(&self.under_way) += 1;
        // Never full, and this server holds a receiver.
        let _ = self.taken.0.try_send(Taken { request, at: Instant::now() });
        self.call_worker()
    }

    /// Lends a worker, who answers requests until none is left. Without a thread for one they wait for those at work.
    fn call_worker(self: &Arc<Self>) -> Result<(), headstart::Error> {
        let shared = self.clone();
        let run = Box::new(move || {
            while let Ok(taken) = shared.taken.1.try_recv() {
                let _under_way = UnderWay(&shared);
                shared.answer(taken);
            }
        });
        let called = self.crew.spawn(Claim::Request, Job { label: "request".into(), token: None, run });
        called.inspect_err(|error| log::debug!("a request waits for a thread: {error}"))
    }

    fn wait_until_left(&self, deadline: Deadline) -> usize {
        let mut under_way = lock(&self.under_way);
        while *under_way > 0 && !deadline.has_passed() {
            under_way = wait_until(&self.left, under_way, deadline.instant());
        }
        *under_way
    }
}

/// A request's place among those under way.
struct UnderWay<'a>(&'a Shared);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.0.under_way);
        *under_way -= 1;
        if *under_way == 0 {
            self.0.left.notify_all();
        }
    }
}

impl Front for PlainServer {
    fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    fn stats(&self) -> ServerStats {
        let counters = &self.shared.counters;
        ServerStats {
            connections: 0,
            in_flight: *lock(&self.shared.under_way),
            answered: counters.answered.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            refused_connections: 0,
            clients_gone: 0,
            is_draining: self.shared.lifecycle.is_draining(),
        }
    }

    /// Stops: listens no more, answers what it has, and cancels what is left when the time is over.
    fn shutdown(&self, drain_timeout: Duration) -> Drained {
        let shared = &self.shared;
        let deadline = Deadline::after(drain_timeout);
        let answered_before = shared.counters.answered.load(Ordering::Relaxed);
        shared.lifecycle.drain();
        if let Some(thread) = lock(&self.taking).take() {
            let _ = thread.join();
        }
        let mut drained = Drained { canceled: shared.wait_until_left(deadline), ..Drained::default() };
        if drained.canceled > 0 {
            shared.lifecycle.cut();
            shared.cut.cancel(CancelReason::Shutdown);
            drained.cut = shared.wait_until_left(Deadline::after(GRACE));
        }
        drained.answered = shared.counters.answered.load(Ordering::Relaxed) - answered_before;
        drained
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        if lock(&self.taking).is_some() {
            self.shutdown(Duration::ZERO);
        }
    }
}

impl fmt::Debug for PlainServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainServer").field("local_addr", &self.local_addr).field("stats", &self.stats()).finish()
    }
}
