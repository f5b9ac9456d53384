//! How upstreams are called.

use super::statuses::Statuses;
use crate::error::Error;
use crate::event::Observer;
use crate::net::{Lookup, SystemLookup};
use crate::policy::PolicySettings;
use crate::race::{AfterFailure, Schedule, Threads};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a [`Client`](super::Client) calls its upstreams.
///
/// ```
/// use headstart::ClientSettings;
/// use std::time::Duration;
///
/// let settings = ClientSettings::new(["http://127.0.0.1:9000/api/work"]).connect_timeout(Duration::from_secs(2));
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing before a client is made with them"]
pub struct ClientSettings {
    pub(super) upstreams: Vec<String>,
    pub(super) schedule: Schedule,
    pub(super) after_failure: AfterFailure,
    pub(super) threads: Threads,
    pub(super) calls: Calls,
    pub(super) connect_timeout: Duration,
    pub(super) max_body: u64,
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) timeout_header: String,
    pub(super) max_redirects: u32,
    pub(super) proxy: Option<String>,
    pub(super) trusted: Vec<Certificates>,
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) policy: PolicySettings,
    pub(super) dns_refresh: Duration,
    pub(super) health_path: Option<String>,
    pub(super) success: Option<Statuses>,
    pub(super) commit: Commit,
    pub(super) hedge_max_body: u64,
    pub(super) body_idle_timeout: Duration,
}

impl ClientSettings {
    /// The URLs to call, `http` or `https`: attempts take them in turn, each race one further. At least one is needed.
    pub fn new(upstreams: impl IntoIterator<Item = impl Into<String>>) -> ClientSettings {
        ClientSettings {
            upstreams: upstreams.into_iter().map(Into::into).collect(),
            schedule: Schedule::default(),
            after_failure: AfterFailure::default(),
            threads: Threads::default(),
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
            observer: None,
            policy: PolicySettings::default(),
            dns_refresh: Duration::from_secs(10),
            health_path: None,
            success: None,
            commit: Commit::default(),
            hedge_max_body: 64 << 10,
            body_idle_timeout: Duration::from_secs(60),
        }
    }

    /// The URLs to call: attempts take them in turn, each race one further. In place of those given before.
    pub fn upstreams(mut self, upstreams: impl IntoIterator<Item = impl Into<String>>) -> ClientSettings {
        self.upstreams = upstreams.into_iter().map(Into::into).collect();
        self
    }

    /// When a hedged call's attempts start. Defaults to 0, 300 and 300 ms.
    pub fn schedule(mut self, schedule: Schedule) -> ClientSettings {
        self.schedule = schedule;
        self
    }

    /// What a failure before the next start leads to. Defaults to [`AfterFailure::Wait`].
    pub fn after_failure(mut self, after_failure: AfterFailure) -> ClientSettings {
        self.after_failure = after_failure;
        self
    }

    /// Where the attempts get their threads. Defaults to [`Threads::Crew`].
    pub fn threads(mut self, threads: Threads) -> ClientSettings {
        self.threads = threads;
        self
    }

    /// By what the calls are made. Defaults to [`Calls::Wire`].
    pub fn calls(mut self, calls: Calls) -> ClientSettings {
        self.calls = calls;
        self
    }

