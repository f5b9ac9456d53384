//! `headstart advise`: which delay to hedge after, and whether to hedge at all.
//!
//! The problem: the right delay matters more than anything else about hedging, and an operator has no way to know it
//! but by trying. The answer: the times of attempts that were seen, those that were ended included, tell what any other
//! delay would have done. They come from a running headstart or from its access log; a table tells of each delay what
//! requests would take and what it would cost, and one sentence which is the best within the budget, or why none is.
//!
//! What this does not do: change anything, or foresee how upstreams behave under another load.

mod access_log;
mod admin;
mod advice;
mod figures;
mod forecast;
mod json;
mod numbers;
mod text;

use advice::Advice;
use figures::Figures;

/// Hedges per primary where neither the question nor the source names a budget.
const BUDGET: f64 = 0.1;

/// What is asked.
pub(crate) struct Question {
    pub(crate) source: Source,
    /// For machines instead of people.
    pub(crate) as_json: bool,
    /// Hedges per primary. `None`: the budget that holds.
    pub(crate) budget: Option<f64>,
    /// Of all routes, this one.
    pub(crate) route: Option<String>,
}

/// Where the figures are.
pub(crate) enum Source {
    /// At the admin address of a running headstart.
    Admin(String),
    /// In the file of this name; `-` is standard input.
    Log(String),
}

/// The advice as text, or why there is none.
pub(crate) fn advise(question: &Question) -> Result<String, String> {
    let seen = match &question.source {
        Source::Admin(address) => admin::ask(address)?,
        Source::Log(path) => access_log::read(path)?,
    };
    let is_asked = |figures: &&Figures| question.route.as_ref().is_none_or(|route| *route == figures.route);
    let routes: Vec<&Figures> = seen.routes.iter().filter(is_asked).collect();
    if routes.is_empty() {
        let names: Vec<&str> = seen.routes.iter().map(|figures| &*figures.route).collect();
        let asked = question.route.as_deref().unwrap_or_default();
        return Err(format!("{} has no route '{asked}': there is {}", seen.source, names.join(", ")));
    }
    if routes.iter().all(|figures| figures.primaries.iter().all(|row| row.finished + row.ended == 0)) {
        return Err(format!("{} has no samples yet: ask again after some requests", seen.source));
    }
    let budget = |figures: &Figures| question.budget.or(figures.budget).unwrap_or(BUDGET);
    let advised: Vec<(&Figures, Advice)> =
        routes.into_iter().map(|figures| (figures, Advice::on(figures, budget(figures)))).collect();
    Ok(if question.as_json { json::json(&seen, &advised) } else { text::text(&seen, &advised) })
}
