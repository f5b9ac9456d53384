//! What the server answers.
//!
//! The problem: one upstream call has many ends, and a client wants few of them. The answer: four endpoints that run the
//! same race and differ in when attempts start and what counts as done, and one module (`answer`) that maps outcomes to
//! statuses and bodies. Beside them is what an operator looks at: health, figures, a page, a description.
//!
//! Invariants: this is the only place with status codes of the product. It knows no sockets: who the client is and when it
//! leaves is the front's to know, how an upstream is called the client's.

mod answer;
mod openapi;
mod page;
mod permit;
pub(crate) mod problem;
mod route;
mod served;
mod timeout;

pub use served::{RouteSettings, Strategy};

use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::http::{Call, Client, ClientSettings, Json};
use crate::metrics::{self, EndpointMetrics, Metrics};
use crate::race::Outcome;
use crate::server::{Handler, Request, Response};
use page::Figures;
use permit::Permits;
use problem::{is_allowed, method_not_allowed, problem};
use route::{Endpoint, ROUTES};
use served::Served;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
pub struct Api {
    crew: Crew,
    client: Client,
    metrics: Arc<Metrics>,
    timeout_ceiling: Duration,
    permits: Permits,
    /// By [`Endpoint`].
    answered: Vec<EndpointMetrics>,
    routes: Vec<Served>,
    openapi: Cow<'static, [u8]>,
    started: Instant,
}

impl Api {
    /// An API that races requests through `client` and shows the figures of `metrics` and `crew`.
    ///
    /// `metrics` sees the races only when it is the observer of `client` as well
    /// ([`ClientSettings::observer`](headstart::ClientSettings::observer)).
    pub fn new(crew: &Crew, settings: ApiSettings, client: Client, metrics: Arc<Metrics>) -> Api {
        Api {
            crew: crew.clone(),
            client,
            timeout_ceiling: settings.timeout_ceiling,
            permits: Permits::new(settings.max_in_flight),
            answered: ROUTES.iter().map(|route| route.count_in(&metrics)).collect(),
            metrics,
            routes: Vec::new(),
            openapi: Cow::Borrowed(openapi::FIXED),
            started: Instant::now(),
        }
    }

    /// Adds routes to the fixed endpoints. `client` is how `http` and `https` sources are called, but for what a route has of
    /// its own; the schedule of every route that has none is from there too.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the path or source that cannot be used: taken, malformed, or of a feature that this build lacks.
    pub fn with_routes(mut self, routes: Vec<RouteSettings>, client: &ClientSettings) -> Result<Api, Error> {
        for route in routes {
            self.routes.push(Served::new(&self.crew, route, client, &self.metrics)?);
        }
        self.openapi = openapi::with_routes(&self.routes);
        Ok(self)
    }

    fn answer(&self, endpoint: Endpoint, request: &Request<'_>) -> Response {
        if endpoint == Endpoint::Unknown {
            return problem(404, "there is nothing at this path: / lists what there is");
        }
        if !is_allowed(request.method()) {
            return method_not_allowed();
        }
        match endpoint {
            Endpoint::Smart => self.race_upstreams(request, Strategy::Smart),
            Endpoint::First => self.race_upstreams(request, Strategy::First),
            Endpoint::All => self.race_upstreams(request, Strategy::All),
            Endpoint::WithinTimeout => self.race_upstreams(request, Strategy::WithinTimeout),
            Endpoint::Healthz => plain(200, "ok\n"),
            Endpoint::Readyz => self.readiness(request),
            Endpoint::Metrics => self.figures(),
            Endpoint::Page => self.page(request),
            Endpoint::OpenApi => Response::new(200, "application/json", self.openapi.clone()),
            Endpoint::Unknown => unreachable!("answered above"),
        }
    }

    fn race_upstreams(&self, request: &Request<'_>, strategy: Strategy) -> Response {
        self.race(request, strategy, None, |call| match strategy {
            Strategy::Smart | Strategy::First => self.client.first(call),
            Strategy::All | Strategy::WithinTimeout => self.client.all(call),
        })
    }

    /// One race, which `run` runs; `strategy` says when its attempts start and what its outcome means.
    fn race(
        &self,
        request: &Request<'_>,
        strategy: Strategy,
        timeout: Option<Duration>,
        run: impl FnOnce(&Call<'_>) -> Outcome<Json, Error>,
    ) -> Response {
        let timeout = match timeout::parse(request.query(), timeout, self.timeout_ceiling) {
            Ok(timeout) => timeout,
            Err(detail) => return problem(400, &detail),
        };
        let Some(_permit) = self.permits.take() else {
            return answer::overloaded(&format!("{} others are in flight", self.permits.most()));
        };
        let deadline = request.received_at().checked_add(timeout).map_or(Deadline::Never, Deadline::At);
        let mut call = Call::new(headstart::TimeLimit::new(deadline, request.token())).start(strategy.start());
        if let Some(traceparent) = request.header("traceparent").and_then(|value| str::from_utf8(value).ok()) {
            call = call.traceparent(traceparent);
        }
        let outcome = run(&call);
        strategy.answer()(&outcome)
    }

    fn readiness(&self, request: &Request<'_>) -> Response {
        if request.is_draining() { answer::overloaded("the server is shutting down") } else { plain(200, "ready\n") }
    }

    fn page(&self, request: &Request<'_>) -> Response {
        let figures = Figures {
            uptime: self.started.elapsed(),
            summary: self.metrics.summary(),
            in_flight: self.permits.taken(),
            max_in_flight: self.permits.most(),
            crew: self.crew.stats(),
            routes: self.routes.iter().map(|route| (route.path.clone(), route.strategy.as_str())).collect(),
        };
        page::render(request, &figures)
    }

    fn figures(&self) -> Response {
        match self.metrics.exposition(&self.crew.stats(), self.permits.taken()) {
            Ok(text) => uncached(Response::new(200, metrics::CONTENT_TYPE, text.into_bytes())),
            Err(error) => {
                log::error!("no figures: {error}");
                problem(500, "the figures cannot be written")
            }
        }
    }
}

impl Handler for Api {
    fn handle(&self, request: &Request<'_>) -> Response {
        let endpoint = Endpoint::at(request.path());
        let route = match endpoint {
            Endpoint::Unknown => self.routes.iter().find(|route| route.path == request.path()),
            _ => None,
        };
        let (response, answered) = match route {
            Some(route) if !is_allowed(request.method()) => (method_not_allowed(), &route.answered),
            Some(route) => {
                let run = |call: &Call<'_>| route.run(call);
                (self.race(request, route.strategy, route.timeout, run), &route.answered)
            }
            None => (self.answer(endpoint, request), &self.answered[endpoint as usize]),
        };
        self.metrics.answered(answered, response.status(), request.received_at().elapsed());
        response
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("permits", &self.permits).finish_non_exhaustive()
    }
}

fn plain(status: u16, text: &'static str) -> Response {
    uncached(Response::new(status, "text/plain; charset=utf-8", text.as_bytes()))
}

fn uncached(response: Response) -> Response {
    response.with_header("Cache-Control", "no-store")
}
