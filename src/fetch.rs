//! The hedged GET: a race whose attempts are HTTP requests.

use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::event::Observer;
use crate::race::{AfterFailure, Outcome, Schedule};
use std::sync::Arc;
use std::time::Duration;

/// How a [`Client`] calls its upstreams.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The URLs to call: attempts take them in turn, each race one further.
    pub upstreams: Vec<String>,
    /// When a hedged call's attempts start. Defaults to 0, 300 and 300 ms.
    pub schedule: Schedule,
    /// What a failure before the next start leads to. Defaults to [`AfterFailure::Wait`].
    pub after_failure: AfterFailure,
    /// How long to wait for a connection (name lookup, TCP, TLS), at most. Defaults to 10 s.
    pub connect_timeout: Duration,
    /// The largest body taken, in bytes. Defaults to 10 MiB.
    pub max_body: u64,
    /// Idle connections kept for reuse, over all upstreams. Defaults to 512.
    pub max_idle: usize,
    /// How long an idle connection is kept. Defaults to 15 s.
    pub idle_timeout: Duration,
    /// The header field that carries the remaining time in milliseconds. Defaults to `x-request-timeout-ms`.
    pub timeout_header: String,
    /// Who is told of attempts and races.
    pub observer: Option<Arc<dyn Observer>>,
}

/// A hedging HTTP client.
#[derive(Clone)]
pub struct Client {}

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
    /// When it is over.
    pub deadline: Deadline,
    /// What ends it early.
    pub token: Option<&'a CancelToken>,
    /// The W3C trace context to send along. With `None` a new one is made.
    pub traceparent: Option<&'a str>,
}

/// A body that was checked to be JSON, byte for byte as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Vec<u8>);

impl Json {
    /// The bytes, as the upstream sent them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Client {
    /// A client whose attempts run on threads of `crew`.
    pub fn new(_crew: &Crew, _settings: ClientSettings) -> Result<Client, Error> {
        todo!("client")
    }

    /// The first success.
    pub fn first(&self, _call: &Call<'_>) -> Outcome<Json, Error> {
        todo!("client")
    }

    /// All that succeed in time.
    pub fn all(&self, _call: &Call<'_>) -> Outcome<Json, Error> {
        todo!("client")
    }
}
