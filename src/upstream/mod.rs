//! Blocking clients that can be ended.
//!
//! The problem: a hedged call leaves losers behind, and a blocking HTTP client leaves them hanging: its timeouts are too
//! late and too coarse, and between them nothing ends it. The answer: ureq for HTTP, and beneath it connections of our own,
//! which the attempt's token can shut down in every phase.
//!
//! - [`call`]: what the connection has to know of the call it works for
//! - [`direct`], [`wire`], [`response`]: the usual call, over plain HTTP and without a library
//! - [`names`] with its [`book`], [`connect`], [`tls`], [`line`], [`buffers`]: a connection, from the name to the bytes
//! - [`pool`]: connections that wait for the next call
//! - [`answer`], [`failure`]: what came of it
//! - [`exchange`]: requests other than the hedged GET, by the same connections
//! - [`trace`]: the trace that goes on through us
//!
//! Invariants: `upstream` knows no races: it runs one attempt on the calling thread and ends when the token says so. The
//! only time it keeps itself is the one for connecting. It starts no threads but the look-ups, through the crew.

mod answer;
mod book;
mod buffers;
mod call;
pub(crate) mod connect;
mod direct;
mod exchange;
mod failure;
pub(crate) mod line;
pub(crate) mod names;
pub(crate) mod pool;
#[cfg(unix)]
pub(crate) mod ready;
mod response;
#[cfg_attr(not(feature = "https"), path = "no_tls.rs")]
mod tls;
mod trace;
mod wire;

pub(crate) use answer::checked;
pub(crate) use exchange::Exchange;
pub use names::{Lookup, SystemLookup};
pub use trace::TraceContext;
pub(crate) use ureq::http::Method;

use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::race::Attempt;
use call::Seen;
use connect::{NoResolver, TcpConnector};
use direct::Direct;
use names::{Names, without_user};
use pool::Pool;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tls::TlsConnector;
use ureq::config::Config;
use ureq::http::header::{ACCEPT, ACCEPT_ENCODING, HOST, USER_AGENT};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Proxy};
use wire::{Answer, Wire};

/// How [`Upstreams`] are called: see [`ClientSettings`](crate::ClientSettings).
pub(crate) struct UpstreamSettings {
    /// What the user knows the URLs by, for messages.
    pub(crate) key: &'static str,
    pub(crate) urls: Vec<String>,
    pub(crate) connect_timeout: Duration,
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
    max_body: u64,
    timeout_header: HeaderName,
    agents: Arc<Pool<Agent>>,
    wires: Arc<Pool<Wire>>,
    connect_timeout: Duration,
    config: Config,
    /// For an `https` upstream: no redirect leads to `http`.
    secure_config: Config,
    tcp: TcpConnector,
    tls: TlsConnector,
}

/// One URL, made ready to be called.
struct Upstream {
    /// The request, complete but for the values that differ from call to call: to clone it and set these takes a fraction of
    /// the time it takes to build one.
    request: Request<()>,
    /// Host and port, for messages.
    to: String,
    /// The same call without ureq, where that can be.
    direct: Option<Direct>,
    /// Which of the pool's shelves its connections lie on.
    origin: usize,
}

