//! The client: one request for each call.

use super::fault::Fault;
use super::settings::{MOST_NESTING, XmlRpcSettings};
use super::{call, multicall, reply};
use crate::crew::Crew;
use crate::error::Error;
use crate::http::{Calls, Certificates, Exchange, Method, UpstreamSettings, Upstreams};
use crate::limit::TimeLimit;
use dxr::{TryToParams, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A client of one XML-RPC server. Clones are handles to the same client.
///
/// ```no_run
/// use headstart::xmlrpc::{TryFromValue, XmlRpc, XmlRpcSettings};
/// use headstart::{Crew, CrewSettings};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let server = XmlRpc::new(&crew, XmlRpcSettings::new("http://127.0.0.1:8000/RPC2"))?;
///
/// let sum = server.call("add", (1, 2), Duration::from_secs(2))?;
/// assert_eq!(i32::try_from_value(&sum).unwrap(), 3);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct XmlRpc {
    shared: Arc<Shared>,
}

struct Shared {
    upstreams: Upstreams,
    max_response: u64,
    max_nesting: usize,
}

impl XmlRpc {
    /// A client whose calls run on the calling threads; `crew` has the threads for name lookups and keeps the
    /// deadlines. Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that cannot be used: a URL that is not `http` or `https`, has no host or
    /// carries a user name (which would end up in logs), certificates that cannot be read, and so on.
    pub fn new(crew: &Crew, settings: XmlRpcSettings) -> Result<XmlRpc, Error> {
        if settings.max_nesting > MOST_NESTING {
            return Err(Error::Setting {
                key: "max_nesting".to_owned(),
                value: settings.max_nesting.to_string(),
                allowed: format!("at most {MOST_NESTING}"),
            });
        }
        let upstreams = Upstreams::new(
            crew,
            UpstreamSettings {
                calls: Calls::default(),
                key: "url",
                urls: vec![settings.url],
                connect_timeout: settings.connect_timeout,
                success: None,
                max_body: settings.max_response,
                max_idle: 0,
                idle_timeout: Duration::ZERO,
                timeout_header: "x-request-timeout-ms".to_owned(),
                max_redirects: 0,
                proxy: settings.proxy,
                trusted: settings.trusted.iter().map(Certificates::read).collect::<Result<_, _>>()?,
                lookup: settings.lookup,
            },
        )?;
        let shared = Shared { upstreams, max_response: settings.max_response, max_nesting: settings.max_nesting };
        Ok(XmlRpc { shared: Arc::new(shared) })
    }

    /// Calls `method` within `limit` and returns its value. `params` are `()`, one value, a tuple of up to eight, or a
    /// slice or `Vec` of them; an array as the only parameter is a [`Value::Array`] or a tuple of one.
    ///
    /// Runs on the calling thread and ends by the deadline in every phase, the connection closed; only while XML is
    /// written or read, 10 to 50 ms for each megabyte, nobody looks at the clock. The server may have carried the call
    /// out all the same. A call is sent once.
    ///
    /// # Errors
    ///
    /// - [`Error::Fault`] when the method failed.
    /// - [`Error::TimedOut`] and [`Error::Canceled`] when the call was ended.
    /// - [`Error::XmlRpc`] when a parameter cannot be said in XML-RPC (a control character, an infinite number, too
    ///   many arrays around it) or the answer is not XML-RPC or nested deeper than allowed.
    /// - [`Error::Status`] when the status is not 200, [`Error::ContentType`] when the answer is declared to be
    ///   something other than XML (undeclared will do), [`Error::BodyTooLarge`].
    /// - [`Error::Lookup`], [`Error::Connect`], [`Error::Tls`], [`Error::Lost`] and [`Error::Protocol`] of the
    ///   connection.
    pub fn call(&self, method: &str, params: impl TryToParams, limit: impl Into<TimeLimit>) -> Result<Value, Error> {
        let limit = limit.into();
        let params = params.try_to_params().map_err(|error| Error::XmlRpc(error.to_string()))?;
        self.send(method, params, &limit)
    }

    /// Calls several methods in one request, by `system.multicall`, and returns what each of them came to, in their
    /// order: its value, or its own fault. A server need not know `system.multicall`; then the whole is
    /// [`Error::Fault`].
    ///
    /// Counts as three arrays or structs around each parameter and one around each value.
    ///
    /// # Errors
    ///
    /// As [`XmlRpc::call`]; [`Error::XmlRpc`] too when there are not as many results as calls.
    pub fn multicall(
        &self,
        calls: &[(&str, &[Value])],
        limit: impl Into<TimeLimit>,
    ) -> Result<Vec<Result<Value, Fault>>, Error> {
        let limit = limit.into();
        let results = self.send("system.multicall", vec![multicall::param(calls)], &limit)?;
        multicall::results(results, calls.len())
    }

    fn send(&self, method: &str, params: Vec<Value>, limit: &TimeLimit) -> Result<Value, Error> {
        let shared = &*self.shared;
        let call = call::write(method, params, shared.max_nesting)?;
        let exchange = Exchange {
            method: Method::POST,
            body: Some(("text/xml; charset=utf-8", call.as_bytes())),
            accept: "text/xml, application/xml",
            statuses: 200..=200,
            max_body: shared.max_response,
        };
        let received = shared.upstreams.exchange(0, &exchange, limit)?;
        if received.content_type.as_deref().is_some_and(|declared| !is_xml(declared)) {
            return Err(Error::ContentType(received.content_type));
        }
        reply::read(&received.body, shared.max_nesting)?.map_err(Error::from)
    }
}

/// Whether a content type is an XML MIME type as the WHATWG MIME Sniffing Standard defines it (section 4.6).
fn is_xml(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    matches!(essence.as_str(), "text/xml" | "application/xml") || essence.ends_with("+xml")
}

impl fmt::Debug for XmlRpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlRpc").field("server", &self.shared.upstreams).finish_non_exhaustive()
    }
}
