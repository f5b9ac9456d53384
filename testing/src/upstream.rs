//! Upstreams that behave badly, each in the way of its name.
//!
//! A [`FakeUpstream`] listens on a port of its own and reports events as [`Sight`]s, so that tests wait for events and
//! not for time. Dropping it ends its threads.

use crate::PATIENCE;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a fake does with each request of a connection.
#[derive(Clone)]
pub enum Behavior {
    /// Answers with this JSON.
    Answers(&'static str),
    /// Answers with these bytes, head and all, and keeps the connection.
    Says(Vec<u8>),
    /// Sends these bytes and closes the connection.
    SaysAndCloses(Vec<u8>),
    /// Answers once something has come through the channel.
    AnswersWhenTold(Receiver<()>),
    /// Answers after this delay.
    AnswersAfter(Duration),
    /// Reads anything, HTTP or not, and sends nothing.
    HangsAfterAccept,
    /// Reads a request and sends nothing.
    HangsAfterRequest,
    /// A header byte every 5 ms, without end.
    DripsHeaders,
    /// Announces a body and sends none.
    HangsAfterHeaders,
    /// A body byte every 5 ms, without end.
    DripsBody,
    /// A body without end, as fast as it is read.
    EndlessBody,
    /// Sends the first bytes once, and the others repeatedly as long as they are read.
    Repeats(Vec<u8>, Vec<u8>),
    /// Sends these bytes and resets the connection.
    SaysAndResets(Vec<u8>),
    /// The same with a pause in between, in which the bytes are read.
    SaysAndResetsLater(Vec<u8>),
    /// Answers the first request of a connection and closes it after reading the second.
    ClosesOnReuse,
    /// Answers a request and closes the connection without announcing it.
    ClosesIdle,
    /// The next one for each request, over all connections.
    TakesTurns(Arc<[Behavior]>),
    /// Chosen for each request by its head.
    Chooses(fn(&str) -> Behavior),
}

/// An event that a fake reports.
#[derive(Clone, Debug)]
pub enum Sight {
    /// A connection.
    Accepted,
    /// A request, with its head.
    Request(String),
    /// The client has closed or reset a connection.
    Gone(Instant),
}

pub struct FakeUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    pub sights: Receiver<Sight>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    behavior: Behavior,
    stopping: AtomicBool,
    accepts: AtomicUsize,
    requests: AtomicUsize,
    abandoned: AtomicUsize,
    /// Shuts the connections down at the end; their threads own them.
    sockets: Mutex<Vec<Weak<TcpStream>>>,
    sights: Sender<Sight>,
}

impl FakeUpstream {
    pub fn start(behavior: Behavior) -> FakeUpstream {
        FakeUpstream::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), behavior)
    }

    /// One that listens at this address.
    pub fn start_at(address: SocketAddr, behavior: Behavior) -> FakeUpstream {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, sights) = unbounded();
        let shared = Arc::new(Shared {
            behavior,
            stopping: AtomicBool::new(false),
            accepts: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            sockets: Mutex::default(),
            sights: tell,
        });
        let acceptor = std::thread::spawn({
            let shared = shared.clone();
            move || shared.accept_all(&listener)
        });
        FakeUpstream { address, shared, sights, acceptor: Some(acceptor) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/work", self.address)
    }

    /// Connections accepted so far.
    pub fn accepts(&self) -> usize {
        self.shared.accepts.load(Ordering::SeqCst)
    }

    /// Requests read so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Requests without an answer so far whose connection the client closed.
    pub fn abandoned(&self) -> usize {
        self.shared.abandoned.load(Ordering::SeqCst)
    }

    /// Waits for the next request and returns its head.
    pub fn next_request(&self) -> String {
        loop {
            match self.next_sight() {
                Sight::Request(head) => return head,
                Sight::Accepted | Sight::Gone(_) => {}
            }
        }
    }

    /// Waits until a client has left a connection.
    pub fn next_gone(&self) -> Instant {
        loop {
            match self.next_sight() {
                Sight::Gone(at) => return at,
                Sight::Accepted | Sight::Request(_) => {}
            }
        }
    }

    fn next_sight(&self) -> Sight {
        self.sights.recv_timeout(PATIENCE).expect("nothing seen")
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the acceptor
        self.acceptor.take().unwrap().join().unwrap();
    }
}