    /// How long to wait for a connection (name lookup, TCP, TLS), at most. Defaults to 10 s.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> ClientSettings {
        self.connect_timeout = connect_timeout;
        self
    }

    /// The largest body taken, in bytes. Defaults to 10 MiB.
    pub fn max_body(mut self, max_body: u64) -> ClientSettings {
        self.max_body = max_body;
        self
    }

    /// Idle connections kept for reuse, over all upstreams. Defaults to 512.
    pub fn max_idle(mut self, max_idle: usize) -> ClientSettings {
        self.max_idle = max_idle;
        self
    }

    /// How long an idle connection is kept. Defaults to 4 s: less than the 5 s after which common servers close it
    /// themselves.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> ClientSettings {
        self.idle_timeout = idle_timeout;
        self
    }

    /// The header field that carries the remaining time in milliseconds. Defaults to `x-request-timeout-ms`.
    pub fn timeout_header(mut self, timeout_header: impl Into<String>) -> ClientSettings {
        self.timeout_header = timeout_header.into();
        self
    }

    /// How many redirects an attempt follows. Defaults to 0: a redirect is a failure like any status but 200.
    pub fn max_redirects(mut self, max_redirects: u32) -> ClientSettings {
        self.max_redirects = max_redirects;
        self
    }

    /// The URL of a proxy that takes `CONNECT`. Defaults to none; the environment is not asked.
    pub fn proxy(mut self, proxy: impl Into<String>) -> ClientSettings {
        self.proxy = Some(proxy.into());
        self
    }

    /// Certificate authorities trusted for `https` besides those of Mozilla's list. Defaults to none.
    pub fn trusted(mut self, trusted: impl IntoIterator<Item = Certificates>) -> ClientSettings {
        self.trusted = trusted.into_iter().collect();
        self
    }

    /// How host names are looked up. Defaults to [`SystemLookup`].
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> ClientSettings {
        self.lookup = lookup;
        self
    }

    /// Who is told of attempts and races. Defaults to nobody.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> ClientSettings {
        self.observer = Some(observer);
        self
    }

    /// When to hedge, and how much of it. Defaults to [`Delay::Scheduled`](crate::policy::Delay::Scheduled): by the
    /// schedule, without limits. With any other, calls for the first success are hedged by it in place of the schedule.
    pub fn policy(mut self, policy: PolicySettings) -> ClientSettings {
        self.policy = policy;
        self
    }

    /// How often the names of upstreams are looked up again while there are calls, so that each of their addresses is
    /// called. Defaults to 10 s. For [`send`](super::Client::send), and for calls that a [`policy`](Self::policy)
    /// hedges.
    pub fn dns_refresh(mut self, interval: Duration) -> ClientSettings {
        self.dns_refresh = interval;
        self
    }

    /// A target that every upstream is asked for every 2 s, such as `/healthz`. While the answer is not a status below
    /// 400 within 2 s, an upstream gets no primaries, as long as others do. Defaults to none. On Unix only.
    pub fn health_path(mut self, path: impl Into<String>) -> ClientSettings {
        self.health_path = Some(path.into());
        self
    }

    /// The statuses that win. Defaults to 200 for JSON (which it has to be in any case), and for
    /// [`send`](super::Client::send) to everything below 500 but 429.
    pub fn success(mut self, statuses: Statuses) -> ClientSettings {
        self.success = Some(statuses);
        self
    }

    /// What has to have come of a hedged response before it wins. Defaults to [`Commit::FirstByte`]. For
    /// [`send`](super::Client::send).
    pub fn commit(mut self, commit: Commit) -> ClientSettings {
        self.commit = commit;
        self
    }

    /// How much of a body [`Commit::Full`] holds before its response wins all the same, in bytes. Defaults to 64 KiB.
    pub fn hedge_max_body(mut self, bytes: u64) -> ClientSettings {
        self.hedge_max_body = bytes;
        self
    }

    /// How long the next bytes of a body may take once its response was returned by
    /// [`send`](super::Client::send). Defaults to 60 s.
    pub fn body_idle_timeout(mut self, timeout: Duration) -> ClientSettings {
        self.body_idle_timeout = timeout;
        self
    }
}

/// What has to have come of an acceptable response before it wins its race. An attempt without a rival, running or yet
/// to start, wins with its head; so does an event stream (`text/event-stream`, asked for or answered).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// Its head.
    Head,
    /// The first byte of its body, or the body's end. So a server that sends its head early and then stalls does not
    /// win. The default.
    #[default]
    FirstByte,
    /// Its whole body, or as much of it as is held.
    Full,
}

/// By what the calls of a [`Client`](super::Client) are made. The answers are the same, and so is what ends a call: its
/// token, which closes the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// Calls to `http://` without proxy and redirects are made by this crate's own code, all others by ureq. Sockets
    /// have no timeouts: the race cancels the token at its deadline.
    #[default]
    Wire,
    /// All calls are made by ureq, and each send and receive has a socket timeout, the time left. This is what one
    /// would write first. It costs more system calls and more CPU time.
    Ureq,
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

/// What makes a response win, and what bounds it from then on.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) success: Option<Statuses>,
    pub(super) commit: Commit,
    pub(super) hedge_max_body: u64,
    pub(super) body_idle_timeout: Duration,
}

impl Rules {
    /// Whether an answer of this status may win.
    pub(super) fn accept(&self, status: u16) -> bool {
        self.success.as_ref().map_or(status < 500 && status != 429, |success| success.contains(status))
    }
}
