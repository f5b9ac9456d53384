//! What a proxy route is told.

use super::network::Network;
use super::prefix::Prefix;
use crate::error::Error;
use crate::source::SourceSettings;
use headstart::http::{Commit, Statuses};
use headstart::policy::{Bounds, Delay, PolicySettings};
use headstart::race::{AfterFailure, Schedule};
use std::time::Duration;

/// How a prefix is passed through to its upstreams.
///
/// ```
/// use headstart_server::api::ProxySettings;
/// use std::time::Duration;
///
/// let settings = ProxySettings::new("/catalog/*", ["http://10.0.0.1:8000"]).timeout(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing before an API is made with them"]
pub struct ProxySettings {
    pub(crate) path: String,
    pub(crate) to: Vec<String>,
    pub(super) schedule: Schedule,
    pub(super) policy: PolicySettings,
    pub(super) dns_refresh: Duration,
    pub(super) health_path: Option<String>,
    pub(super) after_failure: AfterFailure,
    pub(super) timeout: Duration,
    pub(super) success: Option<Statuses>,
    pub(super) commit: Commit,
    pub(super) host: HostField,
    pub(super) hedge_methods: Vec<HedgeMethod>,
    pub(super) hedge_max_body: u64,
    pub(super) body_idle_timeout: Duration,
    pub(super) tunnel_idle_timeout: Duration,
    pub(super) trusted_proxies: Vec<Network>,
}

impl ProxySettings {
    /// Passes what is below `path`, which ends in `/*`, through to the servers at these URLs, which stand for the same:
    /// each attempt goes to the better of two random ones. A URL is `http` or `https` with a host and, if any, a port:
    /// the path and query that upstreams see are the request's.
    pub fn new<U: Into<String>>(path: impl Into<String>, to: impl IntoIterator<Item = U>) -> ProxySettings {
        ProxySettings {
            path: path.into(),
            to: to.into_iter().map(Into::into).collect(),
            schedule: Schedule::default(),
            policy: PolicySettings::new(Delay::Auto(Bounds::default())),
            dns_refresh: Duration::from_secs(10),
            health_path: None,
            after_failure: AfterFailure::default(),
            timeout: Duration::from_secs(60),
            success: None,
            commit: Commit::default(),
            host: HostField::default(),
            hedge_methods: vec![HedgeMethod::Get, HedgeMethod::Head, HedgeMethod::Options],
            hedge_max_body: 64 << 10,
            body_idle_timeout: Duration::from_secs(60),
            tunnel_idle_timeout: Duration::from_secs(3_600),
            trusted_proxies: Vec::new(),
        }
    }

    /// The path, in place of that given before.
    pub fn path(mut self, path: impl Into<String>) -> ProxySettings {
        self.path = path.into();
        self
    }

    /// The upstreams, in place of those given before.
    pub fn to<U: Into<String>>(mut self, to: impl IntoIterator<Item = U>) -> ProxySettings {
        self.to = to.into_iter().map(Into::into).collect();
        self
    }

    /// When the attempts of a hedged request start, without any other limit, in place of a
    /// [`policy`](ProxySettings::policy) given before.
    pub fn schedule(mut self, schedule: Schedule) -> ProxySettings {
        self.schedule = schedule;
        self.policy = self.policy.after(Delay::Scheduled);
        self
    }

    /// When to hedge, and how much of it. Defaults to one hedge as early as a budget of a tenth allows, after 2 ms to
    /// 1 s; as many run at a time as a tenth of the requests that may be in flight, and two at least.
    pub fn policy(mut self, policy: PolicySettings) -> ProxySettings {
        self.policy = policy;
        self
    }

    /// When to hedge, and how much of it.
    pub fn hedging(&self) -> &PolicySettings {
        &self.policy
    }

    /// How often the names of upstreams are looked up again while there are requests. Each address of a name is an
    /// upstream. Defaults to 10 s.
    pub fn dns_refresh(mut self, interval: Duration) -> ProxySettings {
        self.dns_refresh = interval;
        self
    }

    /// What every upstream is asked for every 2 s. One that does not answer with a status below 400 gets no primaries,
    /// as long as others do. Defaults to `None`.
    pub fn health_path(mut self, path: impl Into<Option<String>>) -> ProxySettings {
        self.health_path = path.into();
        self
    }

    /// What a failure before the next start leads to. Defaults to [`AfterFailure::Wait`].
    pub fn after_failure(mut self, after_failure: AfterFailure) -> ProxySettings {
        self.after_failure = after_failure;
        self
    }

    /// How long it may take, from the end of the request's head on, until a response is committed. Of a body that
    /// streams, from its end on. Then the answer is `504`. Defaults to 60 s.
    pub fn timeout(mut self, timeout: Duration) -> ProxySettings {
        self.timeout = timeout;
        self
    }

    /// The statuses that are acceptable: an attempt with another one wins only when no attempt has one of these.
    /// Defaults to `None`: those below 500 but 429.
    pub fn success(mut self, success: impl Into<Option<Statuses>>) -> ProxySettings {
        self.success = success.into();
        self
    }

