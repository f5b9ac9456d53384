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
/// let mut settings = MemcachedSettings::default();
/// settings.server = "10.0.0.1:11211".to_owned();
/// settings.max_value = 64 << 10;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct MemcachedSettings {
    /// The server, as `host:port`, `host` (port 11211) or `[IPv6]:port`. Defaults to `127.0.0.1:11211`.
    pub server: String,
    /// How long to wait for a connection (name lookup and TCP), at most; a call with less time waits less. Defaults to 2 s.
    pub connect_timeout: Duration,
    /// The largest value sent or taken, in bytes. Defaults to 1 MiB, which is memcached's own limit (`-I`) unless changed.
    pub max_value: usize,
    /// Idle connections kept for reuse. Defaults to 64.
    pub max_idle: usize,
    /// How long an idle connection is kept. Defaults to 60 s; memcached itself closes none unless told to.
    pub idle_timeout: Duration,
    /// How host names are looked up. Defaults to [`SystemLookup`].
    pub lookup: Arc<dyn Lookup>,
}

impl Default for MemcachedSettings {
    fn default() -> Self {
        MemcachedSettings {
            server: "127.0.0.1:11211".to_owned(),
            connect_timeout: Duration::from_secs(2),
            max_value: 1 << 20,
            max_idle: 64,
            idle_timeout: Duration::from_secs(60),
            lookup: Arc::new(SystemLookup),
        }
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
