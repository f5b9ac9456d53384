//! Certificates made for a test, and a client that speaks TLS.

use headstart_server::front::TlsSettings;
use headstart_testing::PATIENCE;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Where a certificate and its key are.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    /// For a server that proves itself with them.
    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings::new(&self.cert, &self.key)
    }
}

/// A certificate for `localhost` and its key, in files of their own.
pub(crate) struct Certificate {
    directory: PathBuf,
    pub(crate) files: Files,
    pub(crate) der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Certificate {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("headstart-tls-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let files = Files { cert: directory.join("cert.pem"), key: directory.join("key.pem") };
        let mut certificate = Certificate { directory, files, der: Vec::new().into() };
        certificate.renew();
        certificate
    }

    /// Replaces the certificate and the key.
    pub(crate) fn renew(&mut self) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(&self.files.cert, made.cert.pem()).unwrap();
        fs::write(&self.files.key, made.signing_key.serialize_pem()).unwrap();
        self.der = made.cert.der().clone();
    }

    /// A client that trusts this certificate and no other, not connected to anything.
    pub(crate) fn trusting(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    pub(crate) fn connect(&self, to: SocketAddr) -> TlsClient {
        TlsClient::connect(to, self.trusting(&BOTH)).unwrap()
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// One connection.
pub(crate) struct TlsClient {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

/// How a server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With `close_notify`.
    Said,
    /// Without a `close_notify`.
    Cut,
    Reset,
}

impl TlsClient {
    /// Connects and does the handshake.
    pub(crate) fn connect(to: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsClient> {
        let mut socket = TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(TlsClient { stream: StreamOwned::new(session, socket), received: Vec::new() })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.stream.sock
    }

    /// Sends `bytes`, in one record if they fit; a server may close meanwhile.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut TlsClient {
        let _ = self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush());
        self
    }

    pub(crate) fn get(&mut self, target: &str) -> &mut TlsClient {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// The next answer: its head, and its body as long as the head says.
    pub(crate) fn answer(&mut self) -> (String, Vec<u8>) {
        self.try_answer().expect("an answer")
    }

    /// The next answer, unless the connection ends before its first byte.
    pub(crate) fn try_answer(&mut self) -> Option<(String, Vec<u8>)> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.receive() {
                assert!(self.received.is_empty(), "cut: {}", self.received.escape_ascii());
                return None;
            }
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
        while self.received.len() < length {
            assert!(self.receive(), "the body ended after {} of {length} bytes", self.received.len());
        }
        let body = self.received.drain(..length).collect();
        Some((head, body))
    }

    /// What has come behind the last answer.
    pub(crate) fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// The body of the answer to a GET.
    pub(crate) fn ask(&mut self, target: &str) -> String {
        String::from_utf8(self.get(target).answer().1).unwrap()
    }

    fn receive(&mut self) -> bool {
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(received) => {
                self.received.extend_from_slice(&bytes[..received]);
                received > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for the server to end the connection. Panics when it sends anything before.
    pub(crate) fn end(&mut self) -> End {
        assert_eq!(self.received.escape_ascii().to_string(), "", "unread bytes");
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => End::Said,
            Ok(_) => panic!("more bytes"),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => End::Cut,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("still open: {error}"),
        }
    }

    /// Sends `close_notify` and closes the sending side; dropping it then closes the socket.
    pub(crate) fn say_goodbye(&mut self) -> &mut TlsClient {
        self.stream.conn.send_close_notify();
        let _ = self.stream.flush();
        self
    }

    pub(crate) fn half_close(&mut self) -> &mut TlsClient {
        self.stream.sock.shutdown(Shutdown::Write).unwrap();
        self
    }
}
