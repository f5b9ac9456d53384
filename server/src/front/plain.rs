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
//!
//! What is helped from outside: a burst of connections is queued behind threads that will not come free, so the taking
//! thread keeps connecting to the server, each time waking one; an accept loop that has ended (out of descriptors or
//! threads) is seen by its error or by those connections being refused, and a new one takes its place (`listening.rs`);
//! a handler that panics is answered with `500`; a head that says two things is refused; an absurd length ends nothing.

mod listening;

use super::access::Access;
use super::choice::Front;
use super::files::FileLimit;
use super::framing::{self, HeadLimits, Refusal, Version};
use super::lifecycle::{GRACE, Lifecycle};
use super::message::{Caller, Handler, Request, respond};
use super::request_body::RequestBody;
use super::response::{Content, Note, Response};
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
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tiny_http::{HTTPVersion, Header, StatusCode};

/// A running server on tiny_http, for trusted networks. Dropping it is [`shutdown`](Front::shutdown) with no time to
/// drain.
///
/// Of its settings `listen`, `max_target`, `max_fields` and `max_body` have a meaning. What it cannot do is listed in
/// the README; beside that, answers always end whole, whatever their [`Ending`](super::Ending).
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
        if request.body_length().is_some_and(|length| length as u64 > self.settings.max_body) {
            log::warn!(
                "a request is not answered: its body is larger than max_body, and tiny_http would allocate all of it"
            );
            self.counters.refused();
            // Dropping it is what allocates. The connection is lost with it, and its thread.
            std::mem::forget(request);
            return Ok(());
        }
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

    /// One request, from its head to its answer.
    fn answer(&self, Taken { request, at }: Taken) {
        let client = request.remote_addr().copied().unwrap_or_else(|| ([0, 0, 0, 0], 0).into());
        let (method, target) = (request.method().as_str().to_owned(), request.url().to_owned());
        let response = self.respond_to(&request, client, at);
        let is_head = request.method() == &tiny_http::Method::Head;
        let bytes = if is_head { 0 } else { response.body().len() };
        // Before it is sent: tiny_http does not say when an answer is out.
        let (status, notes) = (response.status, response.notes.as_slice());
        Access {
            client,
            method: &method,
            path: &target.escape_debug().to_string(),
            status,
            bytes,
            elapsed: at.elapsed(),
            notes,
        }
        .log();
        self.counters.answered();
        if let Err(error) = request.respond(in_their_words(response)) {
            log::debug!("client {client} lost: {error}");
        }
    }

    fn respond_to(&self, request: &tiny_http::Request, client: SocketAddr, received_at: Instant) -> Response {
        let fields: Vec<_> = request
            .headers()
            .iter()
            .map(|field| httparse::Header { name: field.field.as_str().as_str(), value: field.value.as_bytes() })
            .collect();
        match self.check(request, &fields) {
            Ok(head) => {
                let caller = PlainCaller { shared: self, address: client };
                respond(&*self.handler, &Request { head: &head, caller: &caller, received_at })
            }
            Err(Refusal { status, why }) => {
                self.counters.refused();
                Response::problem(status, why).with_note("refused", Note::Word(why))
            }
        }
    }

    /// What [`Server`](super::Server) would say of this head, as far as tiny_http passes it on.
    fn check<'a>(
        &self,
        request: &'a tiny_http::Request,
        fields: &'a [httparse::Header<'a>],
    ) -> Result<framing::Head<'a>, Refusal> {
        let limits = HeadLimits { head: self.settings.max_head, target: self.settings.max_target };
        let version = if *request.http_version() < HTTPVersion(1, 1) { Version::Http10 } else { Version::Http11 };
        let is_visible = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        if fields.len() > self.settings.max_fields {
            return Err(Refusal { status: 431, why: "too many header fields" });
        }
        if !is_visible(request.url().as_bytes()) || !fields.iter().all(|field| is_visible(field.value)) {
            return Err(Refusal { status: 400, why: "control character in the head" });
        }
        framing::assemble(request.method().as_str(), request.url(), version, fields, limits)
    }

    fn wait_until_left(&self, deadline: Deadline) -> usize {
        let mut under_way = lock(&self.under_way);
        while *under_way > 0 && !deadline.has_passed() {
            under_way = wait_until(&self.left, under_way, deadline.instant());
        }
        *under_way
    }
}

/// Our answer as tiny_http's. It has the length beforehand, so it is not sent in chunks.
fn in_their_words(response: Response) -> tiny_http::Response<Cursor<std::borrow::Cow<'static, [u8]>>> {
    let field = |name: &str, value: &str| Header::from_bytes(name, value).expect("a response holds ASCII alone");
    let Content::Own(content_type, body) = response.content else { todo!() };
    let mut fields = vec![field("Content-Type", content_type)];
    fields.extend(response.headers.iter().map(|(name, value)| field(name, value)));
    let length = body.len();
    tiny_http::Response::new(StatusCode(response.status), fields, Cursor::new(body), Some(length), None)
        .with_chunked_threshold(usize::MAX)
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

struct PlainCaller<'a> {
    shared: &'a Shared,
    address: SocketAddr,
}

impl Caller for PlainCaller<'_> {
    fn peer(&self) -> SocketAddr {
        self.address
    }

    fn is_secure(&self) -> bool {
        false
    }

    fn body(&self) -> RequestBody<'_> {
        todo!()
    }

    fn send_interim(&self, _response: &[u8]) -> io::Result<()> {
        todo!()
    }

    fn token(&self) -> &CancelToken {
        &self.shared.cut
    }

    fn is_draining(&self) -> bool {
        self.shared.lifecycle.is_draining()
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
