//! What the clones of a client share.

use super::racer::Racer;
use super::settings::Rules;
use super::targets::Targets;
use super::upstreams::Upstreams;
use crate::crew::AlarmGuard;
use crate::sync::lock;
use std::sync::{Arc, Mutex};

/// What the clones of a client share.
pub(super) struct Shared {
    pub(super) upstreams: Upstreams,
    pub(super) targets: Arc<Targets>,
    pub(super) racer: Racer,
    pub(super) rules: Rules,
    /// Of the next check of the targets' health.
    alarm: Mutex<Option<AlarmGuard>>,
}

impl Shared {
    pub(super) fn new(upstreams: Upstreams, targets: Arc<Targets>, racer: Racer, rules: Rules) -> Shared {
        Shared { upstreams, targets, racer, rules, alarm: Mutex::default() }
    }

    /// Keeps the alarm for the next check, in place of the one that rang.
    pub(super) fn keep_alarm(&self, alarm: AlarmGuard) {
        let rang = lock(&self.alarm).replace(alarm);
        drop(rang);
    }
}
