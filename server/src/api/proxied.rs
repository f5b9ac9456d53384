//! A proxy route among the others: which paths it takes, how many of its requests there may be, what is counted.

use super::answer;
use super::permit::Permits;
use crate::error::Error;
use crate::front::{Request, Response};
use crate::metrics::{EndpointMetrics, Metrics};
use crate::proxy::{Prefix, ProxyRoute, ProxySettings};
use crate::source::SourceSettings;
use headstart::crew::Crew;
use headstart::policy::{Policy, PolicySettings};
use std::cmp::Reverse;
use std::sync::Arc;

/// A prefix that is passed through.
pub(super) struct Proxied {
    pub(super) path: String,
    pub(super) answered: EndpointMetrics,
    prefix: Prefix,
    route: ProxyRoute,
}

impl Proxied {
    /// All of `settings`, those with the longest prefixes first.
    pub(super) fn all(
        crew: &Crew,
        settings: &[ProxySettings],
        (sources, max_in_flight): (&SourceSettings, usize),
        metrics: &Arc<Metrics>,
    ) -> Result<Vec<Proxied>, Error> {
        let proxied = |own: &ProxySettings| {
            let limited = own.clone().policy(with_limit(own.hedging(), max_in_flight));
            Ok(Proxied {
                prefix: own.prefix()?,
                route: ProxyRoute::new(crew, &limited, sources, metrics.clone())?,
                answered: metrics.proxied_endpoint(&own.path),
                path: own.path.clone(),
            })
        };
        let mut all = settings.iter().map(proxied).collect::<Result<Vec<_>, Error>>()?;
        all.sort_by_key(|proxied| Reverse(proxied.prefix.len()));
        Ok(all)
    }

    /// What decides when its requests are hedged.
    pub(super) fn policy(&self) -> &Policy {
        self.route.policy()
    }

    /// Whether `path` is below its prefix.
    pub(super) fn takes(&self, path: &str) -> bool {
        self.prefix.takes(path)
    }

    /// The answer to `request`, whose permit stays taken until all of it is sent.
    pub(super) fn answer(&self, request: &Request<'_>, permits: &Arc<Permits>) -> Response {
        if self.prefix.may_be_left_by(request.path()) {
            return Response::problem(400, &format!("a dot segment in the path could lead out of {}", self.path));
        }
        match permits.take() {
            Some(permit) => self.route.answer(request, permit),
            None => answer::too_many(permits.most()),
        }
    }
}

/// `policy` with a limit of hedges that run at a time, if it has none: a tenth of the requests that may, two at least.
pub(super) fn with_limit(policy: &PolicySettings, max_in_flight: usize) -> PolicySettings {
    policy.clone().max_concurrent_by_default((max_in_flight / 10).max(2))
}
