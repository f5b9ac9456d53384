//! What a source is: one blocking call with JSON for a result.

use crate::error::Error;
use headstart::http::{Client, Json, TraceContext};
use headstart::race::Attempt;

/// A resource that an attempt can call.
pub(crate) trait Source: Send + Sync {
    /// The call. It ends soon after the attempt's token is canceled, whatever it is doing, so it may run on the thread
    /// that waits for the race.
    fn call(&self, turn: usize, attempt: &Attempt, trace: &TraceContext) -> Result<Json, headstart::Error>;
}

/// A web service, or several that stand for the same.
impl Source for Client {
    fn call(&self, turn: usize, attempt: &Attempt, trace: &TraceContext) -> Result<Json, headstart::Error> {
        self.attempt(turn, attempt, trace)
    }
}

/// A mistake in the text that names a source. `value` shows what may be shown of it.
pub(super) fn mistake(value: &str, allowed: &str) -> Error {
    Error::setting("route", value, allowed)
}
