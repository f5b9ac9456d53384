//! The upstream that misbehaves, each attempt as its trace id says.

use crate::deed::{Deed, Fates};
use crate::trial::Result;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// The pause between drops.
const DRIP: Duration = Duration::from_millis(20);

/// What it serves at this moment.
#[derive(Default)]
pub(crate) struct Upstream {
    /// Connections that are open.
    pub(crate) open: AtomicUsize,
    /// Attempts in work, including those that hang until the server closes.
    pub(crate) busy: AtomicUsize,
    /// Attempts seen so far.
    pub(crate) seen: AtomicUsize,
}

impl Upstream {
    /// Serves until the process ends.
    pub(crate) fn start() -> Result<(SocketAddr, Arc<Upstream>)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        socket2::SockRef::from(&listener).listen(4_096)?;
        let address = listener.local_addr()?;
        let upstream = Arc::new(Upstream::default());
        let shared = upstream.clone();
        thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(io::Result::ok) {
                let shared = shared.clone();
                let serve = move || {
                    let _open = Counted::one_more(&shared.open);
                    // Any error means that the server has left.
                    let _ = serve(&stream, &shared);
                };
                thread::Builder::new().stack_size(128 << 10).spawn(serve).expect("a thread for the upstream");
            }
        })?;
        Ok((address, upstream))
    }
}

/// Counts for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn one_more(count: &'a AtomicUsize) -> Counted<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(stream: &TcpStream, upstream: &Upstream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let _busy = Counted::one_more(&upstream.busy);
        upstream.seen.fetch_add(1, Ordering::Relaxed);
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let trace = field("traceparent: 00-").and_then(|rest| rest.get(..32)).unwrap_or_default();
        let attempt = field("x-attempt:").and_then(|number| number.parse().ok()).unwrap_or_default();
        let deed = Fates::deed(trace, attempt).unwrap_or(Deed::Answers);
        if !act(deed, stream, &Fates::body(trace, attempt, deed))? {
            return Ok(());
        }
    }
}

/// Handles one attempt. `false` when the connection is to be closed.
fn act(deed: Deed, mut stream: &TcpStream, json: &str) -> io::Result<bool> {
    const OPEN: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let length = json.len();
    let (before, after) = json.split_at(length / 2);
    match deed {
        Deed::Answers | Deed::AnswersMuch => stream.write_all(&regular("200 OK", "application/json", json))?,
        Deed::AnswersLate => {
            thread::sleep(Duration::from_millis(100));
            stream.write_all(&regular("200 OK", "application/json", json))?;
        }
        Deed::AnswersInChunks => {
            let (one, two) = (before.len(), after.len());
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
                 {one:x}\r\n{before}\r\n{two:x}\r\n{after}\r\n0\r\n\r\n"
            )?;
        }
        Deed::AnswersAndCloses => {
            stream.write_all(&regular("200 OK", "application/json", json))?;
            return Ok(false);
        }
        Deed::AnswersUntilClosed => {
            write!(stream, "{OPEN}{json}")?;
            return Ok(false);
        }
        Deed::Hangs => until_gone(stream, "")?,
        Deed::HangsInBody => {
            write!(stream, "{OPEN}{before}")?;
            until_gone(stream, "")?;
        }
        Deed::DripsHead => {
            write!(stream, "HTTP/1.1 200 OK\r\nx-drip: ")?;
            until_gone(stream, "d")?;
        }
        Deed::DripsBody => {
            write!(stream, "{OPEN}[")?;
            until_gone(stream, " ")?;
        }
        Deed::DripsInterims => until_gone(stream, "HTTP/1.1 102 Processing\r\n\r\n")?,
        Deed::Resets => return reset(stream),
        Deed::ResetsInBody => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n\
            {before}"
            )?;
            return reset(stream);
        }
        Deed::LiesAboutLength => {
            let more = length + 1;
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {more}\r\n\r\n\
            {json}"
            )?;
            return Ok(false);
        }
        Deed::NotHttp => {
            stream.write_all(b"\x00\x01 SSH-2.0-nonsense\r\n\r\n")?;
            return Ok(false);
        }
        Deed::Fails => stream.write_all(&regular("500 Internal Server Error", "application/json", json))?,
        Deed::Redirects => stream.write_all(
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-type: application/json\r\n\
                 content-length: 2\r\n\r\n{}",
        )?,
        Deed::WrongType => stream.write_all(&regular("200 OK", "text/html", json))?,
        Deed::BrokenJson => stream.write_all(&regular("200 OK", "application/json", before))?,
        Deed::EndlessHead => {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"x-more: and more and more and more and more and more and more\r\n")?;
            }
        }
    }
    Ok(true)
}

fn regular(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn reset(stream: &TcpStream) -> io::Result<bool> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
    Ok(false)
}

/// Sends `drop` repeatedly, or nothing, until the server has left.
fn until_gone(mut stream: &TcpStream, drop: &str) -> io::Result<()> {
    stream.set_read_timeout((!drop.is_empty()).then_some(DRIP))?;
    loop {
        match stream.read(&mut [0; 512]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.write_all(drop.as_bytes())?,
            Err(error) => return Err(error),
        }
    }
}
