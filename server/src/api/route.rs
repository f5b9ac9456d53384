//! Which path is which endpoint, and what it may answer.

use crate::metrics::{EndpointMetrics, Metrics};

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Smart,
    First,
    All,
    WithinTimeout,
    Healthz,
    Readyz,
    Metrics,
    Page,
    OpenApi,
    /// Every other path.
    Unknown,
}

/// An endpoint's row in the table.
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    /// The path, and the endpoint's name among the figures.
    pub(super) path: &'static str,
    /// All it answers with, save for defects: `500` is the server's own.
    pub(super) statuses: &'static [u16],
}

/// One row for each endpoint, in the order of [`Endpoint`]. `openapi.json` says the same at length; a test compares them.
pub(super) const ROUTES: [Route; 10] = [
    route(Endpoint::Smart, "/api/smart", &[200, 400, 405, 408, 499, 503]),
    route(Endpoint::First, "/api/first", &[200, 400, 405, 408, 499, 503]),
    route(Endpoint::All, "/api/all", &[200, 400, 405, 408, 499, 502, 503]),
    route(Endpoint::WithinTimeout, "/api/within-timeout", &[200, 400, 405, 499, 503]),
    route(Endpoint::Healthz, "/healthz", &[200, 405]),
    route(Endpoint::Readyz, "/readyz", &[200, 405, 503]),
    route(Endpoint::Metrics, "/metrics", &[200, 405]),
    route(Endpoint::Page, "/", &[200, 405]),
    route(Endpoint::OpenApi, "/openapi.json", &[200, 405]),
    route(Endpoint::Unknown, "unknown", &[404]),
];

const fn route(endpoint: Endpoint, path: &'static str, statuses: &'static [u16]) -> Route {
    Route { endpoint, path, statuses }
}

impl Route {
    /// Where its answers are counted; those of races with the time they took.
    pub(super) fn count_in(&self, metrics: &Metrics) -> EndpointMetrics {
        match self.endpoint.is_raced() {
            true => metrics.timed_endpoint(self.path, self.statuses),
            false => metrics.endpoint(self.path, self.statuses),
        }
    }
}

impl Endpoint {
    /// The endpoint at `path`, compared as sent.
    pub(super) fn at(path: &str) -> Endpoint {
        let found = ROUTES.iter().find(|route| route.path == path && path.starts_with('/'));
        found.map_or(Endpoint::Unknown, |route| route.endpoint)
    }

    /// Whether it calls the upstream.
    pub(super) fn is_raced(self) -> bool {
        matches!(self, Endpoint::Smart | Endpoint::First | Endpoint::All | Endpoint::WithinTimeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_endpoint_stands_at_its_own_place_in_the_table() {
        for (place, route) in ROUTES.iter().enumerate() {
            assert_eq!(route.endpoint as usize, place);
        }
    }

    #[test]
    fn the_unknown_endpoint_has_no_path_of_its_own() {
        assert_eq!(Endpoint::at("unknown"), Endpoint::Unknown);
        assert_eq!(Endpoint::at("/api/smart/"), Endpoint::Unknown);
    }

    #[test]
    fn the_description_lists_exactly_the_routes_and_statuses_of_the_table() {
        let description: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let described = description["paths"].as_object().unwrap();
        let known = ROUTES.iter().filter(|route| route.endpoint != Endpoint::Unknown);
        assert_eq!(
            described.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            known.clone().map(|route| route.path).collect::<BTreeSet<_>>(),
        );
        for route in known {
            for method in ["get", "head"] {
                let responses = described[route.path][method]["responses"].as_object().unwrap();
                // Nobody receives a 499 (it is for figures and the log), and a 405 never answers GET or HEAD.
                let sent: BTreeSet<String> =
                    route.statuses.iter().filter(|status| !matches!(status, 405 | 499)).map(u16::to_string).collect();
                assert_eq!(responses.keys().cloned().collect::<BTreeSet<_>>(), sent, "{method} {}", route.path);
            }
        }
    }

    #[test]
    fn the_description_carries_this_version() {
        let description: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
