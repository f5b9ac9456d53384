//! The handler that a front gets: finds what is at a path, has it answered, counts the answer.

use super::answer;
use super::fixed::{self, Fixed};
use super::method::{is_allowed, method_not_allowed};
use super::openapi;
use super::page::{self, Figures};
use super::permit::Permits;
use super::route::{BUILT_IN, Route, mistake};
use super::settings::ApiSettings;
use crate::error::Error;
use crate::front::{Handler, Request, Response};
use crate::metrics::{self, EndpointMetrics, Metrics};
use headstart::crew::Crew;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The endpoints of the server: races over HTTP, and what an operator looks at.
pub struct Api {
    crew: Crew,
    metrics: Arc<Metrics>,
    permits: Arc<Permits>,
    /// The built-in ones first.
    routes: Vec<Route>,
    /// Where answers beside those of routes are counted, by [`Fixed`].
    answered: Vec<EndpointMetrics>,
    openapi: Cow<'static, [u8]>,
    started: Instant,
}

impl Api {
    /// An API that races on the calling threads and on those of `crew`, reports its races to `metrics`, and shows the
    /// figures of both. Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the setting that cannot be used: an upstream, or a route whose path is taken or
    /// malformed, or whose source is malformed or of a feature that this build lacks.
    pub fn new(crew: &Crew, settings: ApiSettings, metrics: Arc<Metrics>) -> Result<Api, Error> {
        let mut routes = Route::built_in(crew, &settings, &metrics)?;
        for own in &settings.routes {
            if fixed::is_taken(&own.path) || routes.iter().any(|route| route.path == own.path) {
                return Err(mistake(&own.path, "a path that is not taken by another endpoint"));
            }
            routes.push(Route::added(crew, own, &settings, &metrics)?);
        }
        Ok(Api {
            crew: crew.clone(),
            permits: Permits::new(settings.max_in_flight),
            answered: Fixed::count_in(&metrics),
            openapi: openapi::describe(&routes[BUILT_IN.len()..]),
            metrics,
            routes,
            started: Instant::now(),
        })
    }

    fn answer(&self, fixed: Fixed, request: &Request<'_>) -> Response {
        if fixed == Fixed::Unknown {
            return Response::problem(404, "there is nothing at this path: / lists what there is");
        }
        if !is_allowed(request.method()) {
            return method_not_allowed();
        }
        match fixed {
            Fixed::Healthz => plain(200, "ok\n"),
            Fixed::Readyz => self.readiness(request),
            Fixed::Metrics => self.figures(),
            Fixed::Page => self.page(request),
            Fixed::OpenApi => Response::new(200, "application/json", self.openapi.clone()),
            Fixed::Unknown => unreachable!("answered above"),
        }
    }

    fn readiness(&self, request: &Request<'_>) -> Response {
        if request.is_draining() { answer::overloaded("the server is shutting down") } else { plain(200, "ready\n") }
    }

    fn page(&self, request: &Request<'_>) -> Response {
        let added = &self.routes[BUILT_IN.len()..];
        let figures = Figures {
            uptime: self.started.elapsed(),
            summary: self.metrics.summary(),
            in_flight: self.permits.taken(),
            max_in_flight: self.permits.most(),
            crew: self.crew.stats(),
            routes: added.iter().map(|route| (route.path.clone(), route.strategy.as_str())).collect(),
        };
        page::render(request, &figures)
    }

    fn figures(&self) -> Response {
        match self.metrics.exposition(&self.crew.stats(), self.permits.taken()) {
            Ok(text) => uncached(Response::new(200, metrics::CONTENT_TYPE, text.into_bytes())),
            Err(error) => {
                log::error!("no figures: {error}");
                Response::problem(500, "the figures cannot be written")
            }
        }
    }
}

impl Handler for Api {
    fn handle(&self, request: &Request<'_>) -> Response {
        let (response, answered) = match self.routes.iter().find(|route| route.path == request.path()) {
            Some(route) => (route.answer(request, &self.permits), &route.answered),
            None => {
                let fixed = Fixed::at(request.path());
                (self.answer(fixed, request), &self.answered[fixed as usize])
            }
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