    /// How much of an acceptable response has to be here for its attempt to win. Defaults to [`Commit::FirstByte`].
    pub fn commit(mut self, commit: Commit) -> ProxySettings {
        self.commit = commit;
        self
    }

    /// What upstreams see as `Host` (RFC 9110, section 7.2). Defaults to [`HostField::Client`].
    pub fn host(mut self, host: HostField) -> ProxySettings {
        self.host = host;
        self
    }

    /// The methods whose requests may be sent more than once. Defaults to `GET`, `HEAD` and `OPTIONS`. With none,
    /// everything is sent once.
    pub fn hedge_methods(mut self, methods: impl IntoIterator<Item = HedgeMethod>) -> ProxySettings {
        self.hedge_methods = methods.into_iter().collect();
        self
    }

    /// The largest body of a request that is held so that it can be sent more than once, and of a response that is held
    /// with [`Commit::Full`], in bytes. Defaults to 64 KiB.
    pub fn hedge_max_body(mut self, bytes: u64) -> ProxySettings {
        self.hedge_max_body = bytes;
        self
    }

    /// How long an upstream may be silent between two bytes of a body. Then the response is cut. Defaults to 60 s.
    pub fn body_idle_timeout(mut self, timeout: Duration) -> ProxySettings {
        self.body_idle_timeout = timeout;
        self
    }

    /// How long both sides of a tunnel (`101 Switching Protocols`) may be silent. Then it is closed. Defaults to 1 h.
    pub fn tunnel_idle_timeout(mut self, timeout: Duration) -> ProxySettings {
        self.tunnel_idle_timeout = timeout;
        self
    }

    /// The proxies in front of this one that are believed: `X-Forwarded-*` of theirs is extended, and their timeout
    /// header can shorten [`timeout`](ProxySettings::timeout). Of others both are replaced. Defaults to none.
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = Network>) -> ProxySettings {
        self.trusted_proxies = networks.into_iter().collect();
        self
    }

    /// The most attempts that a request has.
    pub(crate) fn attempts(&self) -> usize {
        match self.policy.delay() {
            Delay::Off => 1,
            Delay::Scheduled => self.schedule.offsets().len(),
            _ => 1 + self.policy.most_hedges(),
        }
    }

    /// Whether requests of this method, compared as sent, may be sent more than once.
    pub(crate) fn hedges(&self, method: &str) -> bool {
        self.hedge_methods.iter().any(|hedged| hedged.as_str() == method)
    }

    /// Which paths it is for.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when the path does not end in `/*`.
    pub(crate) fn prefix(&self) -> Result<Prefix, Error> {
        let allowed = "a path that begins with a slash and ends in /*, percent-encoded, without another star";
        Prefix::new(&self.path).ok_or_else(|| Error::setting("route", &self.path, allowed))
    }

    /// Finds what cannot be served.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the path, or an upstream, or a proxy in front of the upstreams.
    pub(crate) fn check(&self, sources: &SourceSettings) -> Result<(), Error> {
        self.prefix()?;
        let wrong = |to: &str, allowed: &str| Err(Error::setting("route", &format!("{}={to}", self.path), allowed));
        if self.to.is_empty() {
            return wrong("", "a path with an upstream, such as http://10.0.0.1:8000");
        }
        for to in &self.to {
            let Some((scheme, rest)) = to.split_once("://") else {
                return wrong(to, "a URL with a scheme, such as http://10.0.0.1:8000");
            };
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, below) = rest.split_at(end);
            if authority.contains('@') {
                return wrong(&format!("{scheme}://***@…"), "a URL without user name and password");
            }
            if !matches!(below, "" | "/") {
                let shown = format!("{scheme}://{authority}/…");
                return wrong(&shown, "a URL without path and query: those of the request are passed on");
            }
        }
        if sources.proxy.is_some() {
            return Err(Error::setting("proxy", "", "none: the upstreams of a proxy route are called directly"));
        }
        Ok(())
    }
}

/// What upstreams see as `Host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostField {
    /// What the client sent.
    #[default]
    Client,
    /// The upstream's own host and port.
    Upstream,
}

/// A method whose requests may be sent more than once: one that RFC 9110, section 9.2.2, calls idempotent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum HedgeMethod {
    Get,
    Head,
    Options,
    Put,
    Delete,
}

impl HedgeMethod {
    /// All of them.
    pub const ALL: [HedgeMethod; 5] =
        [HedgeMethod::Get, HedgeMethod::Head, HedgeMethod::Options, HedgeMethod::Put, HedgeMethod::Delete];

    /// As a request has it.
    pub fn as_str(self) -> &'static str {
        match self {
            HedgeMethod::Get => "GET",
            HedgeMethod::Head => "HEAD",
            HedgeMethod::Options => "OPTIONS",
            HedgeMethod::Put => "PUT",
            HedgeMethod::Delete => "DELETE",
        }
    }
}
