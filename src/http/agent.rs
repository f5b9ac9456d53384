//! ureq's agent with the one connection it may keep.

use super::current;
use crate::cancel::CancelToken;
use crate::error::Error;
use crate::net::lease::{Reached, Reusable, Talk};
use ureq::Agent;

/// An agent. The connection it keeps is looked at when ureq takes it up: see [`super::transport`].
pub(super) struct ReusableAgent(pub(super) Agent);

impl Reusable for ReusableAgent {
    fn resume(self, _: &CancelToken) -> Option<ReusableAgent> {
        Some(self)
    }

    fn rest(self) -> Option<ReusableAgent> {
        Some(self)
    }
}

impl ReusableAgent {
    /// Has `send` make the call that `token` ends.
    pub(super) fn talk<T>(
        self,
        token: &CancelToken,
        send: impl Fn(&Agent) -> Result<T, Error>,
    ) -> Talk<ReusableAgent, T> {
        let _current = current::enter(token);
        let result = send(&self.0);
        let result = match token.reason() {
            Some(reason) => result.map_err(|error| error.unless_ended(reason, current::phase())),
            None => result,
        };
        let seen = current::seen();
        // The agent may have found its idle connection closed and made another. Then there is no use in a third.
        let reached = if seen.is_fresh { Reached::Answered } else { seen.reached };
        Talk { result, reached, keep: seen.kept.then_some(self) }
    }
}
