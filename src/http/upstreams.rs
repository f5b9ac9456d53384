//! Upstreams that take calls in turn.
//!
//! The usual call, over plain HTTP without proxy and redirects, goes by a [`wire`]; everything else by ureq, with an
//! agent for each connection: one agent for all would serialise the calls on its pool's lock.

use super::agent::ReusableAgent;
use super::link::Link;
use super::prepared::{PreparedRequest, target};
use super::query::with_query;
use super::secure::{self, TlsConnector};
use super::settings::Calls;
use super::statuses::Statuses;
use super::targets::{Target, Targets};
use super::trace::TraceContext;
use super::transport::{NoResolver, TcpConnector};
use super::{answer, failure, wire};
use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::json::Json;
use crate::limit::TimeLimit;
use crate::net::Lookup;
use crate::net::address::{Address, without_secrets};
use crate::net::connect::Dialer;
use crate::net::lease::{Resend, lease};
use crate::net::pool::Pool;
use crate::net::stream::Stream;
use crate::policy::Policy;
use crate::race::Attempt;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use ureq::config::Config;
use ureq::http::header::{ACCEPT, ACCEPT_ENCODING, HOST, USER_AGENT};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Proxy};

/// How [`Upstreams`] are called: see [`ClientSettings`](crate::ClientSettings).
pub(crate) struct UpstreamSettings {
    /// What the user knows the URLs by, for messages.
    pub(crate) key: &'static str,
    pub(crate) urls: Vec<String>,
    pub(crate) calls: Calls,
    pub(crate) connect_timeout: Duration,
    /// The statuses that count as a success of a GET for JSON; 200 when it is not said.
    pub(crate) success: Option<Statuses>,
    pub(crate) max_body: u64,
    pub(crate) max_idle: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) timeout_header: String,
    pub(crate) max_redirects: u32,
    pub(crate) proxy: Option<String>,
    pub(crate) trusted: Vec<Vec<u8>>,
    pub(crate) lookup: Arc<dyn Lookup>,
}

/// Some upstreams that take calls in turn.
pub(crate) struct Upstreams {
    list: Vec<Upstream>,
    calls: Calls,
    success: Option<Statuses>,
    max_body: u64,
    timeout_header: HeaderName,
    agents: Arc<Pool<ReusableAgent>>,
    links: Arc<Pool<Box<Link>>>,
    connect_timeout: Duration,
    config: Config,
    /// For an `https` upstream: no redirect leads to `http`.
    secure_config: Config,
    tcp: TcpConnector,
    tls: TlsConnector,
    /// The upstreams' origins, for labels and messages.
    label: String,
}

/// One URL, made ready to be called.
pub(super) struct Upstream {
    /// The request, complete but for the values that differ from call to call: to clone it and set these takes a
    /// fraction of the time it takes to build one.
    pub(super) request: Request<()>,
    address: Address,
    /// Host and port, for messages.
    pub(super) to: Arc<str>,
    /// The same call without ureq, where that can be.
    prepared: Option<PreparedRequest>,
    /// Which of the pool's shelves its connections lie on.
    pub(super) origin: usize,
}

pub(super) const X_ATTEMPT: HeaderName = HeaderName::from_static("x-attempt");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// As good as no limit, and nothing that the clock could not express.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// For the request line's and the fields' names and values beside the URL.
const HEAD_WITHOUT_URL: usize = 2 << 10;
/// For a query of the call's own: what common servers take of a target.
const QUERY: usize = 8 << 10;

impl Upstreams {
    pub(crate) fn new(crew: &Crew, settings: UpstreamSettings) -> Result<Upstreams, Error> {
        let timeout_header = HeaderName::from_bytes(settings.timeout_header.as_bytes()).map_err(|_| {
            Error::setting("timeout-header", &settings.timeout_header, "the name of an HTTP header field")
        })?;
        let mut list = Vec::with_capacity(settings.urls.len());
        let mut origins = Vec::new();
        for url in &settings.urls {
            let mut upstream = Upstream::new(settings.key, url, &mut origins)?;
            upstream.add_fields(&timeout_header, settings.max_redirects);
            if settings.calls == Calls::Wire && settings.proxy.is_none() && settings.max_redirects == 0 {
                upstream.prepared = PreparedRequest::new(&upstream.request, &timeout_header);
            }
            list.push(upstream);
        }
        if list.is_empty() {
            return Err(Error::setting(settings.key, "", "at least one URL is needed"));
        }
        if settings.connect_timeout.is_zero() {
            return Err(Error::setting("connect-timeout", "0", "a time longer than nothing"));
        }
        let proxy = match &settings.proxy {
            None => None,
            Some(url) => Some(
                Proxy::new(url)
                    .map_err(|error| Error::setting("proxy", &without_secrets(url), &format!("a URL ({error})")))?,
            ),
        };
        let connect_timeout = settings.connect_timeout.min(LONGEST);
        let longest_url = settings.urls.iter().map(String::len).max().unwrap_or_default();
        let config = |https_only| {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(settings.max_redirects)
                .max_redirects_will_error(false)
                .https_only(https_only)
                .proxy(proxy.clone())
                .timeout_connect(Some(connect_timeout))
                .output_buffer_size(longest_url + HEAD_WITHOUT_URL + QUERY)
                .max_idle_connections(1)
                .max_idle_connections_per_host(1)
                .max_idle_age(Duration::MAX)
                .build()
        };
        Ok(Upstreams {
            list,
            calls: settings.calls,
            success: settings.success,
            max_body: settings.max_body,
            timeout_header,
            agents: Pool::new(crew, origins.len(), settings.max_idle, settings.idle_timeout),
            links: Pool::new(crew, origins.len(), settings.max_idle, settings.idle_timeout),
            connect_timeout,
            config: config(false),
            secure_config: config(true),
            label: match origins.as_slice() {
                [only] => only.clone(),
                [first, others @ ..] => format!("{first} or {} others", others.len()),
                [] => String::new(),
            },
            tcp: TcpConnector { dialer: Dialer::new(settings.lookup, crew), is_proxied: proxy.is_some() },
            tls: TlsConnector::new(&settings.trusted)?,
        })
    }

