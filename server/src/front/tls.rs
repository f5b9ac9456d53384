//! TLS towards clients: who the server is, and one session over one socket.
//!
//! The problem: a handshake is a conversation of its own with a peer that may be slow, silent or speak something else,
//! and a record of up to 16 KiB that comes byte by byte makes many reads of what looks like one.
//!
//! The answer: the connection's own thread shakes hands, never the accepting one, and everything that reads has one
//! deadline for all the reads it takes. Certificate and key are read from their files at start and whenever
//! [`Identity::reload`] is called; a session keeps what it began with.
//!
//! A handshake that stalls costs a sleeping thread until its deadline. A burst of them is felt by others for as long as
//! their threads start and their keys are signed for, tens of milliseconds for 500; the changelog has the figures.
//! Rejected: a bound on handshakes at a time, with which those that stall would shut out the others; and waiting for
//! the first bytes without a thread, which costs everybody a registration and a wake-up, and an attacker one byte.
//!
//! TLS 1.3 and 1.2, HTTP/1.1 by ALPN, no early data (it can be replayed) and no renegotiation (rustls has none).
//!
//! What this does not do: client certificates, several certificates by name.

use super::settings::TlsSettings;
use super::socket::Socket;
use crate::error::Error;
use crate::sync::lock;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the server proves itself with.
pub(super) struct Identity {
    files: TlsSettings,
    /// For the sessions to come. Taken to copy or replace it, not while files are read.
    config: Mutex<Arc<ServerConfig>>,
}

impl Identity {
    /// Reads certificate and key.
    pub(super) fn load(files: &TlsSettings) -> Result<Identity, Error> {
        Ok(Identity { files: files.clone(), config: Mutex::new(configure(files)?) })
    }

    /// Reads them again, for the sessions to come. After an error all is as before.
    pub(super) fn reload(&self) -> Result<(), Error> {
        let config = configure(&self.files)?;
        *lock(&self.config) = config;
        Ok(())
    }
}

fn configure(TlsSettings { cert, key }: &TlsSettings) -> Result<Arc<ServerConfig>, Error> {
    let refused = |name: &str, path: &Path, what: &str, why: String| Error::Setting {
        key: name.to_owned(),
        value: path.display().to_string(),
        allowed: format!("{what} ({why})"),
    };
    let of_cert =
        |why| refused("tls_cert", cert, "a file in PEM format with the certificate for tls_key, and its chain", why);
    let of_key = |why| {
        refused("tls_key", key, "a file in PEM format with the private key of tls_cert, without a passphrase", why)
    };

    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(|certificates| certificates.collect())
        .map_err(|error| of_cert(in_words(error)))?;
    if chain.is_empty() {
        return Err(of_cert(in_words(pem::Error::NoItemsFound)));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of_key(in_words(error)))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => of_cert(error.to_string()),
            error => of_key(error.to_string()),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn in_words(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "none found".to_owned(),
        error => error.to_string(),
    }
}

impl TlsSettings {
    /// Reads the files and forgets them: tells what a server would find wrong with them.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when a file cannot be read, is no certificate or no key, or they do not belong together.
    pub fn check(&self) -> Result<(), Error> {
        Identity::load(self).map(drop)
    }
}

/// One connection's session.
pub(super) struct Session {
    tls: ServerConnection,
}

impl Session {
    /// Shakes hands over `socket`, which may take up to `timeout`.
    pub(super) fn begin(identity: &Identity, socket: &mut Socket, timeout: Duration) -> io::Result<Session> {
        let config = lock(&identity.config).clone();
        let mut session = Session { tls: ServerConnection::new(config).map_err(io::Error::other)? };
        let deadline = Instant::now() + timeout;
        while session.tls.is_handshaking() {
            let left = deadline.saturating_duration_since(Instant::now());
            match session.take_in(socket, left)? {
                Some(1..) => {}
                Some(0) => {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed before the end of the handshake"));
                }
                None => return Err(io::Error::new(ErrorKind::TimedOut, "the handshake took too long")),
            }
        }
        Ok(session)
    }

