//! The hedged GET: a race whose attempts are HTTP requests.
//!
//! The problem: an upstream that usually answers in milliseconds and sometimes not at all. The answer: a [`Client`] whose
//! calls are [races](crate::race) of up to sixteen GET requests. Attempt 0 runs on the calling thread, hedges on the crew's,
//! and each can be ended in every phase (name lookup, connect, TLS handshake, request, head, body), so losers give their
//! connection up at once and the caller comes back by its deadline.
//!
//! A success is an answer with status 200, a JSON media type and a body that is complete and parses. Everything else is a
//! failure of that attempt.
//!
//! What this does not do: other methods than GET (only what may be sent twice can be hedged), caching, cookies.

mod racer;
mod url;

#[doc(hidden)] // TODO(split): for the server's routes until they have their own race set-up
pub use crate::upstream::TraceContext;
pub use crate::upstream::{Lookup, SystemLookup};
#[doc(hidden)] // TODO(split): for the server's routes until they have their own race set-up
pub use racer::Racer;
pub use url::{Fetch, Fetched, fetch};

use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::event::{Observer, RaceEnd};
use crate::race::{AfterFailure, Attempt, Cause, Outcome, Primary, Schedule, Threads, Wanted};
use crate::upstream::{UpstreamSettings, Upstreams, checked};
use std::fmt;
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

/// A hedging HTTP client. Clones are handles to the same client and share its connections.
///
/// ```no_run
/// use headstart::{Client, ClientSettings, Crew, CrewSettings};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let mut settings = ClientSettings::default();
/// settings.upstreams = vec!["http://127.0.0.1:9000/api/work".to_owned()];
/// let client = Client::new(&crew, settings)?;
/// let json = client.get(Duration::from_millis(800))?;
/// println!("{}", json.as_str());
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    upstreams: Upstreams,
    racer: Racer,
}

/// When the attempts of a call start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// By the client's schedule.
    Hedged,
    /// All at once.
    AtOnce,
}

/// One call of a [`Client`].
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// When its attempts start.
    pub start: Start,
    /// When it is over. With [`Deadline::Never`] it takes as long as its slowest attempt.
    pub deadline: Deadline,
    /// What ends it early.
    pub token: Option<&'a CancelToken>,
    /// The W3C trace context to send along. With `None`, and when it is malformed, a new one is made.
    pub traceparent: Option<&'a str>,
}

impl Call<'_> {
    /// A hedged call without a token or trace context.
    pub fn until(deadline: Deadline) -> Self {
        Call { start: Start::Hedged, deadline, token: None, traceparent: None }
    }
}

/// A body that was checked to be JSON, byte for byte as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// `text`, if it is JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] when it is not.
    pub fn parse(text: Vec<u8>) -> Result<Json, Error> {
        checked(text).map(Json)
    }

    /// The bytes, as the upstream sent them.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The same as text: JSON is UTF-8 (RFC 8259, section 8.1).
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes themselves.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Json").field(&self.0).finish()
    }
}

impl Client {
    /// A client whose attempts run on the calling threads and on threads of `crew`. Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that cannot be used: a URL that is not `http` or `https`, has no host or carries a
    /// user name (which would end up in logs), certificates that cannot be read, and so on.
    pub fn new(crew: &Crew, settings: ClientSettings) -> Result<Client, Error> {
        let label = match settings.upstreams.as_slice() {
            [only] => format!("GET {only}"),
            [first, others @ ..] => format!("GET {first} or {} others", others.len()),
            [] => String::new(),
        };
        let racer = Racer::new(crew, &settings, label);
        let upstreams = Upstreams::new(
            crew,
            UpstreamSettings {
                key: "upstream",
                urls: settings.upstreams,
                connect_timeout: settings.connect_timeout,
                max_body: settings.max_body,
                max_idle: settings.max_idle,
                idle_timeout: settings.idle_timeout,
                timeout_header: settings.timeout_header,
                max_redirects: settings.max_redirects,
                proxy: settings.proxy,
                trusted: settings.trusted.iter().map(Certificates::read).collect::<Result<_, _>>()?,
                lookup: settings.lookup,
            },
        )?;
        Ok(Client { shared: Arc::new(Shared { upstreams, racer }) })
    }

    /// The first success within `timeout`, hedged, or why there is none: the end of the race when it was ended, the first
    /// failure when all attempts failed.
    ///
    /// # Errors
    ///
    /// As said, most often [`Error::TimedOut`].
    pub fn get(&self, timeout: Duration) -> Result<Json, Error> {
        let mut outcome = self.first(&Call::until(Deadline::after(timeout)));
        if let Some(winner) = outcome.successes.pop() {
            return Ok(winner.value);
        }
        if let RaceEnd::Canceled(reason) = outcome.end {
            return Err(Error::ended(reason, Phase::Wait));
        }
        let first = outcome.failures.swap_remove(0); // a race that was not ended has an end of each attempt
        Err(match first.cause {
            Cause::Error(error) | Cause::Shed(error) => error,
            Cause::Panicked(message) => Error::Panicked(message),
        })
    }

    /// The first success.
    pub fn first(&self, call: &Call<'_>) -> Outcome<Json, Error> {
        self.run(call, Wanted::First)
    }

    /// All that succeed in time.
    pub fn all(&self, call: &Call<'_>) -> Outcome<Json, Error> {
        self.run(call, Wanted::All)
    }

    /// Connections that wait for reuse at this moment, over all upstreams.
    pub fn idle_connections(&self) -> usize {
        self.shared.upstreams.idle_connections()
    }

    fn run(&self, call: &Call<'_>, wanted: Wanted) -> Outcome<Json, Error> {
        let shared = self.shared.clone();
        let trace = TraceContext::continuing(call.traceparent);
        self.shared.racer.run(call, wanted, Primary::OnCaller, move |turn, attempt| {
            shared.upstreams.get(turn, attempt, &trace).map(Json)
        })
    }

    /// One attempt of somebody else's race, at the upstream whose turn it is.
    #[doc(hidden)] // TODO(split): for the server's routes until they have their own race set-up
    pub fn attempt(&self, turn: usize, attempt: &Attempt, trace: &TraceContext) -> Result<Json, Error> {
        self.shared.upstreams.get(turn, attempt, trace).map(Json)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("upstreams", &self.shared.upstreams).finish_non_exhaustive()
    }
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
