//! The races of one route, set up once.

use super::settings::ApiSettings;
use super::strategy::Strategy;
use crate::front::Request;
use crate::source::{Asked, Sources};
use headstart::Deadline;
use headstart::Error;
use headstart::TimeLimit;
use headstart::crew::Crew;
use headstart::event::Observer;
use headstart::http::{Json, TraceContext};
use headstart::race::{Attempt, Outcome, Primary, Race};
use std::sync::Arc;

/// Races sources for requests.
pub(super) struct SourceRace {
    race: Race,
    strategy: Strategy,
    sources: Arc<Sources>,
}

impl SourceRace {
    /// Races of `sources` as `strategy` and `settings` say. `label` names their attempts: it is shown to anybody who
    /// asks for the page, and a source's text may hold a secret.
    pub(super) fn new(
        crew: &Crew,
        label: &str,
        sources: Arc<Sources>,
        strategy: Strategy,
        settings: &ApiSettings,
        observer: Arc<dyn Observer>,
    ) -> SourceRace {
        let race = Race::new(crew)
            .schedule(strategy.starts(&settings.schedule))
            .after_failure(settings.after_failure)
            .threads(settings.threads)
            .primary(Primary::OnCaller) // every source can be ended in each of its phases
            .label(label)
            .observer(observer);
        SourceRace { race, strategy, sources }
    }

    /// Whether each of the sources can be told a query.
    pub(super) fn takes_query(&self) -> bool {
        self.sources.take_query()
    }

    /// One race for `request`, whose attempts are told `query`. It ends with the request's token, and continues the
    /// trace that the request is part of.
    pub(super) fn run(&self, request: &Request<'_>, query: Option<String>, deadline: Deadline) -> Outcome<Json, Error> {
        let traceparent = request.header("traceparent").and_then(|value| str::from_utf8(value).ok());
        let asked = Asked { trace: TraceContext::continuing(traceparent), query };
        let (sources, first) = (self.sources.clone(), self.sources.next_turn());
        let race = self.race.clone().limit(TimeLimit::new(deadline, request.token()));
        let call = move |attempt: &Attempt| {
            sources.call(first.wrapping_add(attempt.number()), attempt, &asked).inspect_err(|error| {
                log::debug!("race {} attempt {}: {error}", attempt.race(), attempt.number());
            })
        };
        if self.strategy.is_for_first() { race.first(call) } else { race.all(call) }
    }
}
