//! What a source is: one blocking call with JSON for a result.

use crate::error::Error;
use headstart::http::{Client, Json, TraceContext};
use headstart::race::Attempt;

/// What a request says that each of its attempts carries on.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) trace: TraceContext,
    /// For a source that takes one, beside what it has of its own.
    pub(crate) query: Option<String>,
}

/// A resource that an attempt can call.
pub(crate) trait Source: Send + Sync {
    /// Whether a call can carry a query on.
    fn takes_query(&self) -> bool {
        false
    }

    /// Whether its answers have an HTTP status that says whether they are a success.
    fn has_status(&self) -> bool {
        false
    }

    /// The call. It ends soon after the attempt's token is canceled, whatever it is doing, so it may run on the thread
    /// that waits for the race.
    fn call(&self, turn: usize, attempt: &Attempt, asked: &Asked) -> Result<Json, headstart::Error>;
}

/// A web service, or several that stand for the same.
impl Source for Client {
    fn takes_query(&self) -> bool {
        true
    }

    fn has_status(&self) -> bool {
        true
    }

    fn call(&self, turn: usize, attempt: &Attempt, asked: &Asked) -> Result<Json, headstart::Error> {
        self.attempt(turn, attempt, &asked.trace, asked.query.as_deref())
    }
}

/// A mistake in the text that names a source. `value` shows what may be shown of it.
pub(super) fn mistake(value: &str, allowed: &str) -> Error {
    Error::setting("route", value, allowed)
}
