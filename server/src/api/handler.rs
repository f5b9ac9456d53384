//! The handler that a front gets: finds what is at a path, has it answered, counts the answer.

use super::fixed::{At, Fixed};
use super::hedging;
use super::method::{is_allowed, method_not_allowed};
use super::openapi;
use super::page::{self, Figures, Hedging};
use super::permit::Permits;
use super::proxied::{Proxied, with_limit};
use super::route::{Route, mistake};
use super::settings::{ApiSettings, Operation};
use crate::error::Error;
use crate::front::{Handler, Request, Response};
use crate::metrics::{self, EndpointMetrics, Metrics};
use headstart::crew::Crew;
use headstart::policy::{Delay, Policy};
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
    /// How many of them are built in.
    built_in: usize,
    /// Those with the longest prefixes first.
    proxied: Vec<Proxied>,
    operation: Operation,
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
    /// malformed, or whose source is malformed or of a feature that this build lacks. Having neither upstreams nor
    /// routes is such a mistake, too.
    pub fn new(crew: &Crew, settings: ApiSettings, metrics: Arc<Metrics>) -> Result<Api, Error> {
        settings.check()?;
        let mut routes = Route::built_in(crew, &settings, &metrics)?;
        let built_in = routes.len();
        for own in &settings.routes {
            let is_fixed = settings.operation == Operation::Beside && Fixed::at(&own.path) != Fixed::Unknown;
            if is_fixed || routes.iter().any(|route| route.path == own.path) {
                return Err(taken(&own.path));
            }
            routes.push(Route::added(crew, own, &settings, &metrics)?);
        }
        let proxied = Proxied::all(crew, &settings.proxies, (&settings.sources, settings.max_in_flight), &metrics)?;
        if let Some(twice) = proxied.windows(2).find(|two| two[0].path == two[1].path) {
            return Err(taken(&twice[0].path));
        }
        Ok(Api {
            crew: crew.clone(),
            permits: Permits::new(settings.max_in_flight),
            answered: Fixed::count_in(&metrics),
            openapi: openapi::describe(&routes, built_in),
            metrics,
            routes,
            built_in,
            proxied,
            operation: settings.operation,
            started: Instant::now(),
        })
    }

    /// Takes the policies of `settings` over for routes that are there already: those of the same path that are hedged
    /// by a policy in both. Everything else stays. Returns the routes whose policies have changed, and when their
    /// hedges are due now.
    pub fn change_policies(&self, settings: &ApiSettings) -> Vec<(String, Delay)> {
        let added = settings.routes.iter().filter_map(|route| Some((&route.path, route.hedging()?)));
        let proxied = settings.proxies.iter().map(|route| (&route.path, route.hedging()));
        let mut told = Vec::new();
        for (path, changed) in added.chain(proxied) {
            let changed = with_limit(changed, settings.max_in_flight);
            if let Some((_, policy)) = self.policies().find(|(known, _)| known == path)
                && *policy.settings() != changed
            {
                told.push((path.clone(), changed.delay()));
                policy.change(changed);
            }
        }
        told
    }

    /// The policies, with the paths of their routes.
    fn policies(&self) -> impl Iterator<Item = (&str, &Policy)> {
        let added = self.routes.iter().filter_map(|route| Some((&*route.path, route.policy()?)));
        added.chain(self.proxied.iter().map(|proxied| (&*proxied.path, proxied.policy())))
    }

    fn hedging(&self) -> Vec<Hedging<'_>> {
        self.policies().map(|(path, policy)| (path, policy.settings(), policy.figures())).collect()
    }

    /// The counted answer of what is beside the routes, for a front that tells of the one `at`.
    pub(super) fn operate(&self, fixed: Fixed, request: &Request<'_>, at: At) -> Response {
        let response = self.answer(fixed, request, at);
        self.count(request, &response, &self.answered[fixed as usize]);
        response
    }

    fn count(&self, request: &Request<'_>, response: &Response, answered: &EndpointMetrics) {
        self.metrics.answered(answered, response.status(), request.received_at().elapsed());
    }

    fn answer(&self, fixed: Fixed, request: &Request<'_>, at: At) -> Response {
        if fixed == Fixed::Unknown {
            return Response::problem(404, "there is nothing at this path: / lists what there is");
        }
        if !is_allowed(request.method()) {
            return method_not_allowed();
        }
        match fixed {
            Fixed::Healthz => plain(200, "ok\n"),
            Fixed::Readyz => readiness(&at),
            Fixed::Metrics => self.figures(),
            Fixed::Hedging => {
                uncached(Response::new(200, "application/json", hedging::describe(&self.hedging()).into_bytes()))
            }
            Fixed::Page => self.page(&at),
            Fixed::OpenApi => Response::new(200, "application/json", self.openapi.clone()),
            Fixed::Unknown => unreachable!("answered above"),
        }
    }

    fn page(&self, at: &At) -> Response {
        let (built_in, added) = self.routes.split_at(self.built_in);
        let added = added.iter().map(|route| (route.path.clone(), route.strategy.as_str()));
        let proxied = self.proxied.iter().map(|proxied| (proxied.path.replace('*', ""), "passed through"));
        let figures = Figures {
            uptime: self.started.elapsed(),
            summary: self.metrics.summary(),
            in_flight: self.permits.taken(),
            max_in_flight: self.permits.most(),
            crew: self.crew.stats(),
            has_built_in: !built_in.is_empty(),
            routes: added.chain(proxied).collect(),
            hedging: self.hedging(),
        };
        page::render(&at.host, &figures)
    }

    fn figures(&self) -> Response {
        let hedging = self.hedging();
        let policies: Vec<_> = hedging.iter().map(|(path, _, figures)| (*path, figures)).collect();
        match self.metrics.exposition(&self.crew.stats(), self.permits.taken(), &policies) {
            Ok(text) => uncached(Response::new(200, metrics::CONTENT_TYPE, text.into_bytes())),
            Err(error) => {
                log::error!("no figures: {error}");
                Response::problem(500, "the figures cannot be written")
            }
        }
    }
}