    /// As [`Stream::receive`](super::stream::Stream::receive). A client that closes without a word of TLS has ended its
    /// sending like one that says so: requests know their own ends.
    pub(super) fn receive(
        &mut self,
        socket: &mut Socket,
        into: &mut [u8],
        timeout: Duration,
    ) -> io::Result<Option<usize>> {
        let deadline = Instant::now() + timeout;
        let mut left = timeout;
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Some(0)),
                received => return received.map(Some),
            }
            if self.take_in(socket, left)?.is_none() {
                return Ok(None);
            }
            left = deadline.saturating_duration_since(Instant::now());
        }
    }

    /// One read from the socket, of whatever part of a record, and what TLS has to say to it.
    fn take_in(&mut self, socket: &mut Socket, timeout: Duration) -> io::Result<Option<usize>> {
        if timeout.is_zero() {
            return Ok(None);
        }
        let received = socket.read(timeout, |mut socket| self.tls.read_tls(&mut socket))?;
        let processed = self.tls.process_new_packets();
        let answered = self.flush(socket, timeout);
        // An alert that does not reach the client is of less interest than what it was about.
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        answered.map(|()| received)
    }

    /// As [`Stream::send`](super::stream::Stream::send).
    pub(super) fn send(&mut self, socket: &mut Socket, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        let mut left = bytes;
        socket.write(timeout, |mut socket| {
            // Takes as much as its buffer has room for.
            left = &left[self.tls.writer().write(left)?..];
            self.tls.write_tls(&mut socket)?;
            Ok(left.is_empty() && !self.tls.wants_write())
        })
    }

    /// Reads what is there, over a socket that does not wait; `None` when that is nothing for now. 0 as of
    /// [`receive`](Session::receive).
    #[cfg_attr(not(unix), allow(dead_code, reason = "only there are sockets that do not wait"))]
    pub(super) fn receive_at_once(
        &mut self,
        socket: &mut (impl Read + Write),
        into: &mut [u8],
    ) -> io::Result<Option<usize>> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Some(0)),
                received => return received.map(Some),
            }
            match self.tls.read_tls(socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                read => drop(read?),
            }
            let processed = self.tls.process_new_packets();
            let answered = self.flush_at_once(socket);
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            answered?;
        }
    }

    /// Takes as much of `pieces` as the session has room for, which is 64 KiB as a whole, and sends what goes without
    /// waiting. Tells how much was taken.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only there are sockets that do not wait"))]
    pub(super) fn send_at_once(
        &mut self,
        socket: &mut (impl Read + Write),
        pieces: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if !self.flush_at_once(socket)? {
            return Ok(0);
        }
        let taken = self.tls.writer().write_vectored(pieces)?;
        self.flush_at_once(socket)?;
        Ok(taken)
    }

    /// Sends what was taken and goes without waiting. Whether that is all.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only there are sockets that do not wait"))]
    pub(super) fn flush_at_once(&mut self, socket: &mut (impl Read + Write)) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                written => drop(written?),
            }
        }
        Ok(true)
    }

    /// Puts the word that nothing more will be sent behind what was taken.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only there are sockets that do not wait"))]
    pub(super) fn queue_goodbye(&mut self) {
        self.tls.send_close_notify();
    }

    pub(super) fn say_goodbye(&mut self, socket: &mut Socket) {
        self.tls.send_close_notify();
        let _ = socket.write(Duration::ZERO, |mut socket| self.tls.write_tls(&mut socket).map(|_| true));
    }

    /// As [`Stream::flush`](super::stream::Stream::flush).
    pub(super) fn flush(&mut self, socket: &mut Socket, timeout: Duration) -> io::Result<()> {
        if !self.tls.wants_write() {
            return Ok(());
        }
        socket.write(timeout, |mut socket| {
            self.tls.write_tls(&mut socket)?;
            Ok(!self.tls.wants_write())
        })
    }
}
