//! What a server allows.

use crate::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// The most header fields a head can be allowed: they are kept on the stack.
pub(super) const MAX_FIELDS: usize = 256;

/// How a server listens and what it allows.
///
/// ```
/// use headstart_server::ServerSettings;
/// use std::time::Duration;
///
/// let settings = ServerSettings::new("127.0.0.1:8081").max_connections(1_000).idle_timeout(Duration::from_secs(20));
/// ```
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub(super) listen: String,
    pub(crate) max_connections: usize,
    pub(super) max_connections_per_client: Option<usize>,
    pub(super) max_requests_per_connection: Option<u64>,
    pub(super) max_head: usize,
    pub(super) max_fields: usize,
    pub(super) max_target: usize,
    pub(super) max_body: u64,
    pub(super) tls: Option<TlsSettings>,
    pub(super) handshake_timeout: Duration,
    pub(super) head_timeout: Duration,
    pub(super) body_timeout: Duration,
    pub(super) body_idle_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
}

/// The files that a server proves itself with. They are read at start and by
/// [`Server::reload_tls`](super::Server::reload_tls).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

impl TlsSettings {
    /// A file with the certificate and its chain, and one with the certificate's private key, without a passphrase.
    /// Both in PEM format.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsSettings {
        TlsSettings { cert: cert.into(), key: key.into() }
    }
}

impl ServerSettings {
    /// Listens on `address:port`; port 0 takes a free one.
    pub fn new(listen: impl Into<String>) -> ServerSettings {
        ServerSettings {
            listen: listen.into(),
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
            body_idle_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(10),
        }
    }

    /// Listens elsewhere: `address:port`.
    pub fn listen(mut self, listen: impl Into<String>) -> ServerSettings {
        self.listen = listen.into();
        self
    }

    /// The most connections at a time; another one gets `503` and is closed. Each has a thread. Half of the files that
    /// the process may have open are left for other things, upstreams above all, so there can be fewer. Defaults to
    /// 4,096.
    pub fn max_connections(mut self, connections: usize) -> ServerSettings {
        self.max_connections = connections;
        self
    }

    /// The most connections of one client at a time; another one gets `503` and is closed. A client is an IPv4 address
    /// or an IPv6 network of 64 bits, so behind a proxy all clients are one. Defaults to `None`: no limit.
    pub fn max_connections_per_client(mut self, connections: impl Into<Option<usize>>) -> ServerSettings {
        self.max_connections_per_client = connections.into();
        self
    }

    /// The most requests over one connection, after which it is closed. Defaults to `None`: no limit.
    pub fn max_requests_per_connection(mut self, requests: impl Into<Option<u64>>) -> ServerSettings {
        self.max_requests_per_connection = requests.into();
        self
    }

    /// The largest head, in bytes, from 256 to 1 MiB; a larger one gets `431`. Defaults to 16 KiB.
    pub fn max_head(mut self, bytes: usize) -> ServerSettings {
        self.max_head = bytes;
        self
    }

    /// The most header fields, up to 256; more get `431`. Defaults to 100.
    pub fn max_fields(mut self, fields: usize) -> ServerSettings {
        self.max_fields = fields;
        self
    }

    /// The longest request target, in bytes; a longer one gets `414`. Defaults to 8 KiB.
    pub fn max_target(mut self, bytes: usize) -> ServerSettings {
        self.max_target = bytes;
        self
    }

    /// The largest body that is read and dropped, in bytes; a larger one gets `413`. A body that the handler reads has
    /// no limit. Defaults to 64 KiB.
    pub fn max_body(mut self, bytes: u64) -> ServerSettings {
        self.max_body = bytes;
        self
    }

    /// The certificate that clients find behind TLS. Defaults to `None`: they come in the clear. Needs the feature
    /// `tls`.
    pub fn tls(mut self, files: impl Into<Option<TlsSettings>>) -> ServerSettings {
        self.tls = files.into();
        self
    }

    /// How long a TLS handshake may take; then the connection is closed. Defaults to 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> ServerSettings {
        self.handshake_timeout = timeout;
        self
    }

    /// How long a head may take from its first byte on; then `408`. Defaults to 10 s.
    pub fn head_timeout(mut self, timeout: Duration) -> ServerSettings {
        self.head_timeout = timeout;
        self
    }

    /// How long a body that is read and dropped may take from the end of the head on; then `408`. Defaults to 10 s.
    pub fn body_timeout(mut self, timeout: Duration) -> ServerSettings {
        self.body_timeout = timeout;
        self
    }

    /// How long a client may be silent within a body that the handler reads
    /// ([`Handler::takes_body`](super::Handler::takes_body)); then reading fails. Defaults to 60 s.
    pub fn body_idle_timeout(mut self, timeout: Duration) -> ServerSettings {
        self.body_idle_timeout = timeout;
        self
    }

    /// How long a connection may be silent between requests, or before the first; then it is closed. Defaults to 60 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> ServerSettings {
        self.idle_timeout = timeout;
        self
    }

    /// How long a client may take to read each 64 KiB of an answer; then it is closed. Defaults to 10 s.
    pub fn write_timeout(mut self, timeout: Duration) -> ServerSettings {
        self.write_timeout = timeout;
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("max_connections", self.max_connections, 1..=usize::MAX),
            ("max_connections_per_client", self.max_connections_per_client.unwrap_or(1), 1..=usize::MAX),
            ("max_head", self.max_head, 256..=1 << 20),
            ("max_fields", self.max_fields, 1..=MAX_FIELDS),
            ("max_target", self.max_target, 1..=self.max_head),
        ];
        for (key, value, allowed) in sizes {
            if !allowed.contains(&value) {
                let allowed = format!("{} to {}", allowed.start(), allowed.end());
                return Err(Error::setting(key, &value.to_string(), &allowed));
            }
        }
        let times = [
            ("handshake_timeout", self.handshake_timeout),
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("body_idle_timeout", self.body_idle_timeout),
            ("idle_timeout", self.idle_timeout),
            ("write_timeout", self.write_timeout),
        ];
        for (key, value) in times {
            if value < Duration::from_millis(1) || value > Duration::from_secs(86_400) {
                return Err(Error::setting(key, &format!("{value:?}"), "1 ms to 1 day"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the settings can be, with one of them changed.
    fn may_be(change: impl FnOnce(&mut ServerSettings)) -> bool {
        let mut settings = ServerSettings::new("127.0.0.1:0");
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
        let timeouts: [fn(&mut ServerSettings) -> &mut Duration; 6] = [
            |it| &mut it.handshake_timeout,
            |it| &mut it.head_timeout,
            |it| &mut it.body_timeout,
            |it| &mut it.body_idle_timeout,
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
