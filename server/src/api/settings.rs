//! What an API serves, and what it allows.

use super::strategy::Strategy;
use crate::error::Error;
use crate::proxy::ProxySettings;
use crate::source::SourceSettings;
use headstart::http::Statuses;
use headstart::policy::PolicySettings;
use headstart::race::{AfterFailure, Schedule, Threads};
use std::time::Duration;

/// What an [`Api`](super::Api) serves, and what it allows.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    pub(super) upstreams: Vec<String>,
    pub(super) sources: SourceSettings,
    pub(super) routes: Vec<RouteSettings>,
    pub(super) proxies: Vec<ProxySettings>,
    pub(super) operation: Operation,
    pub(super) failure_status: Option<u16>,
    pub(super) schedule: Schedule,
    pub(super) after_failure: AfterFailure,
    pub(super) threads: Threads,
    pub(super) timeout_ceiling: Option<Duration>,
    pub(super) max_in_flight: usize,
}

impl ApiSettings {
    /// An API that races `upstreams`, the URLs of web services that stand for the same: attempts take them in turn.
    /// Without any it has no built-in routes, and has to have others.
    pub fn new<U: Into<String>>(upstreams: impl IntoIterator<Item = U>) -> ApiSettings {
        ApiSettings {
            upstreams: upstreams.into_iter().map(Into::into).collect(),
            sources: SourceSettings::default(),
            routes: Vec::new(),
            proxies: Vec::new(),
            operation: Operation::default(),
            failure_status: None,
            schedule: Schedule::default(),
            after_failure: AfterFailure::default(),
            threads: Threads::default(),
            timeout_ceiling: Some(Duration::from_secs(60)),
            max_in_flight: 1_024,
        }
    }

    /// How upstreams and the sources of routes are called.
    pub fn sources(mut self, settings: SourceSettings) -> ApiSettings {
        self.sources = settings;
        self
    }

    /// Routes beside the built-in ones, in place of those given before. Defaults to none.
    pub fn routes(mut self, routes: impl IntoIterator<Item = RouteSettings>) -> ApiSettings {
        self.routes = routes.into_iter().collect();
        self
    }

    /// Prefixes that are passed through, in place of those given before. A path belongs to the route that is exactly
    /// it, else to the longest prefix it is below, else to the endpoints for operators. Defaults to none.
    pub fn proxies(mut self, proxies: impl IntoIterator<Item = ProxySettings>) -> ApiSettings {
        self.proxies = proxies.into_iter().collect();
        self
    }

    /// Where the endpoints for operators are. Defaults to [`Operation::Beside`].
    pub fn operation(mut self, operation: Operation) -> ApiSettings {
        self.operation = operation;
        self
    }

    /// The status, from 500 to 599, of the problem that a race answers with in which every attempt failed. Defaults to
    /// `None`: [`Strategy::Smart`] and [`Strategy::First`] answer `200` and `{"success":false,"response":{}}`,
    /// [`Strategy::All`] answers `502`. [`Strategy::WithinTimeout`] answers `200` and `[]` in any case.
    pub fn failure_status(mut self, status: impl Into<Option<u16>>) -> ApiSettings {
        self.failure_status = status.into();
        self
    }

    /// When the attempts of a race start. Defaults to 0, 300 and 300 ms.
    pub fn schedule(mut self, schedule: Schedule) -> ApiSettings {
        self.schedule = schedule;
        self
    }

    /// What a failure before the next start leads to. Defaults to [`AfterFailure::Wait`].
    pub fn after_failure(mut self, after_failure: AfterFailure) -> ApiSettings {
        self.after_failure = after_failure;
        self
    }

    /// Where the attempts get their threads. Defaults to [`Threads::Crew`].
    pub fn threads(mut self, threads: Threads) -> ApiSettings {
        self.threads = threads;
        self
    }

    /// How long a request may take at most: its timeout when it names none, and the largest it may name. With `None` a
    /// request without a timeout waits for the first success, however long that takes. Defaults to 60 s.
    pub fn timeout_ceiling(mut self, ceiling: impl Into<Option<Duration>>) -> ApiSettings {
        self.timeout_ceiling = ceiling.into();
        self
    }

