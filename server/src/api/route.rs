//! A route: a path, and what is raced for it. The built-in ones and those that settings add differ in where their
//! sources come from, and in nothing else.

use super::answer;
use super::method::{is_allowed, method_not_allowed};
use super::permit::Permits;
use super::proxied::with_limit;
use super::race::SourceRace;
use super::settings::{ApiSettings, RouteSettings};
use super::strategy::Strategy;
use super::timeout;
use crate::error::Error;
use crate::front::{Request, Response};
use crate::metrics::{EndpointMetrics, Metrics};
use crate::source::Sources;
use headstart::Deadline;
use headstart::crew::Crew;
use headstart::policy::Policy;
use std::sync::Arc;
use std::time::Duration;

/// The routes that race the API's upstreams.
pub(super) const BUILT_IN: [(&str, Strategy); 4] = [
    ("/api/smart", Strategy::Smart),
    ("/api/first", Strategy::First),
    ("/api/all", Strategy::All),
    ("/api/within-timeout", Strategy::WithinTimeout),
];

/// A route that is served.
pub(super) struct Route {
    pub(super) path: String,
    pub(super) strategy: Strategy,
    pub(super) answered: EndpointMetrics,
    /// The status of a race in which everything failed, in place of the strategy's own way to say so.
    pub(super) failure_status: Option<u16>,
    timeout: Option<Duration>,
    ceiling: Option<Duration>,
    race: SourceRace,
}

impl Route {
    /// The built-in routes, which take the upstreams in turn together. Without upstreams there are none.
    pub(super) fn built_in(crew: &Crew, settings: &ApiSettings, metrics: &Arc<Metrics>) -> Result<Vec<Route>, Error> {
        if settings.upstreams.is_empty() {
            return Ok(Vec::new());
        }
        let upstreams = Arc::new(Sources::web(crew, &settings.upstreams, &settings.sources)?);
        let route = |(path, strategy): (&str, Strategy)| {
            let own = RouteSettings::new(path, [""; 0]).strategy(strategy);
            Route::new(crew, own, upstreams.clone(), settings, metrics)
        };
        Ok(BUILT_IN.into_iter().map(route).collect())
    }

    /// A route that settings add. Whether its path is taken is for others to say.
    pub(super) fn added(
        crew: &Crew,
        own: &RouteSettings,
        settings: &ApiSettings,
        metrics: &Arc<Metrics>,
    ) -> Result<Route, Error> {
        check_path(&own.path)?;
        if own.sources.is_empty() {
            return Err(mistake(&own.path, "a path with a source"));
        }
        if own.failure_status.is_some() && own.strategy == Strategy::WithinTimeout {
            return Err(mistake(
                &own.path,
                "no failure-status beside within-timeout, which never answers with a failure",
            ));
        }
        let mut settings = settings.clone();
        if let Some(success) = own.success.clone() {
            settings.sources = settings.sources.success(success);
        }
        let sources = Sources::for_route(crew, &own.path, &own.sources, &settings.sources)?;
        if own.success.is_some() && !sources.have_status() {
            return Err(mistake(&own.path, "no success beside sources without a status: it is for http and https"));
        }
        settings.schedule = own.schedule.clone().unwrap_or(settings.schedule);
        settings.after_failure = own.after_failure.unwrap_or(settings.after_failure);
        settings.failure_status = own.failure_status.or(settings.failure_status);
        if own.policy.is_some() && own.strategy != Strategy::Smart {
            return Err(mistake(&own.path, "no hedge beside a strategy other than smart, which alone hedges"));
        }
        if own.policy.is_some() && own.schedule.is_some() {
            return Err(mistake(&own.path, "either a schedule or hedge: both say when hedges are due"));
        }
        Ok(Route::new(crew, own.clone(), Arc::new(sources), &settings, metrics))
    }

    fn new(
        crew: &Crew,
        own: RouteSettings,
        sources: Arc<Sources>,
        settings: &ApiSettings,
        metrics: &Arc<Metrics>,
    ) -> Route {
        let failure_status = settings.failure_status.filter(|_| own.strategy != Strategy::WithinTimeout);
        let statuses: Vec<u16> = own.strategy.statuses().iter().copied().chain(failure_status).collect();
        let race = SourceRace::new(crew, &own.path, sources, own.strategy, settings, metrics.clone());
        Route {
            race: match &own.policy {
                Some(policy) => race.hedged(with_limit(policy, settings.max_in_flight)),
                None => race,
            },
            answered: metrics.timed_endpoint(&own.path, &statuses),
            failure_status,
            path: own.path,
            strategy: own.strategy,
            timeout: own.timeout,
            ceiling: settings.timeout_ceiling,
        }
    }

    /// What decides when its requests are hedged, if not a schedule.
    pub(super) fn policy(&self) -> Option<&Policy> {
        self.race.policy()
    }

    /// Whether it says in the way of its strategy that everything failed.
    pub(super) fn fails_as_built_in(&self) -> bool {
        self.failure_status.is_none()
    }

    /// The answer to `request`: what its race comes to, if it may be raced.
    pub(super) fn answer(&self, request: &Request<'_>, permits: &Arc<Permits>) -> Response {
        if !is_allowed(request.method()) {
            return method_not_allowed();
        }
        let timeout = match timeout::parse(request.query(), self.timeout, self.ceiling) {
            Ok(timeout) => timeout,
            Err(detail) => return Response::problem(400, &detail),
        };
        let query = request.query().and_then(timeout::rest);
        if query.is_some() && !self.race.takes_query() {
            return Response::problem(400, "what this path stands for takes no query: only timeout is understood");
        }
        let Some(_permit) = permits.take() else {
            return answer::too_many(permits.most());
        };
        // From the end of the head on: a body that comes late is the client's time.
        let end = timeout.and_then(|timeout| request.received_at().checked_add(timeout));
        let outcome = self.race.run(request, query, end.map_or(Deadline::Never, Deadline::At));
        answer::of(self.strategy, self.failure_status, &outcome)
    }
}

fn check_path(path: &str) -> Result<(), Error> {
    let is_path_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()+,;=:@%".contains(&byte);
    if path.contains('*') {
        let allowed = "a star at the end alone, after a slash: what is below /items/* is passed through to upstreams";
        return Err(mistake(path, allowed));
    }
    if !path.starts_with('/') || !path.bytes().all(is_path_byte) {
        return Err(mistake(path, "a path that begins with a slash, percent-encoded, without a query"));
    }
    Ok(())
}

/// A mistake in the settings of the route for `path`.
pub(super) fn mistake(path: &str, allowed: &str) -> Error {
    Error::setting("route", path, allowed)
}
