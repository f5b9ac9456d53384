//! What proxy routes take and do not take beside them.

use crate::cli::given::Given;
use crate::cli::mistake::Mistake;
use crate::cli::option::Verb;
use crate::cli::settings::{FrontKind, Settings};

/// What proxy routes have that the options beside theirs say, and what the command does.
pub(super) fn settle(verb: Verb, settings: &mut Settings, winners: &[Given], mistakes: &mut Vec<Mistake>) {
    let is_given = |name: &str| winners.iter().any(|given| given.option.name == name && given.is_given());
    match (is_given("schedule"), is_given("hedge")) {
        (true, true) if verb == Verb::Proxy => {
            let key = |name: &str| {
                winners.iter().find(|given| given.option.name == name).map_or_else(String::new, Given::key)
            };
            let why = "both say when hedges are due".to_owned();
            mistakes.push(Mistake::Together { key: key("schedule"), other: key("hedge"), why });
        }
        (true, false) => settings.proxy = settings.proxy.clone().schedule(settings.schedule.clone()),
        // Of a server with both kinds of routes, the schedule is for the others.
        _ => {}
    }
    match verb {
        // What could not be read is a mistake already.
        Verb::Proxy if settings.to.is_empty() && (mistakes.is_empty() || !is_given("to")) => {
            mistakes.push(Mistake::Missing { key: "--to", example: "http://127.0.0.1:9000" });
        }
        // It has no built-in endpoints, and so nothing that these would be for.
        Verb::Proxy => settings.upstreams.clear(),
        // A file may be for both.
        _ => settings.to.clear(),
    }
}

/// What cannot be had beside proxy routes: mistakes, and warnings where it can be had and surprises.
pub(super) fn check(settings: &Settings, winners: &[Given], mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let Some((path, _)) = settings.passed().first().copied() else { return Vec::new() };
    let given = |name: &str| winners.iter().find(|given| given.option.name == name);
    let route = if settings.to.is_empty() { given("route") } else { given("to") };
    let route = route.map_or_else(|| path.to_owned(), Given::key);
    let mut not_beside = |name: &str, why: &str| {
        let other = given(name).map_or_else(|| name.to_owned(), Given::key);
        mistakes.push(Mistake::Together { key: other, other: route.clone(), why: why.to_owned() });
    };
    if settings.front == FrontKind::TinyHttp {
        not_beside("front", "tiny_http cannot pass requests through");
    }
    if given("upstream-proxy").is_some_and(Given::is_given) {
        not_beside("upstream-proxy", "the upstreams of proxy routes are called directly");
    }
    let hides = settings.admin.is_none() && settings.passed().iter().any(|(path, _)| *path == "/*");
    hides
        .then(|| "the route /* takes the paths of page, metrics and health: --admin has them elsewhere".to_owned())
        .into_iter()
        .collect()
}