    /// The origins called, for labels: never a path or a query, which may hold a key.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Calls the upstream whose turn it is and returns its JSON. Ends soon after the attempt's token is canceled,
    /// whatever it is doing.
    pub(crate) fn get(
        &self,
        turn: usize,
        attempt: &Attempt,
        trace: &TraceContext,
        query: Option<&str>,
    ) -> Result<Json, Error> {
        let upstream = self.at_turn(turn);
        if attempt.deadline().has_passed() {
            return Err(Error::TimedOut { during: Phase::Wait });
        }
        match &upstream.prepared {
            Some(prepared) => {
                let request = prepared.for_attempt(attempt, trace, query);
                self.get_by_wire(upstream, (&upstream.address, upstream.origin), &request, attempt.token())
            }
            // A GET may be sent twice.
            None => self.lease_agent(upstream, attempt.token(), Resend::IfUnanswered, |agent| {
                self.get_by_agent(agent, upstream, attempt, (trace, query))
            }),
        }
    }

    /// The upstream that a target is an address of, and the idle connections to all.
    pub(super) fn of(&self, target: &Target) -> (&Upstream, &Arc<Pool<Box<Link>>>) {
        (&self.list[target.upstream], &self.links)
    }

    /// Where they can be reached, as `policy` knows it.
    pub(super) fn targets(&self, policy: Policy, lookup: Arc<dyn Lookup>, refresh: Duration) -> Arc<Targets> {
        let upstreams = self.list.iter().map(|upstream| (&upstream.address, upstream.origin));
        Targets::new(policy, &self.links, upstreams, (lookup, refresh))
    }

    /// The same as [`get`](Upstreams::get), of a certain target.
    pub(super) fn get_from(
        &self,
        target: &Target,
        attempt: &Attempt,
        trace: &TraceContext,
        query: Option<&str>,
    ) -> Result<Json, Error> {
        let upstream = &self.list[target.upstream];
        let Some(prepared) = &upstream.prepared else { return self.get(target.upstream, attempt, trace, query) };
        if attempt.deadline().has_passed() {
            return Err(Error::TimedOut { during: Phase::Wait });
        }
        let request = prepared.for_attempt(attempt, trace, query);
        self.get_by_wire(upstream, (&target.address, target.shelf), &request, attempt.token())
    }

    /// The name of the field that tells the time left.
    #[cfg(unix)]
    pub(super) fn timeout_header(&self) -> &str {
        self.timeout_header.as_str()
    }

    /// Whether calls are to go through a proxy.
    #[cfg(unix)]
    pub(super) fn is_proxied(&self) -> bool {
        self.tcp.is_proxied
    }

    pub(super) fn at_turn(&self, turn: usize) -> &Upstream {
        &self.list[turn % self.list.len()]
    }

    fn get_by_wire(
        &self,
        upstream: &Upstream,
        (address, shelf): (&Address, usize),
        request: &[u8],
        token: &CancelToken,
    ) -> Result<Json, Error> {
        // A GET may be sent twice.
        let connect = || self.connect(upstream, address, token);
        lease((&self.links, shelf), (token, &upstream.to), Resend::IfUnanswered, connect, |link| {
            wire::talk(link, request, &upstream.to, (self.success.as_ref(), self.max_body))
        })
    }

    /// A new connection to `upstream`, at `address`.
    pub(super) fn connect(
        &self,
        upstream: &Upstream,
        address: &Address,
        token: &CancelToken,
    ) -> Result<Box<Link>, Error> {
        let until = Deadline::after(self.connect_timeout);
        let (socket, hold) = self.tcp.dialer.open(address, until, &TimeLimit::from(token))?;
        let stream = match upstream.is_secure() {
            false => Stream::Plain(socket),
            true => self.tls.secure(socket, (&upstream.address.host, &upstream.to), until).map_err(|error| {
                hold.ended(Phase::Handshake).unwrap_or(error) // what failed after that did so because of it
            })?,
        };
        Ok(Link::new(stream, hold))
    }

