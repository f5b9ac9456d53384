//! A request's body as its handler sees it.

use std::fmt;
use std::io::{self, Read};
#[cfg(unix)]
use std::os::fd::BorrowedFd;

/// What a front has behind a [`RequestBody`].
pub(super) trait Source: Read {
    #[cfg(unix)]
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>>;
    #[cfg(unix)]
    fn consume(&mut self, bytes: usize);
    #[cfg(unix)]
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// A request's body, decoded, of whatever length, read as it comes. Nothing is read ahead of who takes it but what one
/// buffer of 64 KiB holds, so a client that sends faster is held back.
///
/// [`Read`] waits for the client, for up to [`body_idle_timeout`](super::ServerSettings::body_idle_timeout). A client
/// that waits for leave to send (`Expect: 100-continue`) gets it with the first read; who looks without waiting gives
/// it by [`send_interim`](super::Request::send_interim), or has an upstream give it. Reading fails
///
/// - with [`TimedOut`](io::ErrorKind::TimedOut) when the client was silent for so long,
/// - with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when it closed before the end: a body that was cut never
///   looks whole,
/// - with [`InvalidData`](io::ErrorKind::InvalidData) when its chunks are malformed,
/// - with the system's error when the connection broke.
///
/// After any of these, and after a body that was not read to its end, the connection is closed behind the answer.
///
/// ```
/// use headstart::{Crew, CrewSettings};
/// use headstart_server::{Handler, Request, Response, Server, ServerSettings};
/// use std::io::{Read, Write};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// /// Counts what it is sent.
/// struct Scale;
///
/// impl Handler for Scale {
///     fn handle(&self, request: &Request<'_>) -> Response {
///         match std::io::copy(&mut request.body(), &mut std::io::sink()) {
///             Ok(bytes) => Response::new(200, "text/plain", format!("{bytes} bytes").into_bytes()),
///             Err(error) => Response::problem(400, &error.to_string()),
///         }
///     }
///
///     fn takes_body(&self, _: &Request<'_>) -> bool {
///         true
///     }
/// }
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let server = Server::start(&crew, ServerSettings::new("127.0.0.1:0"), Arc::new(Scale))?;
/// let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// client.write_all(b"PUT / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n")?;
/// client.write_all(&[b'a'; 1_000_000])?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("1000000 bytes"));
/// # server.shutdown(Duration::from_secs(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RequestBody<'a> {
    source: Box<dyn Source + 'a>,
}

impl<'a> RequestBody<'a> {
    pub(super) fn new(source: impl Source + 'a) -> RequestBody<'a> {
        RequestBody { source: Box::new(source) }
    }
}

#[cfg(unix)]
impl RequestBody<'_> {
    /// What has come and was not yet consumed: `None` when that is nothing for now, an empty slice at the body's end.
    /// Does not wait. Unix only, like the two methods below.
    ///
    /// # Errors
    ///
    /// As those of reading, but for the time-out.
    pub fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        self.source.peek_now()
    }

    /// Takes the first `bytes` of what [`peek_now`](RequestBody::peek_now) showed.
    ///
    /// # Panics
    ///
    /// When that were fewer.
    pub fn consume(&mut self, bytes: usize) {
        self.source.consume(bytes);
    }

    /// The client's socket, to wait for. `None` behind a front that shows none, where `peek_now` waits itself.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.source.as_fd()
    }
}

impl Read for RequestBody<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.source.read(into)
    }
}

/// The body of a request that has none.
pub(super) struct NoBody;

impl Read for NoBody {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Source for NoBody {
    #[cfg(unix)]
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(Some(&[]))
    }

    #[cfg(unix)]
    fn consume(&mut self, bytes: usize) {
        assert_eq!(bytes, 0, "more is consumed than was shown");
    }

    #[cfg(unix)]
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
