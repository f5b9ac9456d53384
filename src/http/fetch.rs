//! The content of a URL, within a time.

use super::exchange::Exchange;
use super::settings::{Calls, Certificates};
use super::upstreams::{UpstreamSettings, Upstreams};
use crate::crew::Crew;
use crate::error::Error;
use crate::limit::TimeLimit;
use crate::net::SystemLookup;
use crate::timeout::own_crew;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Method;

/// The content of `url`, which begins with `http://` or `https://`, if all of it comes within `limit`.
///
/// ```no_run
/// use headstart::http::fetch;
/// use std::time::Duration;
///
/// let page = fetch("http://127.0.0.1:8081/", Duration::from_secs(2))?;
/// println!("{}", String::from_utf8_lossy(&page.body));
/// # Ok::<(), headstart::Error>(())
/// ```
///
/// The connection is made for the call and closed after it. [`Fetch`] is the same with more to be said.
///
/// # Errors
///
/// As [`Fetch::run`].
pub fn fetch(url: &str, limit: impl Into<TimeLimit>) -> Result<Fetched, Error> {
    Fetch::new(url).run(limit)
}

/// What came of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// The media type, as the server named it.
    pub content_type: Option<String>,
    /// The content, whole.
    pub body: Vec<u8>,
}

/// A URL to be fetched, and how.
#[derive(Clone, Debug)]
#[must_use = "nothing is fetched before `run`"]
pub struct Fetch {
    url: String,
    crew: Option<Crew>,
    max_body: u64,
    max_redirects: u32,
    trusted: Vec<Certificates>,
}

impl Fetch {
    /// `url` with the defaults.
    pub fn new(url: impl Into<String>) -> Fetch {
        Fetch { url: url.into(), crew: None, max_body: 10 << 20, max_redirects: 0, trusted: Vec::new() }
    }

    /// The crew that looks host names up and watches the time. Defaults to one that the process has for this.
    pub fn on(mut self, crew: &Crew) -> Fetch {
        self.crew = Some(crew.clone());
        self
    }

    /// The most content taken, in bytes. Defaults to 10 MiB.
    pub fn max_body(mut self, bytes: u64) -> Fetch {
        self.max_body = bytes;
        self
    }

    /// How many redirects are followed. Defaults to 0: a redirect is [`Error::Status`]. None is followed from `https`
    /// to `http`.
    pub fn max_redirects(mut self, count: u32) -> Fetch {
        self.max_redirects = count;
        self
    }

    /// Certificate authorities trusted for `https` besides those of Mozilla's list. Defaults to none.
    pub fn trust(mut self, certificates: Certificates) -> Fetch {
        self.trusted.push(certificates);
        self
    }

    /// Fetches it, on this thread. Ends within `limit` in every phase, by closing the connection.
    ///
    /// # Errors
    ///
    /// - [`Error::TimedOut`], [`Error::Canceled`] when the limit is over, [`Error::NoDefaultTimeout`] without one.
    /// - [`Error::Setting`] for a URL of another scheme (`ftp:`, `file:`), without a host, or with a user name.
    /// - [`Error::Lookup`], [`Error::Connect`] (a refused connection, as the system said it), [`Error::Tls`],
    ///   [`Error::Lost`], [`Error::Protocol`] for what can go wrong on the way.
    /// - [`Error::Status`] for a status other than 2xx, [`Error::BodyTooLarge`] for more content than is taken.
    pub fn run(&self, limit: impl Into<TimeLimit>) -> Result<Fetched, Error> {
        let limit = limit.into();
        let crew = self.crew.clone().map_or_else(own_crew, Ok)?;
        let settings = UpstreamSettings {
            key: "url",
            urls: vec![self.url.clone()],
            calls: Calls::default(),
            connect_timeout: Duration::MAX, // the limit is the only one
            success: None,
            max_body: self.max_body,
            max_idle: 0,
            idle_timeout: Duration::ZERO,
            timeout_header: "x-request-timeout-ms".to_owned(),
            max_redirects: self.max_redirects,
            proxy: None,
            trusted: self.trusted.iter().map(Certificates::read).collect::<Result<_, _>>()?,
            lookup: Arc::new(SystemLookup),
        };
        let upstreams = Upstreams::new(&crew, settings)?;
        let exchange =
            Exchange { method: Method::GET, body: None, accept: "*/*", statuses: 200..=299, max_body: self.max_body };
        let received = upstreams.exchange(0, &exchange, &limit)?;
        Ok(Fetched { content_type: received.content_type, body: received.body })
    }
}
