//! Bodies over tiny_http: a request's is read from where tiny_http reads it, a response's is collected.
//!
//! tiny_http shows no socket, so nothing here goes without waiting: what asks for that is told to come at once, and
//! waits in the asking.

use crate::front::conversation::{Conversation, Duplex, Exchange};
use crate::front::request_body::Source;
use crate::front::response::{Content, Note, Passed, Response, Run};
use crate::panics::panic_message;
use headstart::cancel::CancelToken;
use std::cell::RefMut;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A file that may always be read and written.
const ALWAYS_READY: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// What is shown of a body at a time.
const SHOWN: usize = 16 << 10;

/// A request's body, of a known length.
pub(super) struct PlainBody<'a> {
    request: &'a mut tiny_http::Request,
    /// Bytes that tiny_http has not handed over yet.
    left: u64,
    /// What was looked at and not taken begins at `start`.
    buffer: Vec<u8>,
    start: usize,
}

impl<'a> PlainBody<'a> {
    pub(super) fn new(request: &'a mut tiny_http::Request, length: u64) -> PlainBody<'a> {
        PlainBody { request, left: length, buffer: Vec::new(), start: 0 }
    }

    /// Reads what nobody took: dropping the request would allocate all of it.
    pub(super) fn drain(&mut self) {
        self.start = self.buffer.len();
        let _ = io::copy(self, &mut io::sink());
    }

    #[cfg_attr(not(unix), allow(dead_code, reason = "only there a body is looked at"))]
    fn peek(&mut self) -> io::Result<&[u8]> {
        if self.start == self.buffer.len() {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(SHOWN, 0);
            self.start = 0;
            let read = self.read(&mut buffer)?;
            buffer.truncate(read);
            self.buffer = buffer;
        }
        Ok(&self.buffer[self.start..])
    }

    #[cfg_attr(not(unix), allow(dead_code, reason = "only there a body is looked at"))]
    fn consume(&mut self, bytes: usize) {
        assert!(bytes <= self.buffer.len() - self.start, "more is consumed than was shown");
        self.start += bytes;
    }
}

impl Read for PlainBody<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut seen = &self.buffer[self.start..];
        if !seen.is_empty() {
            let read = seen.read(into)?;
            self.start += read;
            return Ok(read);
        }
        if self.left == 0 || into.is_empty() {
            return Ok(0);
        }
        let read = self.request.as_reader().read(into)?;
        if read == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client closed within the body"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// The body as a handler reads it.
pub(super) struct PlainReading<'a, 'b>(pub(super) RefMut<'a, PlainBody<'b>>);

impl Read for PlainReading<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Source for PlainReading<'_, '_> {
    #[cfg(unix)]
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        self.0.peek().map(Some)
    }

    #[cfg(unix)]
    fn consume(&mut self, bytes: usize) {
        self.0.consume(bytes);
    }

    #[cfg(unix)]
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A response whose body is collected.
struct Collected<'a, 'b> {
    intake: Option<&'a mut PlainBody<'b>>,
    body: Vec<u8>,
    /// Bytes that it may still have.
    left: Option<u64>,
    is_ended: bool,
    token: &'a CancelToken,
    #[cfg_attr(not(unix), allow(dead_code, reason = "only there it is waited for"))]
    always_ready: File,
}

/// `response` with its body here, if it was a stream; or what there is to say in place of it.
pub(super) fn collect(mut response: Response, intake: Option<&mut PlainBody<'_>>, token: &CancelToken) -> Response {
    if response.is_tunnel() {
        return Response::problem(501, "no tunnels through tiny_http");
    }
    let length = match &response.content {
        Content::Streamed { length, .. } | Content::Passed { body: Passed::Stream { length, .. }, .. } => *length,
        _ => None,
    };
    let Some(run) = response.take_run() else { return response };
    match collected(run, length, intake, token) {
        Ok(bytes) => {
            response.content = match response.content {
                Content::Passed { reason, fields, .. } => {
                    Content::Passed { reason, fields, body: Passed::Bytes(bytes) }
                }
                Content::Own(content_type, _) | Content::Streamed { content_type, .. } => {
                    Content::Own(content_type, bytes.into())
                }
            };
            response
        }
        Err(error) => {
            log::debug!("a response that was to be streamed is not sent: {error}");
            let mut instead = Response::problem(502, "the answer ended early");
            instead.notes = response.notes;
            instead.with_note("cut", Note::Word("upstream"))
        }
    }
}

fn collected(
    run: Run,
    length: Option<u64>,
    intake: Option<&mut PlainBody<'_>>,
    token: &CancelToken,
) -> io::Result<Vec<u8>> {
    let always_ready = File::options().read(true).write(true).open(ALWAYS_READY)?;
    let mut exchange = Collected { intake, body: Vec::new(), left: length, is_ended: false, token, always_ready };
    catch_unwind(AssertUnwindSafe(|| run(&mut Conversation::new(&mut exchange)))).unwrap_or_else(|panic| {
        log::error!("sending a response panicked: {}", panic_message(&*panic));
        Err(ErrorKind::Other.into())
    })?;
    match exchange.left {
        Some(1..) => Err(io::Error::new(ErrorKind::InvalidInput, "the body is shorter than announced")),
        _ => Ok(exchange.body),
    }
}

impl Exchange for Collected<'_, '_> {
    fn token(&self) -> &CancelToken {
        self.token
    }
}

impl Write for Collected<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_ended && !bytes.is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the body has ended"));
        }
        if let Some(left) = &mut self.left {
            let why = "the body is longer than announced";
            *left = left.checked_sub(bytes.len() as u64).ok_or(io::Error::new(ErrorKind::InvalidInput, why))?;
        }
        self.body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Collected<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.intake.as_mut().map_or(Ok(0), |intake| intake.read(into))
    }
}

#[cfg(unix)]
impl Duplex for Collected<'_, '_> {
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        self.intake.as_mut().map_or(Ok(Some(&[])), |intake| intake.peek().map(Some))
    }

    fn consume(&mut self, bytes: usize) {
        if let Some(intake) = &mut self.intake {
            intake.consume(bytes);
        }
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        self.is_ended = true;
        Ok(true)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.always_ready.as_fd()
    }
}
