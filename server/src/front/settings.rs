//! What a server allows, and what the system allows it.

use super::tls::Identity;
use crate::error::Error;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// How a [`Server`](super::Server) listens and what it allows.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to listen, as `address:port`; port 0 takes a free one. Defaults to `127.0.0.1:8081`.
    pub listen: String,
    /// The most connections at a time; another one gets `503` and is closed. Each has a thread. Half of the files that the
    /// process may have open are left for other things, upstreams above all, so there can be fewer. Defaults to 4,096.
    pub max_connections: usize,
    /// The most connections of one client at a time; another one gets `503` and is closed. A client is an IPv4 address or an
    /// IPv6 network of 64 bits, so behind a proxy all clients are one. Defaults to `None`: no limit.
    pub max_connections_per_client: Option<usize>,
    /// The most requests over one connection, after which it is closed. Defaults to `None`: no limit.
    pub max_requests_per_connection: Option<u64>,
    /// The largest head, in bytes; a larger one gets `431`. Defaults to 16 KiB.
    pub max_head: usize,
    /// The most header fields, up to 256; more get `431`. Defaults to 100.
    pub max_fields: usize,
    /// The longest request target, in bytes; a longer one gets `414`. Defaults to 8 KiB.
    pub max_target: usize,
    /// The largest body that is read and dropped, in bytes; a larger one gets `413`. Defaults to 64 KiB.
    pub max_body: u64,
    /// Whom clients find behind TLS. Defaults to `None`: they come in the clear. Needs the feature `tls`.
    pub tls: Option<TlsSettings>,
    /// How long a TLS handshake may take; then the connection is closed. Defaults to 10 s.
    pub handshake_timeout: Duration,
    /// How long a head may take from its first byte on; then `408`. Defaults to 10 s.
    pub head_timeout: Duration,
    /// How long a body may take from the end of the head on; then `408`. Defaults to 10 s.
    pub body_timeout: Duration,
    /// How long a connection may be silent between requests, or before the first; then it is closed. Defaults to 60 s.
    pub idle_timeout: Duration,
    /// How long a client may take to read each 64 KiB of an answer; then it is closed. Defaults to 10 s.
    pub write_timeout: Duration,
}

/// The files that a server proves itself with. They are read at start and by [`Server::reload_tls`](super::Server::reload_tls).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate and its chain, in PEM format.
    pub cert: PathBuf,
    /// The certificate's private key, in PEM format, without a passphrase.
    pub key: PathBuf,
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

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            listen: "127.0.0.1:8081".to_owned(),
            max_connections: 4_096,
            max_connections_per_client: None,
            max_requests_per_connection: None,
            max_head: 16 << 10,
            max_fields: 100,
            max_target: 8 << 10,
            max_body: 64 << 10,
            tls: None,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(10),
        }
    }
}

impl ServerSettings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("max_connections", self.max_connections, 1..=usize::MAX),
            ("max_connections_per_client", self.max_connections_per_client.unwrap_or(1), 1..=usize::MAX),
            ("max_head", self.max_head, 256..=1 << 20),
            ("max_fields", self.max_fields, 1..=super::connection::MAX_FIELDS),
            ("max_target", self.max_target, 1..=self.max_head),
        ];
        for (key, value, allowed) in sizes {
            if !allowed.contains(&value) {
                return Err(refuse(key, value.to_string(), format!("{} to {}", allowed.start(), allowed.end())));
            }
        }
        let times = [
            ("handshake_timeout", self.handshake_timeout),
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("idle_timeout", self.idle_timeout),
            ("write_timeout", self.write_timeout),
        ];
        for (key, value) in times {
            if value < Duration::from_millis(1) || value > Duration::from_secs(86_400) {
                return Err(refuse(key, format!("{value:?}"), "1 ms to 1 day".to_owned()));
            }
        }
        Ok(())
    }
}

fn refuse(key: &str, value: String, allowed: String) -> Error {
    Error::Setting { key: key.to_owned(), value, allowed }
}

/// The standard library's listener has a queue of 128, in which a burst of clients is lost.
const BACKLOG: i32 = 4_096;

/// Listens on the first of the address's meanings that works.
pub(super) fn listen(at: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { at: at.to_owned(), source };
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in at.to_socket_addrs().map_err(failed)? {
        match listen_on(address) {
            Ok(listener) => {
                let local_addr = listener.local_addr().map_err(failed)?;
                return Ok((listener, local_addr));
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows the option means something else: taking the port from who has it.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the settings can be, with one of them changed.
    fn may_be(change: impl FnOnce(&mut ServerSettings)) -> bool {
        let mut settings = ServerSettings::default();
        change(&mut settings);
        settings.check().is_ok()
    }

    #[test]
    fn sizes_are_allowed_up_to_their_bounds_and_not_beyond() {
        assert!(may_be(|_| {}));
        assert!(may_be(|it| it.max_connections = 1) && !may_be(|it| it.max_connections = 0));
        assert!(may_be(|it| it.max_connections_per_client = Some(1)));
        assert!(!may_be(|it| it.max_connections_per_client = Some(0)));
        assert!(may_be(|it| (it.max_head, it.max_target) = (256, 256)) && !may_be(|it| it.max_head = 255));
        assert!(may_be(|it| it.max_head = 1 << 20) && !may_be(|it| it.max_head = (1 << 20) + 1));
        assert!(may_be(|it| it.max_fields = 1) && !may_be(|it| it.max_fields = 0));
        assert!(may_be(|it| it.max_fields = 256) && !may_be(|it| it.max_fields = 257));
        assert!(may_be(|it| it.max_target = 1) && !may_be(|it| it.max_target = 0));
        assert!(may_be(|it| it.max_target = it.max_head) && !may_be(|it| it.max_target = it.max_head + 1));
    }

    #[test]
    fn times_are_allowed_from_a_millisecond_to_a_day() {
        let timeouts: [fn(&mut ServerSettings) -> &mut Duration; 5] = [
            |it| &mut it.handshake_timeout,
            |it| &mut it.head_timeout,
            |it| &mut it.body_timeout,
            |it| &mut it.idle_timeout,
            |it| &mut it.write_timeout,
        ];
        let (shortest, longest, step) =
            (Duration::from_millis(1), Duration::from_secs(86_400), Duration::from_nanos(1));
        for timeout in timeouts {
            assert!(may_be(|it| *timeout(it) = shortest) && may_be(|it| *timeout(it) = longest));
            assert!(!may_be(|it| *timeout(it) = shortest - step) && !may_be(|it| *timeout(it) = longest + step));
        }
    }
}
