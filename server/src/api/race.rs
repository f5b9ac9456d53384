//! The races of one route, set up once.

use super::settings::ApiSettings;
use super::strategy::Strategy;
use crate::front::Request;
use crate::source::{Asked, Sources};
use crate::sync::lock;
use headstart::Deadline;
use headstart::Error;
use headstart::TimeLimit;
use headstart::cancel::CancelReason;
use headstart::crew::Crew;
use headstart::event::Observer;
use headstart::http::{Json, TraceContext};
use headstart::policy::{Place, Policy, PolicySettings};
use headstart::race::{Attempt, Outcome, Primary, Race};
use std::sync::{Arc, Mutex};

/// Races sources for requests.
pub(super) struct SourceRace {
    race: Race,
    strategy: Strategy,
    sources: Arc<Sources>,
    /// What decides when it hedges, and the place of each source; `None` where a schedule does.
    hedged: Option<Arc<Hedged>>,
}

/// The sources as places of a policy.
struct Hedged {
    policy: Policy,
    places: Vec<Arc<Place>>,
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
        SourceRace { race, strategy, sources, hedged: None }
    }

    /// The same, hedged by a policy. Its sources are shown by their numbers.
    pub(super) fn hedged(mut self, policy: PolicySettings) -> SourceRace {
        let policy = Policy::new(policy);
        let places = (1..=self.sources.count()).map(|number| policy.place(format!("source {number}"))).collect();
        self.hedged = Some(Arc::new(Hedged { policy, places }));
        self
    }

    /// What decides when it hedges, if not a schedule.
    pub(super) fn policy(&self) -> Option<&Policy> {
        self.hedged.as_ref().map(|hedged| &hedged.policy)
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
        let race = self.race.clone().limit(TimeLimit::new(deadline, request.token()));
        if let Some(hedged) = &self.hedged {
            return hedged.run(race, self.sources.clone(), asked, is_chained(request));
        }
        let (sources, first) = (self.sources.clone(), self.sources.next_turn());
        let call = move |attempt: &Attempt| {
            sources.call(first.wrapping_add(attempt.number()), attempt, &asked).inspect_err(|error| {
                log::debug!("race {} attempt {}: {error}", attempt.race(), attempt.number());
            })
        };
        if self.strategy.is_for_first() { race.first(call) } else { race.all(call) }
    }
}

impl Hedged {
    fn run(
        self: &Arc<Hedged>,
        race: Race,
        sources: Arc<Sources>,
        asked: Asked,
        is_chained: bool,
    ) -> Outcome<Json, Error> {
        let first = self.policy.choose(self.places());
        let plan = Arc::new(self.policy.plan(self.places[first].clone()).chained(is_chained));
        let (hedged, visited) = (self.clone(), Mutex::new(vec![first]));
        race.hedging(plan.clone()).first(move |attempt| {
            let at = if attempt.number() == 0 { first } else { hedged.choose_other(&mut lock(&visited)) };
            let visit = plan.visit(&hedged.places[at], attempt);
            let result = sources.call(at, attempt, &asked);
            match &result {
                Ok(_) => visit.succeeded(),
                Err(error) => {
                    log::debug!("race {} attempt {}: {error}", attempt.race(), attempt.number());
                    if matches!(attempt.token().reason(), None | Some(CancelReason::DeadlineExceeded)) {
                        visit.failed(error);
                    }
                }
            }
            result
        })
    }

    fn choose_other(&self, visited: &mut Vec<usize>) -> usize {
        let at = self.policy.choose_other(self.places(), |at| visited.contains(&at));
        visited.push(at);
        at
    }

    fn places(&self) -> impl ExactSizeIterator<Item = &Place> + Clone {
        self.places.iter().map(|place| &**place)
    }
}

/// Whether a request is itself a hedge of who sent it.
fn is_chained(request: &Request<'_>) -> bool {
    request.header("x-attempt").is_some_and(|number| !matches!(number.trim_ascii(), b"" | b"0"))
}
