//! The endpoints for operators on a front of their own.
//!
//! The problem: a server that passes every path through has none left for its own page, figures and health. The answer:
//! a second front with nothing but these, which tells of the first one and may run on while that drains.

use super::fixed::{At, Fixed};
use super::handler::Api;
use crate::front::{Front, Handler, Request, Response};
use std::sync::Arc;

/// Page, figures, health, readiness and description of an [`Api`], for a front beside that of the API.
///
/// Made for an API with [`Operation::Apart`](super::Operation::Apart). It can go on while the API's own front drains:
/// `/readyz` answers `503` from then on.
#[derive(Debug)]
pub struct Admin {
    api: Arc<Api>,
    front: Watched,
}

struct Watched(Arc<dyn Front>);

impl Admin {
    /// The endpoints of `api`, which is served by `front`.
    pub fn new(api: Arc<Api>, front: Arc<dyn Front>) -> Admin {
        Admin { api, front: Watched(front) }
    }
}

impl Handler for Admin {
    fn handle(&self, request: &Request<'_>) -> Response {
        let front = &self.front.0;
        let at = At {
            is_draining: request.is_draining() || front.stats().is_draining,
            host: front.reachable_addr().to_string(),
        };
        self.api.operate(Fixed::at(request.path()), request, at)
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.local_addr().fmt(f)
    }
}
