//! The course of one call over the targets: where its attempts go, and what the policy learns of it.

use super::targets::{List, Target, Targets};
use crate::cancel::CancelReason;
use crate::crew::Crew;
use crate::error::Error;
use crate::policy::{Plan, Policy, Visit};
use crate::race::Attempt;
use crate::sync::lock;
use std::sync::{Arc, Mutex};

/// What the attempts of one call share of it.
pub(super) struct Course {
    targets: List,
    policy: Policy,
    plan: Arc<Plan>,
    /// Where its attempts went: the primary's target from the beginning.
    visited: Mutex<Vec<usize>>,
}

impl Course {
    /// One that begins now, of the kind that `of_kind` says.
    pub(super) fn new(targets: &Arc<Targets>, crew: &Crew, of_kind: impl FnOnce(Plan) -> Plan) -> Course {
        let list = targets.now(crew);
        let policy = targets.policy().clone();
        let first = policy.choose(list.iter().map(|target| &*target.place));
        let plan = Arc::new(of_kind(policy.plan(list[first].place.clone())));
        let mut visited = Vec::with_capacity(2);
        visited.push(first);
        Course { targets: list, policy, plan, visited: Mutex::new(visited) }
    }

    /// What the race is to ask.
    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How many targets there are.
    pub(super) fn count(&self) -> usize {
        self.targets.len()
    }

    /// The next target of `attempt`, which has tried some in vain.
    pub(super) fn next(&self, attempt: &Attempt, tried: &[usize]) -> (usize, Visit) {
        let at = match (attempt.number(), tried) {
            (0, []) => lock(&self.visited)[0],
            (number, _) => self.choose(number, tried),
        };
        (at, self.plan.visit(&self.targets[at].place, attempt))
    }

    /// One that this attempt has not tried, if possible one where no other attempt of the call is.
    fn choose(&self, number: usize, tried: &[usize]) -> usize {
        let mut visited = lock(&self.visited);
        let is_left = (0..self.count()).any(|at| !visited.contains(&at) && !tried.contains(&at));
        let is_taken = |at: usize| tried.contains(&at) || (is_left && visited.contains(&at));
        let places = self.targets.iter().map(|target| &*target.place);
        let at = match number {
            0 => self.policy.choose_again(places, is_taken),
            _ => self.policy.choose_other(places, is_taken),
        };
        visited.push(at);
        at
    }

    pub(super) fn target(&self, at: usize) -> &Target {
        &self.targets[at]
    }
}

/// Tells what came of a visit that failed with `error`: an attempt that was ended says nothing against its place, but
/// one that did not answer in time does. A status that is no success may still be the right one.
pub(super) fn tell_failure(visit: Visit, attempt: &Attempt, error: &Error) {
    match (error, attempt.token().reason()) {
        // It works, and has too much to do: that is no failure, and no reason to send it more.
        (Error::Status(429), _) => drop(visit),
        (Error::Status(..500), _) => visit.succeeded(),
        (_, None | Some(CancelReason::DeadlineExceeded)) => visit.failed(error),
        (_, Some(_)) => drop(visit),
    }
}
