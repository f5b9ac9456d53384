//! What is served beside routes: health, figures, a page, a description.

use crate::metrics::{EndpointMetrics, Metrics};

/// What can be asked for beside routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fixed {
    Healthz,
    Readyz,
    Metrics,
    Hedging,
    Page,
    OpenApi,
    /// Every other path.
    Unknown,
}

/// What an answer of these tells about the front whose endpoints are told of.
pub(super) struct At {
    pub(super) is_draining: bool,
    /// Its host and port, as a client would write it.
    pub(super) host: String,
}

/// One row for each, in the order of [`Fixed`]: the path, which is its name among the figures too, and all it answers
/// with, save for defects. `openapi.json` says the same at length; a test compares them.
const TABLE: [(Fixed, &str, &[u16]); 7] = [
    (Fixed::Healthz, "/healthz", &[200, 405]),
    (Fixed::Readyz, "/readyz", &[200, 405, 503]),
    (Fixed::Metrics, "/metrics", &[200, 405]),
    (Fixed::Hedging, "/hedging.json", &[200, 405]),
    (Fixed::Page, "/", &[200, 405]),
    (Fixed::OpenApi, "/openapi.json", &[200, 405]),
    (Fixed::Unknown, "unknown", &[404]),
];

impl Fixed {
    /// What is at `path`, compared as sent.
    pub(super) fn at(path: &str) -> Fixed {
        let found = TABLE.iter().find(|(_, known, _)| *known == path && path.starts_with('/'));
        found.map_or(Fixed::Unknown, |(fixed, ..)| *fixed)
    }

    /// Where answers are counted, by `self as usize`.
    pub(super) fn count_in(metrics: &Metrics) -> Vec<EndpointMetrics> {
        TABLE.iter().map(|(_, path, statuses)| metrics.endpoint(path, statuses)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::route::BUILT_IN;
    use super::*;
    use std::collections::BTreeSet;

    /// Every path there is without added routes, with its statuses.
    fn known() -> impl Iterator<Item = (&'static str, &'static [u16])> {
        let fixed = TABLE.iter().filter(|(fixed, ..)| *fixed != Fixed::Unknown);
        let fixed = fixed.map(|(_, path, statuses)| (*path, *statuses));
        BUILT_IN.into_iter().map(|(path, strategy)| (path, strategy.statuses())).chain(fixed)
    }

    #[test]
    fn each_stands_at_its_own_place_in_the_table() {
        for (place, (fixed, ..)) in TABLE.iter().enumerate() {
            assert_eq!(*fixed as usize, place);
        }
    }

    #[test]
    fn the_unknown_has_no_path_of_its_own() {
        assert_eq!(Fixed::at("unknown"), Fixed::Unknown);
        assert_eq!(Fixed::at("/healthz/"), Fixed::Unknown);
    }

    #[test]
    fn the_description_lists_exactly_the_paths_and_statuses_there_are() {
        let description: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let described = description["paths"].as_object().unwrap();
        assert_eq!(
            described.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            known().map(|(path, _)| path).collect::<BTreeSet<_>>(),
        );
        for (path, statuses) in known() {
            for method in ["get", "head"] {
                let responses = described[path][method]["responses"].as_object().unwrap();
                // Nobody receives a 499 (it is for figures and the log), and a 405 never answers GET or HEAD.
                let sent: BTreeSet<String> =
                    statuses.iter().filter(|status| !matches!(status, 405 | 499)).map(u16::to_string).collect();
                assert_eq!(responses.keys().cloned().collect::<BTreeSet<_>>(), sent, "{method} {path}");
            }
        }
    }

    #[test]
    fn the_description_carries_this_version() {
        let description: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
