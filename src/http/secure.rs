//! TLS over ureq's transports, which can be lost at any moment.
//!
//! The handshake reads and writes through the [`Plain`](super::transport::Plain) below like everything else, so
//! canceling its call ends it.
//!
//! A peer that closes without saying so in TLS (`close_notify`) has not ended its answer: that is a failure here, where
//! ureq would take it for the end of a body of undeclared length.

use super::buffers::GrowingBuffers;
use super::current;
use super::failure::{unpack_io, wrapped};
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
#[cfg(unix)]
use crate::net::secured::Secured;
use crate::net::stream::Stream;
use crate::net::tls::Tls;
use rustls::{ClientConnection, StreamOwned};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport, TransportAdapter,
};

/// What a URL may begin with.
pub(super) const SCHEMES: &str = "a URL that begins with http:// or https://";

/// Wraps connections for `https` in TLS and passes others on.
#[derive(Clone)]
pub(super) struct TlsConnector {
    tls: Tls,
}

impl TlsConnector {
    /// Trusts Mozilla's list and the certificates in `trusted`, each of which is text in PEM format.
    pub(super) fn new(trusted: &[Vec<u8>]) -> Result<TlsConnector, Error> {
        let tls = Tls::new(trusted).map_err(|(pem, why)| {
            Error::setting("trusted", &format!("{} bytes", pem.len()), &format!("certificates in PEM format ({why})"))
        })?;
        Ok(TlsConnector { tls })
    }

    /// A session with `host` over `socket`, for which there is time until `until`. `to` is its name for messages.
    #[cfg(unix)]
    pub(super) fn secure(
        &self,
        socket: Arc<TcpStream>,
        (host, to): (&str, &str),
        until: Deadline,
    ) -> Result<Stream, Error> {
        let failed = |why: String| Error::Tls { to: to.to_owned(), why };
        let session = self.tls.session(host.to_owned()).map_err(failed)?;
        let secured = Secured::begin(session, socket, until).map_err(|error| failed(error.to_string()))?;
        Ok(Stream::Secure(Box::new(secured)))
    }

    /// Nothing: such calls are made by ureq.
    #[cfg(not(unix))]
    pub(super) fn secure(&self, _: Arc<TcpStream>, (_, to): (&str, &str), _: Deadline) -> Result<Stream, Error> {
        Err(Error::Tls { to: to.to_owned(), why: "not on this system".to_owned() })
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, Encrypted>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(below) = chained else { return Ok(None) };
        if !details.needs_tls() || below.is_tls() {
            return Ok(Some(Either::A(below)));
        }
        let to = details.uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
        let failed = |why: String| wrapped(Error::Tls { to: to.clone(), why });
        let host = details.uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let mut session = self.tls.session(host.to_owned()).map_err(failed)?;
        current::enter_phase(Phase::Handshake);
        let below: Box<dyn Transport> = Box::new(below);
        let mut below = TransportAdapter::new(below, details.current_time.clone());
        below.set_timeout(time_left(details));
        session.complete_io(&mut below).map_err(|error| match unpack_io(error, &to) {
            Error::Lost { source, .. } => wrapped(Error::Tls { to: to.clone(), why: source.to_string() }),
            error => wrapped(error),
        })?;
        current::enter_phase(Phase::Send);
        let buffers = GrowingBuffers::new(details.config.output_buffer_size());
        Ok(Some(Either::B(Encrypted { stream: StreamOwned::new(session, below), buffers })))
    }
}

/// What the steps before have left of the time for connecting.
fn time_left(details: &ConnectionDetails) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Duration::Exact(all), Instant::Exact(since)) = (timeout.after, details.now) {
        timeout.after = Duration::Exact(all.saturating_sub(since.elapsed()));
    }
    timeout
}

/// A TLS session as ureq's transport.
pub(super) struct Encrypted {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: GrowingBuffers,
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount]).and_then(|()| self.stream.flush()).map_err(failure)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let before = current::seen().reached;
        let received = self.stream.read(self.buffers.input_append_buf());
        if !matches!(received, Ok(1..)) {
            current::see(|seen| seen.reached = before); // alerts and the like are nothing of the answer
        }
        let received = received.map_err(failure)?;
        self.buffers.input_appended(received);
        Ok(received > 0)
    }

    fn is_open(&mut self) -> bool {
        let all_read = self.stream.conn.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() == 0);
        if all_read && self.buffers.input().is_empty() {
            self.buffers.shrink();
        }
        all_read && self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// Keeps errors of the layer below, and hides the kinds of others: see [`super::transport`].
fn failure(error: io::Error) -> ureq::Error {
    match error.downcast::<ureq::Error>() {
        Ok(error) => error,
        Err(error) if error.get_ref().is_some_and(|cause| cause.is::<Error>()) => ureq::Error::Io(error),
        Err(error) => wrapped(Error::Io(error)),
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").finish_non_exhaustive()
    }
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").field("below", &self.stream.sock.get_ref()).finish_non_exhaustive()
    }
}