    /// Has `send` send a request with an agent of its own, again as `resend` says.
    pub(super) fn lease_agent<T>(
        &self,
        upstream: &Upstream,
        token: &CancelToken,
        resend: Resend,
        send: impl Fn(&Agent) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connect = || Ok(ReusableAgent(self.new_agent(upstream)));
        lease((&self.agents, upstream.origin), (token, &upstream.to), resend, connect, |agent| agent.talk(token, &send))
    }

    pub(crate) fn idle_connections(&self) -> usize {
        self.agents.idle() + self.links.idle()
    }

    /// The crew whose alarm keeps the deadlines.
    pub(super) fn crew(&self) -> &Crew {
        self.agents.crew()
    }

    fn get_by_agent(
        &self,
        agent: &Agent,
        upstream: &Upstream,
        attempt: &Attempt,
        (trace, query): (&TraceContext, Option<&str>),
    ) -> Result<Json, Error> {
        let mut request = upstream.request.clone();
        if let Some(query) = query {
            *request.uri_mut() = with_query(request.uri(), query)?;
        }
        let headers = request.headers_mut();
        self.tell_time_left(headers, attempt.deadline());
        headers.insert(X_ATTEMPT, HeaderValue::from(attempt.number()));
        let traceparent = HeaderValue::from_bytes(&trace.for_attempt()).expect("hexadecimal digits and dashes");
        headers.insert(TRACEPARENT, traceparent);
        let response = match self.socket_timeout(attempt.deadline()) {
            None => agent.run(request),
            left => agent.run(agent.configure_request(request).timeout_global(left).build()),
        };
        let response = response.map_err(|error| failure::unpack(error, &upstream.to))?;
        answer::json(response, &upstream.to, (self.success.as_ref(), self.max_body))
    }

    /// The time left, where ureq is to keep it too, with timeouts of the socket.
    fn socket_timeout(&self, deadline: Deadline) -> Option<Duration> {
        match self.calls {
            Calls::Wire => None,
            Calls::Ureq => deadline.remaining(),
        }
    }

    pub(super) fn tell_time_left(&self, headers: &mut HeaderMap, deadline: Deadline) {
        match deadline.remaining() {
            Some(left) => {
                let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                headers.insert(&self.timeout_header, HeaderValue::from(millis));
            }
            None => drop(headers.remove(&self.timeout_header)),
        }
    }

    fn new_agent(&self, upstream: &Upstream) -> Agent {
        let config = if upstream.is_secure() { &self.secure_config } else { &self.config };
        let connector = ().chain(ConnectProxyConnector::default()).chain(self.tcp.clone()).chain(self.tls.clone());
        Agent::with_parts(config.clone(), connector, NoResolver)
    }
}

impl Upstream {
    /// Checks `url`, which the user knows as `key`, and finds or adds its origin.
    fn new(key: &str, url: &str, origins: &mut Vec<String>) -> Result<Upstream, Error> {
        let wrong = |allowed: &str| Error::setting(key, &without_secrets(url), allowed);
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("{} ({error})", secure::SCHEMES)))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong(secure::SCHEMES));
        };
        if !matches!(scheme, "http" | "https") || (scheme == "https" && !cfg!(feature = "https")) {
            return Err(wrong(secure::SCHEMES));
        }
        if authority.as_str().contains('@') {
            return Err(wrong("a URL without user name and password, which would end up in logs"));
        }
        let address = target(&uri).ok_or_else(|| {
            wrong("a URL with a host and, if any, a port from 1 to 65535, such as http://127.0.0.1:9000/")
        })?;
        let to: Arc<str> = authority.as_str().into();
        let name = format!("{scheme}://{to}").to_ascii_lowercase();
        let origin = origins.iter().position(|other| *other == name).unwrap_or_else(|| {
            origins.push(name);
            origins.len() - 1
        });
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        Ok(Upstream { request, address, to, prepared: None, origin })
    }

    fn is_secure(&self) -> bool {
        self.request.uri().scheme_str() == Some("https")
    }

    /// Adds every header field of a call, those that differ from call to call without a value.
    fn add_fields(&mut self, timeout_header: &HeaderName, max_redirects: u32) {
        // Room for one more than there are: a full map grows even when a value is only replaced.
        let mut fields = HeaderMap::with_capacity(7 + 1);
        if max_redirects == 0 {
            // ureq would write the same anew for each call. After a redirect it has to, so then it is left to it.
            let host = HeaderValue::from_str(&self.to).expect("a URL holds nothing a field could not");
            fields.insert(HOST, host);
        }
        fields.insert(USER_AGENT, HeaderValue::from_static(concat!("headstart/", env!("CARGO_PKG_VERSION"))));
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for per_call in [timeout_header, &X_ATTEMPT, &TRACEPARENT] {
            fields.insert(per_call, HeaderValue::from_static(""));
        }
        *self.request.headers_mut() = fields;
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

#[cfg(test)]
mod tests;
