//! One connection to the server, at the level of bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer with a `Content-Length`.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether it announces the end of the connection.
    pub(crate) is_last: bool,
}

pub(crate) struct Talk {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl Talk {
    pub(crate) fn open(server: SocketAddr) -> io::Result<Talk> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Talk { stream, received: Vec::new() })
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// The next answer; `None` when the server has closed before its first byte.
    pub(crate) fn hear(&mut self) -> io::Result<Option<Answer>> {
        let end_of_head = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.receive()? {
                return if self.received.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        };
        let head = String::from_utf8_lossy(&self.received[..end_of_head]).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let (Some(status), Some(length)) = (status, length) else {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("no answer: {head:?}")));
        };
        while self.received.len() < end_of_head + length {
            if !self.receive()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let body = self.received[end_of_head..end_of_head + length].to_vec();
        self.received.drain(..end_of_head + length);
        Ok(Some(Answer { status, body, is_last: head.contains("\r\nconnection: close\r\n") }))
    }

    fn receive(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 << 10];
        let read = self.stream.read(&mut bytes)?;
        self.received.extend_from_slice(&bytes[..read]);
        Ok(read > 0)
    }

    /// Whether the server closes now, without another byte. A reset is an end too.
    pub(crate) fn ends(&mut self) -> io::Result<bool> {
        match self.receive() {
            Ok(more) => Ok(!more && self.received.is_empty()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(self.received.is_empty()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }
}
