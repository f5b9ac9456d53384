//! SIGTERM under load, twenty times over: nothing that was admitted is lost.
//!
//! A request is **admitted** when all its bytes were in the server's receive buffer, or its connection in the accept
//! queue with them, before the server closed that connection for reading. A client cannot see that moment, so two
//! sides witness it: what was written before the signal was sent is admitted (over the loopback interface a write that
//! has returned has arrived), and what the upstream has seen is. An admitted request gets its whole answer. Any other
//! one gets either that or not a single byte, so that its client may safely send it again elsewhere.

#![cfg(all(unix, feature = "cli"))]

use crate::support::client::{Answer, Client, End};
use crate::support::process::{Process, headstart};
use headstart_testing::PATIENCE;
use rustix::process::Signal;
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
/// Clients with a kept connection, and clients with a new one for each request.
const KEPT: usize = 16;
const FRESH: usize = 4;
/// Requests that are at the upstream when the signal comes, and stay there until the server drains.
const HELD: usize = 4;
/// Connections opened, with a request each, in the last moment before the signal: many are still in the accept queue
/// then.
const BURST: usize = 50;
/// Answers after which the server is under load.
const WARM: u64 = 300;
/// "At once", on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The default of `--drain-timeout`.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn twenty_stops_under_load_lose_no_admitted_request() {
    let _turn = headstart_testing::in_turn();
    for round in 0..ROUNDS {
        let upstream = Upstream::start();
        let load = Load::default();
        let exchanges: Vec<Exchange> = thread::scope(|scope| {
            // In here, so that a failed assertion ends it, and with it the clients for whom the scope waits.
            let mut server = start(&upstream);
            let at = server.address().parse().unwrap();
            let held: Vec<_> = (0..HELD).map(|_| upstream.hold(at)).collect();
            let load = &load;
            let kept = (0..KEPT).map(|_| scope.spawn(move || load.over_one_connection(at)));
            let fresh = (0..FRESH).map(|_| scope.spawn(move || load.over_new_connections(at)));
            let clients: Vec<_> = kept.chain(fresh).collect();
            eventually("it is under load", || load.answered.load(Ordering::SeqCst) >= WARM);

            let burst: Vec<_> = (0..BURST).map(|_| open_with_request(at)).collect();
            load.signaled.store(true, Ordering::SeqCst);
            let began = Instant::now();
            server.signal(Signal::TERM);
            eventually("the listener is closed", || is_refused(at));
            assert!(began.elapsed() < AT_ONCE, "the listener is closed after {:?}", began.elapsed());
            // The server drains now, and what it still has to answer is answered for the last time.
            upstream.release();
            for mut client in held {
                let answer = client.answer();
                assert_eq!((answer.status, answer.field("connection")), (200, Some("close")), "round {round}");
                assert_eq!(client.end(), End::Closed);
            }
            let mut exchanges: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
            exchanges.extend(burst.into_iter().map(|(trace, mut stream)| {
                let (end, _) = outcome(&mut stream, &trace);
                Exchange { trace, sent_before: true, end }
            }));
            let (status, _) = server.wait();
            assert_eq!(status.code(), Some(0), "round {round}: {:?}", server.stderr);
            assert!(began.elapsed() < DRAIN_TIMEOUT, "it ended after {:?}", began.elapsed());
            exchanges
        });
        let seen = upstream.seen.lock().unwrap();
        let mut unadmitted = 0;
        for Exchange { trace, sent_before, end } in &exchanges {
            let is_admitted = *sent_before || seen.contains(trace);
            match end {
                Outcome::Answered => {}
                Outcome::Untouched => unadmitted += 1,
                Outcome::Wrong(what) => panic!("round {round}: {trace}: {what}"),
            }
            let is_lost = is_admitted && *end == Outcome::Untouched;
            assert!(!is_lost, "round {round}: lost {trace}, sent before the signal: {sent_before}");
        }
        assert!(exchanges.len() as u64 > WARM && unadmitted <= KEPT + FRESH, "{unadmitted} of {}", exchanges.len());
    }
}

