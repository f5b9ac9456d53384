//! How a server is called.

use crate::http::Certificates;
use crate::net::{Lookup, SystemLookup};
use std::sync::Arc;
use std::time::Duration;

/// The most [`XmlRpcSettings::max_nesting`] may be.
pub(super) const MOST_NESTING: usize = 32;

/// How an [`XmlRpc`](super::XmlRpc) client calls its server.
///
/// ```
/// use headstart::XmlRpcSettings;
///
/// let settings = XmlRpcSettings::new("http://127.0.0.1:8000/RPC2").max_response(64 << 10);
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing before a client is made with them"]
pub struct XmlRpcSettings {
    pub(super) url: String,
    pub(super) max_response: u64,
    pub(super) max_nesting: usize,
    pub(super) connect_timeout: Duration,
    pub(super) proxy: Option<String>,
    pub(super) trusted: Vec<Certificates>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl XmlRpcSettings {
    /// The server's URL, `http` or `https`.
    pub fn new(url: impl Into<String>) -> XmlRpcSettings {
        XmlRpcSettings {
            url: url.into(),
            max_response: 10 << 20,
            max_nesting: MOST_NESTING,
            connect_timeout: Duration::from_secs(10),
            proxy: None,
            trusted: Vec::new(),
            lookup: Arc::new(SystemLookup),
        }
    }

    /// The largest answer taken, in bytes of XML. Defaults to 10 MiB. The values made of it may take some twenty times
    /// as much.
    pub fn max_response(mut self, max_response: u64) -> XmlRpcSettings {
        self.max_response = max_response;
        self
    }

    /// How many arrays and structs may lie around a value, in calls and in answers. Defaults to 32, which is the most:
    /// values are read on the stack, and a level takes up to 20 KiB of it in a build without optimisation, 3 KiB
    /// otherwise.
    pub fn max_nesting(mut self, max_nesting: usize) -> XmlRpcSettings {
        self.max_nesting = max_nesting;
        self
    }

    /// How long to wait for a connection (name lookup, TCP, TLS), at most. Defaults to 10 s.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> XmlRpcSettings {
        self.connect_timeout = connect_timeout;
        self
    }

    /// The URL of a proxy that takes `CONNECT`. Defaults to none; the environment is not asked.
    pub fn proxy(mut self, proxy: impl Into<String>) -> XmlRpcSettings {
        self.proxy = Some(proxy.into());
        self
    }

    /// Certificate authorities trusted for `https` besides those of Mozilla's list. Defaults to none.
    pub fn trusted(mut self, trusted: impl IntoIterator<Item = Certificates>) -> XmlRpcSettings {
        self.trusted = trusted.into_iter().collect();
        self
    }

    /// How host names are looked up. Defaults to [`SystemLookup`].
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> XmlRpcSettings {
        self.lookup = lookup;
        self
    }
}
