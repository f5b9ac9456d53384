//! What the server answers.

use crate::crew::Crew;
use crate::fetch::Client;
use crate::metrics::Metrics;
use crate::server::{Handler, Request, Response};
use std::sync::Arc;
use std::time::Duration;

/// What an [`Api`] allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// How long a request may take at most: its timeout when it names none, and the largest it may name. Defaults to 60 s.
    pub timeout_ceiling: Duration,
    /// The most requests raced at a time; one more is refused with `503`. Defaults to 1,024.
    pub max_in_flight: usize,
}

impl Default for ApiSettings {
    fn default() -> Self {
        ApiSettings { timeout_ceiling: Duration::from_secs(60), max_in_flight: 1_024 }
    }
}

/// The endpoints of the server: races over HTTP, and what an operator looks at.
pub struct Api {}

impl Api {
    /// An API that races requests through `client` and shows the figures of `metrics` and `crew`.
    ///
    /// `metrics` sees the races only when it is the observer of `client` as well
    /// ([`ClientSettings::observer`](crate::ClientSettings::observer)).
    pub fn new(_crew: &Crew, _settings: ApiSettings, _client: Client, _metrics: Arc<Metrics>) -> Api {
        todo!("api")
    }
}

impl Handler for Api {
    fn handle(&self, _request: &Request<'_>) -> Response {
        todo!("api")
    }
}