impl Shared {
    fn accept_all(self: &Arc<Self>, listener: &TcpListener) {
        let mut threads = Vec::new();
        for socket in listener.incoming() {
            if self.stopping.load(Ordering::SeqCst) {
                break;
            }
            let socket = Arc::new(socket.unwrap());
            socket.set_nodelay(true).unwrap();
            self.accepts.fetch_add(1, Ordering::SeqCst);
            let _ = self.sights.send(Sight::Accepted);
            let mut sockets = self.sockets.lock().unwrap();
            sockets.retain(|socket| socket.strong_count() > 0);
            sockets.push(Arc::downgrade(&socket));
            drop(sockets);
            threads.retain(|thread: &JoinHandle<()>| !thread.is_finished());
            let shared = self.clone();
            threads.push(std::thread::spawn(move || shared.serve(&socket)));
        }
        for socket in self.sockets.lock().unwrap().iter().filter_map(Weak::upgrade) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    fn serve(&self, socket: &TcpStream) {
        // An error of the connection counts as the client's leaving, as its end does.
        let _ = self.serve_requests(socket);
        let _ = self.sights.send(Sight::Gone(Instant::now()));
    }

    fn serve_requests(&self, socket: &TcpStream) -> io::Result<()> {
        if matches!(self.behavior, Behavior::HangsAfterAccept) {
            return until_gone(socket, &[]);
        }
        let mut reader = BufReader::new(socket);
        for served in 0.. {
            let Some(head) = read_head(&mut reader)? else { return Ok(()) };
            skip_body(&mut reader, &head)?;
            let number = self.requests.fetch_add(1, Ordering::SeqCst);
            let behavior = match &self.behavior {
                Behavior::TakesTurns(turns) => turns[number % turns.len()].clone(),
                Behavior::Chooses(choose) => choose(&head),
                behavior => behavior.clone(),
            };
            let _ = self.sights.send(Sight::Request(head));
            let keeps = behave(&behavior, socket, served);
            if matches!(behavior, Behavior::HangsAfterRequest) {
                self.abandoned.fetch_add(1, Ordering::SeqCst);
            }
            if !keeps? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Answers one request. `false` when the connection is to be closed.
fn behave(behavior: &Behavior, mut socket: &TcpStream, served: usize) -> io::Result<bool> {
    match behavior {
        Behavior::Answers(json) => socket.write_all(&answer(json))?,
        Behavior::Says(bytes) => socket.write_all(bytes)?,
        Behavior::SaysAndCloses(bytes) => {
            socket.write_all(bytes)?;
            return Ok(false);
        }
        Behavior::AnswersWhenTold(told) => {
            let _ = told.recv_timeout(PATIENCE);
            socket.write_all(&answer(r#"{"told":true}"#))?;
        }
        Behavior::AnswersAfter(pause) => {
            std::thread::sleep(*pause);
            socket.write_all(&answer(r#"{"late":true}"#))?;
        }
        Behavior::HangsAfterRequest => until_gone(socket, &[])?,
        Behavior::DripsHeaders => {
            socket.write_all(b"HTTP/1.1 200 OK\r\nx-drip: ")?;
            until_gone(socket, b"d")?;
        }
        Behavior::HangsAfterHeaders => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n")?;
            until_gone(socket, &[])?;
        }
        Behavior::DripsBody => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[")?;
            until_gone(socket, b" ")?;
        }
        Behavior::EndlessBody => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[")?;
            loop {
                socket.write_all(&[b' '; 4096])?;
            }
        }
        Behavior::Repeats(first, again) => {
            socket.write_all(first)?;
            loop {
                socket.write_all(again)?;
            }
        }
        Behavior::SaysAndResets(bytes) | Behavior::SaysAndResetsLater(bytes) => {
            socket.write_all(bytes)?;
            if matches!(behavior, Behavior::SaysAndResetsLater(_)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            // Then closing sends a reset instead of a FIN.
            socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO))?;
            return Ok(false);
        }
        Behavior::ClosesOnReuse if served > 0 => return Ok(false),
        Behavior::ClosesOnReuse => socket.write_all(&answer("{}"))?,
        Behavior::ClosesIdle => {
            socket.write_all(&answer("{}"))?;
            return Ok(false);
        }
        Behavior::HangsAfterAccept | Behavior::TakesTurns(_) | Behavior::Chooses(_) => {
            unreachable!("not a way to treat one request")
        }
    }
    Ok(true)
}

/// A regular answer.
pub fn answer(json: &str) -> Vec<u8> {
    answer_with("200 OK", "application/json", json)
}

/// The value of a field of a request's head, by its name in lower case.
pub fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    found.next().unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// An answer with this status, type and body.
pub fn answer_with(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn read_head(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// Reads the body that a head declares.
fn skip_body(reader: &mut impl BufRead, head: &str) -> io::Result<()> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let declared = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: u64 = declared.map_or(0, |(_, length)| length.trim().parse().expect("a number"));
    io::copy(&mut reader.take(length), &mut io::sink()).map(drop)
}

/// Sends `drop` every 5 ms, or nothing, until the client is gone.
fn until_gone(mut socket: &TcpStream, drop: &[u8]) -> io::Result<()> {
    if !drop.is_empty() {
        socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    }
    loop {
        match socket.read(&mut [0; 512]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.write_all(drop)?,
            Err(error) => return Err(error),
        }
    }
}

/// A listener that accepts nothing and whose queue is full, so that connecting hangs.
pub struct AcceptsNothing {
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
    address: SocketAddr,
}

impl AcceptsNothing {
    pub fn start() -> AcceptsNothing {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(1).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        while let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(socket);
            assert!(queued.len() < 100, "the queue has no end");
        }
        AcceptsNothing { _listener: listener, _queued: queued, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}
