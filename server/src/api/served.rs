//! Routes that are added to the fixed endpoints: a path, and the sources it races.

use super::answer;
use super::route::ROUTES;
use crate::crew::Crew;
use crate::error::Error;
use crate::event::Observer;
use crate::http::{Call, ClientSettings, Json, Start};
use crate::metrics::{EndpointMetrics, Metrics};
use crate::race::{AfterFailure, Outcome, Schedule};
use crate::server::Response;
use crate::source::Sources;
use std::sync::Arc;
use std::time::Duration;

/// What a route answers, as the endpoint of the same name does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The first success of attempts that start by the schedule. The default.
    #[default]
    Smart,
    /// The first success of attempts that start at once.
    First,
    /// All successes, once all attempts have ended.
    All,
    /// What has succeeded when the time is over.
    WithinTimeout,
}

impl Strategy {
    /// The names, as they are written in settings.
    pub const NAMES: [(&str, Strategy); 4] = [
        ("smart", Strategy::Smart),
        ("first", Strategy::First),
        ("all", Strategy::All),
        ("within-timeout", Strategy::WithinTimeout),
    ];

    /// Its name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Smart => "smart",
            Strategy::First => "first",
            Strategy::All => "all",
            Strategy::WithinTimeout => "within-timeout",
        }
    }

    pub(super) fn start(self) -> Start {
        match self {
            Strategy::Smart => Start::Hedged,
            Strategy::First | Strategy::All | Strategy::WithinTimeout => Start::AtOnce,
        }
    }

    /// What an outcome means.
    pub(super) fn answer(self) -> fn(&Outcome<Json, Error>) -> Response {
        match self {
            Strategy::Smart | Strategy::First => answer::of_first,
            Strategy::All => answer::of_all,
            Strategy::WithinTimeout => answer::of_within_timeout,
        }
    }

    /// All it answers with, save for defects.
    fn statuses(self) -> &'static [u16] {
        match self {
            Strategy::Smart | Strategy::First => &[200, 400, 405, 408, 499, 503],
            Strategy::All => &[200, 400, 405, 408, 499, 502, 503],
            Strategy::WithinTimeout => &[200, 400, 405, 499, 503],
        }
    }
}

/// A path, and the sources that are raced for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// The path, compared as sent: it begins with a slash and is none of the fixed endpoints'.
    pub path: String,
    /// What is raced, such as `http://127.0.0.1:9000/` or `memcached://127.0.0.1:11211/greeting`: attempts take them in turn.
    pub sources: Vec<String>,
    /// What is answered. Defaults to [`Strategy::Smart`].
    pub strategy: Strategy,
    /// When the attempts start. Defaults to the client's schedule.
    pub schedule: Option<Schedule>,
    /// What a failure before the next start leads to. Defaults to what the client does.
    pub after_failure: Option<AfterFailure>,
    /// How long a request takes at most that names no timeout. Defaults to the API's ceiling.
    pub timeout: Option<Duration>,
}

impl RouteSettings {
    /// A route with the defaults.
    pub fn new(path: impl Into<String>, sources: Vec<String>) -> RouteSettings {
        RouteSettings {
            path: path.into(),
            sources,
            strategy: Strategy::default(),
            schedule: None,
            after_failure: None,
            timeout: None,
        }
    }
}

/// A route that is served.
pub(super) struct Served {
    pub(super) path: String,
    pub(super) strategy: Strategy,
    pub(super) timeout: Option<Duration>,
    pub(super) answered: EndpointMetrics,
    sources: Sources,
}

impl Served {
    pub(super) fn new(
        crew: &Crew,
        route: RouteSettings,
        client: &ClientSettings,
        metrics: &Arc<Metrics>,
    ) -> Result<Served, Error> {
        check_path(&route.path)?;
        if route.sources.is_empty() {
            return Err(wrong(&route.path, "a path with a source"));
        }
        let mut settings = client.clone();
        settings.observer = Some(metrics.clone() as Arc<dyn Observer>);
        settings.schedule = route.schedule.unwrap_or(settings.schedule);
        settings.after_failure = route.after_failure.unwrap_or(settings.after_failure);
        Ok(Served {
            sources: Sources::new(crew, &route.path, &route.sources, &settings)?,
            answered: metrics.timed_endpoint(&route.path, route.strategy.statuses()),
            path: route.path,
            strategy: route.strategy,
            timeout: route.timeout,
        })
    }

    pub(super) fn run(&self, call: &Call<'_>) -> Outcome<Json, Error> {
        match self.strategy {
            Strategy::Smart | Strategy::First => self.sources.first(call),
            Strategy::All | Strategy::WithinTimeout => self.sources.all(call),
        }
    }
}

fn check_path(path: &str) -> Result<(), Error> {
    if ROUTES.iter().any(|route| route.path == path) {
        return Err(wrong(path, "a path other than those of the fixed endpoints"));
    }
    let is_path_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(is_path_byte) {
        return Err(wrong(path, "a path that begins with a slash, percent-encoded, without a query"));
    }
    Ok(())
}

fn wrong(path: &str, allowed: &str) -> Error {
    Error::setting("route", path, allowed)
}