impl Handler for Api {
    /// What is passed through is passed through with its body.
    fn takes_body(&self, request: &Request<'_>) -> bool {
        let path = request.path();
        self.routes.iter().all(|route| route.path != path) && self.proxied.iter().any(|proxied| proxied.takes(path))
    }

    fn handle(&self, request: &Request<'_>) -> Response {
        let path = request.path();
        if let Some(route) = self.routes.iter().find(|route| route.path == path) {
            let response = route.answer(request, &self.permits);
            self.count(request, &response, &route.answered);
            return response;
        }
        if let Some(proxied) = self.proxied.iter().find(|proxied| proxied.takes(path)) {
            let response = proxied.answer(request, &self.permits);
            self.count(request, &response, &proxied.answered);
            return response;
        }
        match self.operation {
            Operation::Beside => {
                let at = At { is_draining: request.is_draining(), host: page::host_of(request) };
                self.operate(Fixed::at(path), request, at)
            }
            Operation::Apart => {
                let nothing = Response::problem(404, "there is nothing at this path");
                self.count(request, &nothing, &self.answered[Fixed::Unknown as usize]);
                nothing
            }
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("permits", &self.permits).finish_non_exhaustive()
    }
}

fn taken(path: &str) -> Error {
    mistake(path, "a path that is not taken by another endpoint")
}

fn readiness(at: &At) -> Response {
    if at.is_draining { Response::overloaded("the server is shutting down") } else { plain(200, "ready\n") }
}

fn plain(status: u16, text: &'static str) -> Response {
    uncached(Response::new(status, "text/plain; charset=utf-8", text.as_bytes()))
}

fn uncached(response: Response) -> Response {
    response.with_header("Cache-Control", "no-store")
}
