//! How upstreams are called.

use crate::error::Error;
use crate::event::Observer;
use crate::net::{Lookup, SystemLookup};
use crate::race::{AfterFailure, Schedule, Threads};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a [`Client`] calls its upstreams.
///
/// ```
/// use headstart::ClientSettings;
/// use std::time::Duration;
///
/// let mut settings = ClientSettings::default();
/// settings.upstreams = vec!["http://127.0.0.1:9000/api/work".to_owned()];
/// settings.connect_timeout = Duration::from_secs(2);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The URLs to call: attempts take them in turn, each race one further. Defaults to none, which [`Client::new`] refuses.
    pub upstreams: Vec<String>,
    /// When a hedged call's attempts start. Defaults to 0, 300 and 300 ms.
    pub schedule: Schedule,
    /// What a failure before the next start leads to. Defaults to [`AfterFailure::Wait`].
    pub after_failure: AfterFailure,
    /// Where the attempts get their threads. Defaults to [`Threads::Crew`].
    pub threads: Threads,
    /// How long to wait for a connection (name lookup, TCP, TLS), at most. Defaults to 10 s.
    pub connect_timeout: Duration,
    /// The largest body taken, in bytes. Defaults to 10 MiB.
    pub max_body: u64,
    /// Idle connections kept for reuse, over all upstreams. Defaults to 512.
    pub max_idle: usize,
    /// How long an idle connection is kept. Defaults to 4 s: less than the 5 s after which common servers close it themselves.
    pub idle_timeout: Duration,
    /// The header field that carries the remaining time in milliseconds. Defaults to `x-request-timeout-ms`.
    pub timeout_header: String,
    /// How many redirects an attempt follows. Defaults to 0: a redirect is a failure like any status but 200.
    pub max_redirects: u32,
    /// The URL of a proxy that takes `CONNECT`. Defaults to none; the environment is not asked.
    pub proxy: Option<String>,
    /// Certificate authorities trusted for `https` besides those of Mozilla's list. Defaults to none.
    pub trusted: Vec<Certificates>,
    /// How host names are looked up. Defaults to [`SystemLookup`].
    pub lookup: Arc<dyn Lookup>,
    /// Who is told of attempts and races. Defaults to nobody.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            upstreams: Vec::new(),
            schedule: Schedule::default(),
            after_failure: AfterFailure::default(),
            threads: Threads::default(),
            connect_timeout: Duration::from_secs(10),
            max_body: 10 << 20,
            max_idle: 512,
            idle_timeout: Duration::from_secs(4),
            timeout_header: "x-request-timeout-ms".to_owned(),
            max_redirects: 0,
            proxy: None,
            trusted: Vec::new(),
            lookup: Arc::new(SystemLookup),
            observer: None,
        }
    }
}

/// Where certificates are read from, in PEM format; one source may hold several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// A file.
    File(PathBuf),
    /// These bytes.
    Pem(Vec<u8>),
}

impl Certificates {
    pub(crate) fn read(&self) -> Result<Vec<u8>, Error> {
        match self {
            Certificates::Pem(bytes) => Ok(bytes.clone()),
            Certificates::File(path) => std::fs::read(path).map_err(|error| Error::Setting {
                key: "trusted".to_owned(),
                value: path.display().to_string(),
                allowed: format!("a readable file of certificates in PEM format ({error})"),
            }),
        }
    }
}
