//! The races of one client, set up once.

use super::call::{Call, Start};
use super::settings::ClientSettings;
use crate::crew::Crew;
use crate::error::Error;
use crate::policy::Plan;
use crate::race::{Attempt, Outcome, Primary, Race, Wanted};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The races of one client, ready but for what differs from call to call.
pub(super) struct Racer {
    hedged: Race,
    at_once: Race,
    /// For requests of any method.
    requests: Race,
    /// Calls so far: at whose turn the next one begins.
    calls: AtomicUsize,
}

impl Racer {
    /// Races as `settings` say; `origins` name their attempts.
    pub(super) fn new(crew: &Crew, settings: &ClientSettings, origins: &str) -> Racer {
        let mut hedged = Race::new(crew)
            .schedule(settings.schedule.clone())
            .after_failure(settings.after_failure)
            .threads(settings.threads)
            .primary(Primary::OnCaller) // an HTTP call can be ended in each of its phases
            .label(format!("GET {origins}"));
        if let Some(observer) = &settings.observer {
            hedged = hedged.observer(observer.clone());
        }
        let at_once = hedged.clone().schedule(settings.schedule.at_once());
        let requests = hedged.clone().label(format!("request to {origins}"));
        Racer { hedged, at_once, requests, calls: AtomicUsize::new(0) }
    }

    /// A race for a request of any method.
    #[cfg(unix)]
    pub(super) fn for_requests(&self) -> Race {
        self.requests.clone()
    }

    /// The turn at which the next call begins.
    fn next_turn(&self) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `attempt` with the number of its turn, which is one further with each attempt and each call.
    pub(super) fn run<T, F>(
        &self,
        call: &Call<'_>,
        wanted: Wanted,
        plan: Option<Arc<Plan>>,
        attempt: F,
    ) -> Outcome<T, Error>
    where
        T: Send + 'static,
        F: Fn(usize, &Attempt) -> Result<T, Error> + Send + Sync + 'static,
    {
        let race = match call.start {
            Start::Hedged => self.hedged.clone(),
            Start::AtOnce => self.at_once.clone(),
        };
        let mut race = race.limit(&call.limit);
        if let Some(plan) = plan {
            race = race.hedging(plan);
        }
        let first = self.next_turn();
        let call = move |running: &Attempt| {
            attempt(first.wrapping_add(running.number()), running).inspect_err(|error| {
                log::debug!("race {} attempt {}: {error}", running.race(), running.number());
            })
        };
        match wanted {
            Wanted::First => race.first(call),
            Wanted::All => race.all(call),
        }
    }
}
