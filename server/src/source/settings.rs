//! How sources are called.

use headstart::http::{Calls, Certificates, ClientSettings, Statuses};
use headstart::{Lookup, SystemLookup};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How sources are called: web services above all, and the others as far as a setting means something to them.
///
/// ```
/// use headstart_server::api::SourceSettings;
/// use std::time::Duration;
///
/// let settings = SourceSettings::default().connect_timeout(Duration::from_secs(2)).max_body(1 << 20);
/// ```
#[derive(Clone)]
pub struct SourceSettings {
    calls: Calls,
    pub(super) connect_timeout: Duration,
    pub(super) max_body: u64,
    max_idle: usize,
    idle_timeout: Duration,
    pub(crate) timeout_header: String,
    max_redirects: u32,
    pub(crate) proxy: Option<String>,
    pub(super) trusted: Vec<Certificates>,
    pub(super) lookup: Arc<dyn Lookup>,
    success: Option<Statuses>,
}

impl Default for SourceSettings {
    fn default() -> Self {
        SourceSettings {
            calls: Calls::default(),
            connect_timeout: Duration::from_secs(10),
            max_body: 10 << 20,
            max_idle: 512,
            idle_timeout: Duration::from_secs(4),
            timeout_header: "x-request-timeout-ms".to_owned(),
            max_redirects: 0,
            proxy: None,
            trusted: Vec::new(),
            lookup: Arc::new(SystemLookup),
            success: None,
        }
    }
}

impl SourceSettings {
    /// By what web services are called. Defaults to [`Calls::Wire`].
    pub fn calls(mut self, calls: Calls) -> SourceSettings {
        self.calls = calls;
        self
    }

    /// How long to wait for a connection (name lookup, TCP, TLS), at most. Defaults to 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> SourceSettings {
        self.connect_timeout = timeout;
        self
    }

    /// The largest body, value or output taken, in bytes. Defaults to 10 MiB.
    pub fn max_body(mut self, bytes: u64) -> SourceSettings {
        self.max_body = bytes;
        self
    }

    /// Idle HTTP connections kept for reuse, over all upstreams. Defaults to 512.
    pub fn max_idle(mut self, connections: usize) -> SourceSettings {
        self.max_idle = connections;
        self
    }

    /// How long an idle HTTP connection is kept. Defaults to 4 s: less than the 5 s after which common servers close it
    /// themselves.
    pub fn idle_timeout(mut self, timeout: Duration) -> SourceSettings {
        self.idle_timeout = timeout;
        self
    }

    /// The header field that carries the remaining time in milliseconds. Defaults to `x-request-timeout-ms`.
    pub fn timeout_header(mut self, name: impl Into<String>) -> SourceSettings {
        self.timeout_header = name.into();
        self
    }

    /// How many redirects an attempt follows. Defaults to 0: a redirect is a failure like any status but 200.
    pub fn max_redirects(mut self, count: u32) -> SourceSettings {
        self.max_redirects = count;
        self
    }

    /// The URL of a proxy that takes `CONNECT`. Defaults to `None`; the environment is not asked.
    pub fn proxy(mut self, url: impl Into<Option<String>>) -> SourceSettings {
        self.proxy = url.into();
        self
    }

    /// Certificate authorities trusted for TLS besides those of Mozilla's list. Defaults to none.
    pub fn trusted(mut self, certificates: impl IntoIterator<Item = Certificates>) -> SourceSettings {
        self.trusted = certificates.into_iter().collect();
        self
    }

    /// How host names are looked up. Defaults to [`SystemLookup`].
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> SourceSettings {
        self.lookup = lookup;
        self
    }

    /// The statuses of a web service that are a success if its JSON is there. Defaults to `None`: 200 alone.
    pub fn success(mut self, statuses: impl Into<Option<Statuses>>) -> SourceSettings {
        self.success = statuses.into();
        self
    }

    /// For a client of `urls` that takes JSON.
    pub(super) fn json_client(&self, urls: &[String]) -> ClientSettings {
        match &self.success {
            Some(success) => self.client(urls).success(success.clone()),
            None => self.client(urls),
        }
    }

    /// The same for any client of `urls`, which may have its own successes.
    pub(crate) fn client(&self, urls: &[String]) -> ClientSettings {
        let client = ClientSettings::new(urls)
            .calls(self.calls)
            .connect_timeout(self.connect_timeout)
            .max_body(self.max_body)
            .max_idle(self.max_idle)
            .idle_timeout(self.idle_timeout)
            .timeout_header(&self.timeout_header)
            .max_redirects(self.max_redirects)
            .trusted(self.trusted.clone())
            .lookup(self.lookup.clone());
        match &self.proxy {
            Some(proxy) => client.proxy(proxy),
            None => client,
        }
    }
}

impl fmt::Debug for SourceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceSettings")
            .field("calls", &self.calls)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_body", &self.max_body)
            .field("max_idle", &self.max_idle)
            .field("idle_timeout", &self.idle_timeout)
            .field("timeout_header", &self.timeout_header)
            .field("max_redirects", &self.max_redirects)
            .field("success", &self.success)
            .finish_non_exhaustive() // a proxy may have a password
    }
}