const X_ATTEMPT: HeaderName = HeaderName::from_static("x-attempt");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// As good as no limit, and nothing that the clock could not express.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// For the request line's and the fields' names and values beside the URL.
const HEAD_WITHOUT_URL: usize = 2 << 10;

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
            if settings.proxy.is_none() && settings.max_redirects == 0 {
                upstream.direct = Direct::new(&upstream.request, &timeout_header);
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
            Some(url) => {
                Some(Proxy::new(url).map_err(|error| Error::setting("proxy", url, &format!("a URL ({error})")))?)
            }
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
                .output_buffer_size(longest_url + HEAD_WITHOUT_URL)
                .max_idle_connections(1)
                .max_idle_connections_per_host(1)
                .max_idle_age(Duration::MAX)
                .build()
        };
        Ok(Upstreams {
            list,
            max_body: settings.max_body,
            timeout_header,
            agents: Pool::new(crew, origins.len(), settings.max_idle, settings.idle_timeout),
            wires: Pool::new(crew, origins.len(), settings.max_idle, settings.idle_timeout),
            connect_timeout,
            config: config(false),
            secure_config: config(true),
            tcp: TcpConnector { names: Names::new(settings.lookup, crew) },
            tls: TlsConnector::new(&settings.trusted)?,
        })
    }

    /// Calls the upstream whose turn it is and returns its JSON. Ends soon after the attempt's token is cancelled, whatever
    /// it is doing.
    pub(crate) fn get(&self, turn: usize, attempt: &Attempt, trace: &TraceContext) -> Result<String, Error> {
        let upstream = &self.list[turn % self.list.len()];
        let token = attempt.token();
        if attempt.deadline().has_passed() {
            return Err(Error::TimedOut { during: Phase::Wait });
        }
        let result = match &upstream.direct {
            Some(direct) => self.get_directly(direct, upstream, attempt, trace),
            None => self.get_by_agent(upstream, attempt, trace),
        };
        match (result, token.reason()) {
            (Err(error), Some(reason)) => Err(error.unless_ended(reason, Phase::Wait)),
            (result, _) => result,
        }
    }

    fn get_directly(
        &self,
        direct: &Direct,
        upstream: &Upstream,
        attempt: &Attempt,
        trace: &TraceContext,
    ) -> Result<String, Error> {
        let token = attempt.token();
        let request = direct.request(attempt, trace);
        if let Some(mut wire) = self.wires.take(upstream.origin).and_then(|wire| wire.reuse(token)) {
            let answer = wire.exchange(&request, &upstream.to, self.max_body);
            // An upstream may close an idle connection at any time, also while the request is on its way. Nothing came back,
            // the request is a GET and may be sent twice.
            let lost = matches!(answer.result, Err(Error::Lost { .. })) && !wire.has_received();
            if !lost || token.is_canceled() {
                return self.finish(wire, answer, upstream.origin);
            }
            log::debug!("the idle connection to {} was closed: trying a fresh one", upstream.to);
        }
        let (host, port) = direct.target();
        let (socket, hold) = self.tcp.open(host, port, Deadline::after(self.connect_timeout), token)?;
        let mut wire = Wire::new(socket, hold);
        let answer = wire.exchange(&request, &upstream.to, self.max_body);
        self.finish(wire, answer, upstream.origin)
    }

    /// Keeps the connection if it can serve another call.
    fn finish(&self, wire: Wire, answer: Answer, origin: usize) -> Result<String, Error> {
        if let Some(wire) = Some(wire).filter(|_| answer.keep).and_then(Wire::rest) {
            self.wires.put(origin, wire);
        }
        answer.result
    }

    fn get_by_agent(&self, upstream: &Upstream, attempt: &Attempt, trace: &TraceContext) -> Result<String, Error> {
        // A GET may be sent twice, as long as nothing came back.
        let may_repeat = |seen: Seen| !seen.received;
        self.lease(upstream, attempt.token(), may_repeat, |agent| self.get_json(agent, upstream, attempt, trace))
    }

    /// Has `send` send a request with an agent of its own, once more when the first try met an idle connection that was closed
    /// and `may_repeat` agrees. What the token did to the call is told as its error by the caller.
    fn lease<T>(
        &self,
        upstream: &Upstream,
        token: &CancelToken,
        may_repeat: impl Fn(Seen) -> bool,
        send: impl Fn(&Agent) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _current = call::enter(token);
        let agent = self.agents.take(upstream.origin).unwrap_or_else(|| self.new_agent(upstream));
        let mut result = send(&agent);
        let seen = call::seen();
        // An upstream may close an idle connection at any time, also while the request is on its way. The agent has no
        // connection any more: the next one is fresh.
        if matches!(result, Err(Error::Lost { .. })) && seen.reused && may_repeat(seen) && !token.is_canceled() {
            log::debug!("the idle connection to {} was closed: trying a fresh one", upstream.to);
            result = send(&agent);
        }
        if call::seen().kept {
            self.agents.put(upstream.origin, agent);
        }
        result
    }

    pub(crate) fn idle_connections(&self) -> usize {
        self.agents.idle() + self.wires.idle()
    }

    fn get_json(
        &self,
        agent: &Agent,
        upstream: &Upstream,
        attempt: &Attempt,
        trace: &TraceContext,
    ) -> Result<String, Error> {
        let mut request = upstream.request.clone();
        let headers = request.headers_mut();
        self.tell_time_left(headers, attempt.deadline());
        headers.insert(X_ATTEMPT, HeaderValue::from(attempt.number()));
        let traceparent = HeaderValue::from_bytes(&trace.for_attempt()).expect("hexadecimal digits and dashes");
        headers.insert(TRACEPARENT, traceparent);
        let response = agent.run(request).map_err(|error| failure::unpack(error, &upstream.to))?;
        answer::json(response, &upstream.to, self.max_body)
    }

    fn tell_time_left(&self, headers: &mut HeaderMap, deadline: Deadline) {
        match deadline.remaining() {
            Some(left) => {
                let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                headers.insert(&self.timeout_header, HeaderValue::from(millis));
            }
            None => drop(headers.remove(&self.timeout_header)),
        }
    }

    fn new_agent(&self, upstream: &Upstream) -> Agent {
        let is_secure = upstream.request.uri().scheme_str() == Some("https");
        let config = if is_secure { &self.secure_config } else { &self.config };
        let connector = ().chain(ConnectProxyConnector::default()).chain(self.tcp.clone()).chain(self.tls.clone());
        Agent::with_parts(config.clone(), connector, NoResolver)
    }
}