#[test]
fn readiness_ends_with_the_signal_and_health_does_not() {
    let _turn = headstart_testing::in_turn();
    let upstream = Upstream::start();
    let mut server = start(&upstream);
    let at = server.address().parse().unwrap();
    let mut held = upstream.hold(at);
    // A half of the next request comes in one piece with the one before, so the server is never idle between them.
    let mut probes = ["readyz", "healthz"].map(|probe| {
        let mut client = Client::connect(at);
        client.send(format!("GET /{probe} HTTP/1.1\r\nHost: a\r\n\r\nGET /{probe} HTTP/1.1\r\nHost: "));
        assert_eq!(client.answer().status, 200);
        client
    });
    server.signal(Signal::TERM);
    eventually("the listener is closed", || is_refused(at));
    let [ready, healthy] = probes.each_mut().map(|client| client.send("a\r\n\r\n").answer());
    assert_eq!((ready.status, ready.field("connection")), (503, Some("close")));
    assert_eq!((healthy.status, healthy.field("connection")), (200, Some("close")));
    upstream.release();
    assert_eq!(held.answer().status, 200);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn a_second_sigterm_ends_it_at_once_even_under_load() {
    let _turn = headstart_testing::in_turn();
    let upstream = Upstream::start();
    let load = Load::default();
    thread::scope(|scope| {
        let mut server = start(&upstream);
        let at = server.address().parse().unwrap();
        let _held: Vec<_> = (0..HELD).map(|_| upstream.hold(at)).collect();
        let load = &load;
        (0..KEPT).for_each(|_| drop(scope.spawn(move || load.over_one_connection(at))));
        eventually("it is under load", || load.answered.load(Ordering::SeqCst) >= WARM);
        server.signal(Signal::TERM);
        eventually("the listener is closed", || is_refused(at));
        let began = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.wait().0.code(), Some(128 + 15));
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    });
    upstream.release();
}

fn start(upstream: &Upstream) -> Process {
    let mut command = headstart(&["--listen", "127.0.0.1:0", "--upstream", &format!("http://{}/", upstream.address)]);
    // Access lines would be most of what a busy server writes, and nobody reads them.
    command.env("RUST_LOG", "info,headstart::access=off");
    Process::start(command)
}

