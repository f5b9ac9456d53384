//! How the server is called.

use super::address::DEFAULT_PORT;
use crate::error::Error;
use crate::net::address::Address;
use crate::net::{Lookup, SystemLookup};
use std::sync::Arc;
use std::time::Duration;

/// How a [`Memcached`](super::Memcached) calls its server.
///
/// ```
/// use headstart::memcached::MemcachedSettings;
///
/// let settings = MemcachedSettings::new("10.0.0.1:11211").max_value(64 << 10);
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing before a client is made with them"]
pub struct MemcachedSettings {
    pub(super) server: String,
    pub(super) connect_timeout: Duration,
    pub(super) max_value: usize,
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl MemcachedSettings {
    /// The server, as `host:port`, `host` (port 11211) or `[IPv6]:port`.
    pub fn new(server: impl Into<String>) -> MemcachedSettings {
        MemcachedSettings {
            server: server.into(),
            connect_timeout: Duration::from_secs(2),
            max_value: 1 << 20,
            max_idle: 64,
            idle_timeout: Duration::from_secs(60),
            lookup: Arc::new(SystemLookup),
        }
    }

    /// How long to wait for a connection (name lookup and TCP), at most; a call with less time waits less. Defaults to
    /// 2 s.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> MemcachedSettings {
        self.connect_timeout = connect_timeout;
        self
    }

    /// The largest value sent or taken, in bytes. Defaults to 1 MiB, which is memcached's own limit (`-I`) unless
    /// changed.
    pub fn max_value(mut self, max_value: usize) -> MemcachedSettings {
        self.max_value = max_value;
        self
    }

    /// Idle connections kept for reuse. Defaults to 64.
    pub fn max_idle(mut self, max_idle: usize) -> MemcachedSettings {
        self.max_idle = max_idle;
        self
    }

    /// How long an idle connection is kept. Defaults to 60 s; memcached itself closes none unless told to.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> MemcachedSettings {
        self.idle_timeout = idle_timeout;
        self
    }

    /// How host names are looked up. Defaults to [`SystemLookup`].
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> MemcachedSettings {
        self.lookup = lookup;
        self
    }
}

impl MemcachedSettings {
    /// The server, if all of the settings can be used.
    pub(super) fn check(&self) -> Result<Address, Error> {
        if self.connect_timeout.is_zero() {
            return Err(Error::setting("connect_timeout", "0", "a time longer than nothing"));
        }
        Address::parse(&self.server, DEFAULT_PORT)
            .map_err(|_| Error::setting("server", &self.server, "host:port, host or [IPv6]:port"))
    }
}
