//! A client that sends exactly the given bytes.

use headstart_testing::PATIENCE;
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    pub(super) received: Vec<u8>,
}

/// An answer, byte for byte as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// How a server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Client {
        Client::over(TcpStream::connect(to).unwrap())
    }

    /// A client with this connection.
    pub(crate) fn over(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, received: Vec::new() }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends `bytes`. The server may close the connection meanwhile.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends a plain request.
    pub(crate) fn get(&mut self, target: &str) -> &mut Client {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// Reads the answer to anything but `HEAD`.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let length = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
        while self.received.len() < length {
            assert!(self.receive(), "the body ended after {} of {length} bytes", self.received.len());
        }
        answer.body = self.received.drain(..length).collect();
        answer
    }

    /// Reads an answer. `None` when the connection ended before its first byte.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let ended = self.received.is_empty() && !matches!(self.stream.peek(&mut [0; 1]), Ok(1..));
        (!ended).then(|| self.answer())
    }

    /// Reads an answer without a body.
    pub(crate) fn head(&mut self) -> Answer {
        let end = loop {
            match self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(self.receive(), "no answer but {:?}", self.received.escape_ascii().to_string()),
            }
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        Answer { status: status.unwrap_or_else(|| panic!("no status line: {head:?}")), head, body: Vec::new() }
    }

    /// Reads exactly as many bytes.
    pub(crate) fn fill(&mut self, into: &mut [u8]) {
        while self.received.len() < into.len() {
            assert!(self.receive(), "the body ended after {} bytes", self.received.len());
        }
        into.copy_from_slice(&self.received[..into.len()]);
        self.received.drain(..into.len());
    }

    /// What is next to come of a body, at least a byte.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        assert!(!self.received.is_empty() || self.receive(), "the body ended");
        std::mem::take(&mut self.received)
    }

    /// Reads some more. `false` at the end.
    pub(super) fn receive(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        let received = self.stream.read(&mut bytes).unwrap();
        self.received.extend_from_slice(&bytes[..received]);
        received > 0
    }

    /// Waits for the server to end the connection. Panics when it sends anything before.
    pub(crate) fn end(&mut self) -> End {
        assert_eq!(self.received.escape_ascii().to_string(), "", "unread bytes");
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => End::Closed,
            Ok(_) => panic!("more bytes"),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("still open: {error}"),
        }
    }

    /// All bytes until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.receive() {}
        std::mem::take(&mut self.received)
    }

    /// Closes the sending side only.
    pub(crate) fn half_close(&mut self) -> &mut Client {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl Answer {
    /// The value of the first field of this name, given in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
