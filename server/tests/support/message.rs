//! HTTP messages, read from a connection as they are on the wire.
//!
//! Both ends of a proxy's tests read with this: a client its responses, an upstream its requests. Text is Latin-1, one
//! character for a byte, so that nothing is lost or refused.

use super::client::{Client, End};
use std::io::{ErrorKind, Read};

/// The head of a request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) start: String,
    /// The fields' lines.
    pub(crate) lines: Vec<String>,
}

impl Message {
    fn of(head: &[u8]) -> Message {
        let text = latin1(head);
        let text = text.strip_suffix("\r\n\r\n").expect("a whole head");
        let mut lines = text.split("\r\n").map(str::to_owned);
        Message { start: lines.next().expect("a first line"), lines: lines.collect() }
    }

    /// A response's status.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let code =
            self.start.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no status line: {self:?}"))
    }

    /// The fields' names and values, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            (name, value.trim_matches([' ', '\t']))
        })
    }

    /// The values of all fields of this name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields().filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The value of the only field of this name, if there is one.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} more than once: {self:?}");
        all.first().copied()
    }

    /// The lines of all fields but those of these names.
    pub(crate) fn without(&self, names: &[&str]) -> Vec<&str> {
        let is_kept = |line: &&String| {
            let (name, _) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            !names.iter().any(|left_out| left_out.eq_ignore_ascii_case(name))
        };
        self.lines.iter().filter(is_kept).map(String::as_str).collect()
    }

    /// How the body's end is known.
    #[track_caller]
    pub(crate) fn framing(&self) -> Framing {
        match (self.field("transfer-encoding"), self.field("content-length")) {
            (Some("chunked"), None) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().expect("a length")),
            (None, None) => Framing::None,
            both => panic!("{both:?} in {self:?}"),
        }
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    /// It has none: that is no body in a request, and in a response a body until the connection's end.
    None,
}

/// One character for a byte.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

impl Client {
    /// Whether the connection ended instead of bringing another message.
    pub(crate) fn is_over(&mut self) -> bool {
        self.received.is_empty() && !matches!(self.stream().peek(&mut [0; 1]), Ok(1..))
    }

    /// Reads the head of the next message.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Message {
        Message::of(&self.until("\r\n\r\n"))
    }

    /// Whether the next message's head has come, or else the connection's end.
    pub(crate) fn awaits_head(&mut self) -> bool {
        self.awaits(|received| received.windows(4).any(|four| four == b"\r\n\r\n"))
    }

    /// Whether all of a request's body has come, or else the connection's end.
    pub(crate) fn awaits_body(&mut self, of: &Message) -> bool {
        match of.framing() {
            Framing::Length(length) => self.awaits(|received| received.len() >= length),
            Framing::Chunked => self.awaits(|received| received.ends_with(b"0\r\n\r\n")),
            Framing::None => true,
        }
    }

    fn awaits(&mut self, is_here: impl Fn(&[u8]) -> bool) -> bool {
        let mut bytes = vec![0; 64 << 10];
        while !is_here(&self.received) {
            match self.stream().read(&mut bytes) {
                Ok(read @ 1..) => self.received.extend_from_slice(&bytes[..read]),
                _ => return false,
            }
        }
        true
    }

    /// Reads up to these bytes, and with them.
    #[track_caller]
    pub(crate) fn until(&mut self, mark: &str) -> Vec<u8> {
        let mark = mark.as_bytes();
        loop {
            if let Some(at) = self.received.windows(mark.len()).position(|part| part == mark) {
                return self.received.drain(..at + mark.len()).collect();
            }
            let more = self.receive();
            assert!(more, "no {:?} but {:?}", latin1(mark), latin1(&self.received));
        }
    }

    /// What was read and not taken.
    pub(crate) fn take_buffered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Reads as many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            let more = self.receive();
            assert!(more, "the end after {} of {length} bytes", self.received.len());
        }
        self.received.drain(..length).collect()
    }

    /// Reads one chunk, the last of which is empty, and nothing but its size on its line. Trailers are not for this.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let line = latin1(&self.until("\r\n"));
        self.chunk_of(line.trim_end())
    }

    #[track_caller]
    fn chunk_of(&mut self, size: &str) -> Vec<u8> {
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("no chunk's size: {size:?}"));
        let data = self.take(size);
        assert_eq!(latin1(&self.take(2)), "\r\n", "after a chunk of {size}");
        data
    }

    /// Reads the body of a message; for a response not to HEAD, 204 and 304, which have none.
    #[track_caller]
    pub(crate) fn body(&mut self, of: &Message) -> Vec<u8> {
        match of.framing() {
            Framing::Length(length) => self.take(length),
            Framing::Chunked => {
                let mut body = Vec::new();
                loop {
                    let line = latin1(&self.until("\r\n"));
                    let chunk = self.chunk_of(line.trim_end().split(';').next().unwrap_or_default());
                    if chunk.is_empty() {
                        return body;
                    }
                    body.extend_from_slice(&chunk);
                }
            }
            Framing::None if of.start.starts_with("HTTP/") => self.rest(),
            Framing::None => Vec::new(),
        }
    }

    /// Reads a response with its body.
    #[track_caller]
    pub(crate) fn response(&mut self) -> (Message, String) {
        let head = self.message();
        let body = latin1(&self.body(&head));
        (head, body)
    }

    /// All bytes until the connection ends, and how it did.
    pub(crate) fn rest_and_end(&mut self) -> (String, End) {
        let mut bytes = [0; 64 << 10];
        loop {
            let end = match self.stream().read(&mut bytes) {
                Ok(0) => End::Closed,
                Ok(received) => {
                    self.received.extend_from_slice(&bytes[..received]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
                Err(error) => panic!("still open after {}: {error}", latin1(&self.received)),
            };
            return (latin1(&std::mem::take(&mut self.received)), end);
        }
    }
}