fn is_refused(at: SocketAddr) -> bool {
    TcpStream::connect(at).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Waits, within reason, for what does not announce itself.
#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A request with a trace of its own, by which the upstream knows it.
fn request(trace: &str) -> String {
    format!("GET /api/smart HTTP/1.1\r\nHost: localhost\r\ntraceparent: 00-{trace}-00000000000000ff-00\r\n\r\n")
}

fn new_trace() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Clients that ask again and again until the server is gone.
#[derive(Default)]
struct Load {
    answered: AtomicU64,
    /// Set just before the signal is sent.
    signaled: AtomicBool,
}

/// One request and what became of it.
struct Exchange {
    trace: String,
    /// Whether all of it was written before the signal.
    sent_before: bool,
    end: Outcome,
}

#[derive(PartialEq, Eq)]
enum Outcome {
    /// Whole and right.
    Answered,
    /// Not a byte came back, by a close or a reset.
    Untouched,
    Wrong(String),
}

impl Load {
    fn over_one_connection(&self, at: SocketAddr) -> Vec<Exchange> {
        let mut exchanges = Vec::new();
        let Ok(mut stream) = TcpStream::connect(at) else { return exchanges };
        while self.exchange(&mut stream, &mut exchanges) {}
        exchanges
    }

    fn over_new_connections(&self, at: SocketAddr) -> Vec<Exchange> {
        let mut exchanges = Vec::new();
        while let Ok(mut stream) = TcpStream::connect(at) {
            self.exchange(&mut stream, &mut exchanges);
        }
        exchanges
    }

    /// `false` when the connection is over.
    fn exchange(&self, stream: &mut TcpStream, exchanges: &mut Vec<Exchange>) -> bool {
        let trace = new_trace();
        let sent = stream.write_all(request(&trace).as_bytes());
        let sent_before = sent.is_ok() && !self.signaled.load(Ordering::SeqCst);
        let (end, goes_on) = outcome(stream, &trace);
        if end == Outcome::Answered {
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
        exchanges.push(Exchange { trace, sent_before, end });
        goes_on
    }
}

fn open_with_request(at: SocketAddr) -> (String, TcpStream) {
    let trace = new_trace();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(request(&trace).as_bytes()).unwrap();
    (trace, stream)
}

/// What becomes of a request, and whether its connection goes on afterwards.
fn outcome(stream: &mut TcpStream, trace: &str) -> (Outcome, bool) {
    match read_answer(stream) {
        Ok(None) => (Outcome::Untouched, false),
        Ok(Some((answer, goes_on))) if answer.status == 200 && answer.text().contains(trace) => {
            (Outcome::Answered, goes_on)
        }
        Ok(Some((answer, _))) => (Outcome::Wrong(format!("{answer:?}")), false),
        Err(error) => (Outcome::Wrong(error.to_string()), false),
    }
}

/// An answer and whether the connection goes on after it, or `None` when it ended before the first byte of one.
fn read_answer(stream: &mut TcpStream) -> io::Result<Option<(Answer, bool)>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut received = Vec::new();
    let mut chunk = [0; 4 << 10];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) if received.is_empty() => return Ok(None),
            Err(error) if received.is_empty() && error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "a part of an answer")),
            Ok(read) => received.extend_from_slice(&chunk[..read]),
            Err(error) => return Err(error),
        }
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end + 4]).into_owned();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        let answer = Answer { status, head, body: received[end + 4..].to_vec() };
        if answer.field("content-length").and_then(|length| length.parse().ok()) == Some(answer.body.len()) {
            let goes_on = answer.field("connection") != Some("close");
            return Ok(Some((answer, goes_on)));
        }
    }
}

/// An upstream that remembers the traces it has seen and answers with them; those that are held, when it is told to.
struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<HashSet<String>>>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

/// How the trace of a request begins that is to be held.
const HOLD: &str = "ff";

impl Upstream {
    /// Its threads end with their connections, the first one with the process of the test.
    fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, gate) = (Arc::new(Mutex::default()), Arc::new(Gate::default()));
        let shared = (Arc::clone(&seen), Arc::clone(&gate));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, gate) = shared.clone();
                thread::spawn(move || serve(&stream, &seen, &gate));
            }
        });
        Upstream { address, seen, gate }
    }

    /// Sends a request that is held, and waits until it is here.
    fn hold(&self, server: SocketAddr) -> Client {
        let trace = format!("{HOLD}{}", &new_trace()[2..]);
        let mut client = Client::connect(server);
        client.send(request(&trace));
        eventually("the upstream has it", || self.seen.lock().unwrap().contains(&trace));
        client
    }

    fn release(&self) {
        *self.gate.is_open.lock().unwrap() = true;
        self.gate.opened.notify_all();
    }
}

fn serve(mut stream: &TcpStream, seen: &Mutex<HashSet<String>>, gate: &Gate) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let field = head.lines().find_map(|line| line.strip_prefix("traceparent: 00-"));
        let trace = field.and_then(|rest| rest.get(..32)).expect("the server passes the trace on").to_owned();
        seen.lock().unwrap().insert(trace.clone());
        if trace.starts_with(HOLD) {
            let is_open = gate.is_open.lock().unwrap();
            drop(gate.opened.wait_timeout_while(is_open, PATIENCE, |is_open| !*is_open).unwrap());
        } else {
            thread::sleep(Duration::from_millis(2)); // so that most requests are under way at any moment
        }
        let body = format!(r#"{{"trace":"{trace}"}}"#);
        let length = body.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")?;
    }
}