    /// The most requests raced at a time; one more is refused with `503`. Defaults to 1,024.
    pub fn max_in_flight(mut self, requests: usize) -> ApiSettings {
        self.max_in_flight = requests;
        self
    }
}

impl ApiSettings {
    /// Finds what no part of an API would.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.upstreams.is_empty() && self.routes.is_empty() && self.proxies.is_empty() {
            return Err(Error::setting("upstream", "", "at least one URL is needed"));
        }
        let mut statuses = self.routes.iter().map(|route| route.failure_status).chain([self.failure_status]).flatten();
        match statuses.find(|status| !(500..=599).contains(status)) {
            Some(status) => Err(Error::setting("failure-status", &status.to_string(), "a status from 500 to 599")),
            None => Ok(()),
        }
    }
}

/// Where the endpoints for operators are: page, figures, health, readiness, description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// Beside the routes, at the paths that no route takes.
    #[default]
    Beside,
    /// Not here: [`Admin`](super::Admin) serves them.
    Apart,
}

/// A path, and the sources that are raced for it.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSettings {
    pub(super) path: String,
    pub(super) sources: Vec<String>,
    pub(super) strategy: Strategy,
    pub(super) schedule: Option<Schedule>,
    pub(super) policy: Option<PolicySettings>,
    pub(super) after_failure: Option<AfterFailure>,
    pub(super) timeout: Option<Duration>,
    pub(super) success: Option<Statuses>,
    pub(super) failure_status: Option<u16>,
}

impl RouteSettings {
    /// A route for `path`, compared as sent: it begins with a slash and is not taken by another. Its sources are texts
    /// such as `http://127.0.0.1:9000/` or `memcached://127.0.0.1:11211/greeting`; attempts take them in turn.
    pub fn new<S: Into<String>>(path: impl Into<String>, sources: impl IntoIterator<Item = S>) -> RouteSettings {
        RouteSettings {
            path: path.into(),
            sources: sources.into_iter().map(Into::into).collect(),
            strategy: Strategy::default(),
            schedule: None,
            policy: None,
            after_failure: None,
            timeout: None,
            success: None,
            failure_status: None,
        }
    }

    /// What is answered. Defaults to [`Strategy::Smart`].
    pub fn strategy(mut self, strategy: Strategy) -> RouteSettings {
        self.strategy = strategy;
        self
    }

    /// When the attempts start. Defaults to the API's schedule.
    pub fn schedule(mut self, schedule: Schedule) -> RouteSettings {
        self.schedule = Some(schedule);
        self
    }

    /// When to hedge, and how much of it, in place of a schedule. For [`Strategy::Smart`] alone. Each source is a place
    /// of the policy. Defaults to `None`.
    pub fn policy(mut self, policy: PolicySettings) -> RouteSettings {
        self.policy = Some(policy);
        self
    }

    /// When to hedge, and how much of it, if not by a schedule.
    pub fn hedging(&self) -> Option<&PolicySettings> {
        self.policy.as_ref()
    }

    /// What a failure before the next start leads to. Defaults to what it leads to in the API's races.
    pub fn after_failure(mut self, after_failure: AfterFailure) -> RouteSettings {
        self.after_failure = Some(after_failure);
        self
    }

    /// How long a request takes at most that names no timeout. Defaults to the API's ceiling.
    pub fn timeout(mut self, timeout: Duration) -> RouteSettings {
        self.timeout = Some(timeout);
        self
    }

    /// The statuses of its web services that are a success if their JSON is there. Defaults to those of
    /// [`ApiSettings::sources`].
    pub fn success(mut self, statuses: Statuses) -> RouteSettings {
        self.success = Some(statuses);
        self
    }

    /// The status of a race in which every attempt failed. Defaults to the API's.
    pub fn failure_status(mut self, status: u16) -> RouteSettings {
        self.failure_status = Some(status);
        self
    }
}