impl Upstream {
    /// Checks `url`, which the user knows as `key`, and finds or adds its origin.
    fn new(key: &str, url: &str, origins: &mut Vec<String>) -> Result<Upstream, Error> {
        let shown = &without_user(url);
        let uri: Uri =
            url.parse().map_err(|error| Error::setting(key, shown, &format!("{} ({error})", tls::SCHEMES)))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Error::setting(key, shown, tls::SCHEMES));
        };
        if !matches!(scheme, "http" | "https") || (scheme == "https" && !cfg!(feature = "https")) {
            return Err(Error::setting(key, shown, tls::SCHEMES));
        }
        if authority.as_str().contains('@') {
            return Err(Error::setting(key, shown, "a URL without user name and password, which would end up in logs"));
        }
        if authority.host().is_empty() {
            return Err(Error::setting(key, shown, "a URL with a host"));
        }
        // What is no port would be passed over, and the port of the scheme taken.
        if authority.port_u16().is_none()
            && !matches!(authority.as_str().strip_prefix(authority.host()), Some("" | ":"))
        {
            return Err(Error::setting(
                key,
                shown,
                "a URL whose port, if any, is a number, such as http://127.0.0.1:9000/",
            ));
        }
        let to = authority.to_string();
        let name = format!("{scheme}://{to}").to_ascii_lowercase();
        let origin = origins.iter().position(|other| *other == name).unwrap_or_else(|| {
            origins.push(name);
            origins.len() - 1
        });
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        Ok(Upstream { request, to, direct: None, origin })
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
        f.debug_list().entries(self.list.iter().map(|upstream| upstream.request.uri())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_host_itself_unless_a_redirect_may_change_it() {
        let mut upstream = Upstream::new("upstream", "http://127.0.0.1:9000/work", &mut Vec::new()).unwrap();
        for (max_redirects, host) in [(0, Some("127.0.0.1:9000")), (1, None)] {
            upstream.add_fields(&HeaderName::from_static("x-timeout"), max_redirects);
            assert_eq!(upstream.request.headers().get(HOST).map(HeaderValue::as_bytes), host.map(str::as_bytes));
        }
    }
}
