//! TLS over a line that can be lost at any moment.
//!
//! One configuration, made with the client, serves all connections, and with it one cache of sessions. The handshake reads
//! and writes through the [`Line`](super::line::Line) below like everything else, so cancelling its call ends it.
//!
//! A peer that closes without saying so in TLS (`close_notify`) has not ended its answer: that is a failure here, where
//! ureq would take it for the end of a body of undeclared length.

use super::buffers::GrowingBuffers;
use super::call;
use super::failure::unpack_io;
use super::line::wrapped;
use super::names::bare;
use crate::error::Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fmt;
use std::io::{self, Read, Write};
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
    config: Arc<ClientConfig>,
}

impl TlsConnector {
    /// Trusts Mozilla's list and the certificates in `trusted`, each of which is text in PEM format.
    pub(super) fn new(trusted: &[Vec<u8>]) -> Result<TlsConnector, Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for pem in trusted {
            add(&mut roots, pem).map_err(|why| Error::Setting {
                key: "trusted".to_owned(),
                value: format!("{} bytes", pem.len()),
                allowed: format!("certificates in PEM format ({why})"),
            })?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector { config: Arc::new(config) })
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        found = true;
    }
    if found { Ok(()) } else { Err("none found".to_owned()) }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsLine>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(line) = chained else { return Ok(None) };
        if !details.needs_tls() || line.is_tls() {
            return Ok(Some(Either::A(line)));
        }
        let to = details.uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
        let failed = |why: String| wrapped(Error::Tls { to: to.clone(), why });
        let host = bare(details.uri.host().unwrap_or_default()).to_owned();
        let name = ServerName::try_from(host).map_err(|error| failed(error.to_string()))?;
        let mut session =
            ClientConnection::new(self.config.clone(), name).map_err(|error| failed(error.to_string()))?;
        let line: Box<dyn Transport> = Box::new(line);
        let mut line = TransportAdapter::new(line, details.current_time.clone());
        line.set_timeout(time_left(details));
        session.complete_io(&mut line).map_err(|error| match unpack_io(error, &to) {
            Error::Lost { source, .. } => failed(source.to_string()),
            error => wrapped(error),
        })?;
        let buffers = GrowingBuffers::new(details.config.output_buffer_size());
        Ok(Some(Either::B(TlsLine { stream: StreamOwned::new(session, line), buffers })))
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
pub(super) struct TlsLine {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: GrowingBuffers,
}

impl Transport for TlsLine {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount]).and_then(|()| self.stream.flush()).map_err(failure)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let before = call::seen().received;
        let received = self.stream.read(self.buffers.input_append_buf());
        if !matches!(received, Ok(1..)) {
            call::see(|seen| seen.received = before); // alerts and the like are nothing of the answer
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

/// Keeps errors of the layer below, and hides the kinds of others: see [`super::line`].
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

impl fmt::Debug for TlsLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLine").field("below", &self.stream.sock.get_ref()).finish_non_exhaustive()
    }
}
