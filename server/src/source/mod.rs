//! What a route serves: any resource of this crate, named by one text, raced like an upstream.
//!
//! The problem: a web service, a cache, a database and a program are called in four ways, and a server that races them should
//! not know four ways. The answer: a [`Source`] is one blocking call for an attempt, with JSON for a result; [`Sources`]
//! races several of them, each attempt taking the one whose turn it is.
//!
//! What this does not do: answer a client. Which race is run and what its outcome means is for `api` to say.

#[cfg(feature = "memcached")]
mod cached;
#[cfg(all(feature = "mysql", unix))]
mod database;
mod parse;
#[cfg(feature = "xmlrpc")]
mod procedure;
#[cfg(all(feature = "command", unix))]
mod program;

use crate::crew::Crew;
use crate::error::Error;
use crate::http::{Call, Client, ClientSettings, Json, Racer, TraceContext};
use crate::race::{Attempt, Outcome, Primary, Wanted};
use std::sync::Arc;

/// A resource that an attempt can call.
pub(crate) trait Source: Send + Sync {
    /// The call. It ends soon after the attempt's token is cancelled, whatever it is doing, so it may run on the thread
    /// that waits for the race.
    fn call(&self, turn: usize, attempt: &Attempt, trace: &TraceContext) -> Result<Json, Error>;
}

/// Sources that stand for the same thing, raced.
pub(crate) struct Sources {
    list: Arc<[Box<dyn Source>]>,
    racer: Racer,
}

impl Sources {
    /// The sources for `path` that `texts` name, such as `http://127.0.0.1:9000/` or `memcached://127.0.0.1:11211/greeting`, raced as
    /// `settings` say.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the one that cannot be used.
    pub(crate) fn new(crew: &Crew, path: &str, texts: &[String], settings: &ClientSettings) -> Result<Sources, Error> {
        let list = texts.iter().map(|text| parse::source(crew, path, text, settings)).collect::<Result<_, _>>()?;
        // Named after the path: a source's text may hold what is nobody else's business.
        let racer = Racer::new(crew, settings, path.to_owned());
        Ok(Sources { list, racer })
    }

    /// The first success.
    pub(crate) fn first(&self, call: &Call<'_>) -> Outcome<Json, Error> {
        self.run(call, Wanted::First)
    }

    /// All that succeed in time.
    pub(crate) fn all(&self, call: &Call<'_>) -> Outcome<Json, Error> {
        self.run(call, Wanted::All)
    }

    fn run(&self, call: &Call<'_>, wanted: Wanted) -> Outcome<Json, Error> {
        let list = self.list.clone();
        let trace = TraceContext::continuing(call.given_traceparent());
        self.racer.run(call, wanted, Primary::OnCaller, move |turn, attempt| {
            list[turn % list.len()].call(turn, attempt, &trace)
        })
    }
}

/// A web service.
impl Source for Client {
    fn call(&self, turn: usize, attempt: &Attempt, trace: &TraceContext) -> Result<Json, Error> {
        self.attempt(turn, attempt, trace)
    }
}
