//! Sources that stand for the same thing: attempts take them in turn.

use super::call::{Asked, Source};
use super::parse;
use super::settings::SourceSettings;
use crate::error::Error;
use headstart::crew::Crew;
use headstart::http::{Client, Json};
use headstart::race::Attempt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sources, and whose turn it is.
pub(crate) struct Sources {
    list: Vec<Box<dyn Source>>,
    /// Races so far: at whose turn the next one begins.
    races: AtomicUsize,
}

impl Sources {
    /// The sources for `path` that `texts` name, such as `http://127.0.0.1:9000/` or
    /// `memcached://127.0.0.1:11211/greeting`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the one that cannot be used.
    pub(crate) fn for_route(
        crew: &Crew,
        path: &str,
        texts: &[String],
        settings: &SourceSettings,
    ) -> Result<Sources, Error> {
        texts.iter().map(|text| parse::source(crew, path, text, settings)).collect::<Result<_, _>>().map(Sources::of)
    }

    /// The web services at `urls`, which share their connections.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the URL or setting that cannot be used.
    pub(crate) fn web(crew: &Crew, urls: &[String], settings: &SourceSettings) -> Result<Sources, Error> {
        Ok(Sources::of(vec![Box::new(Client::new(crew, settings.json_client(urls))?)]))
    }

    fn of(list: Vec<Box<dyn Source>>) -> Sources {
        Sources { list, races: AtomicUsize::new(0) }
    }

    /// Whether one of them answers with a status.
    pub(crate) fn have_status(&self) -> bool {
        self.list.iter().any(|source| source.has_status())
    }

    /// Whether a request's query can be carried on to each of them.
    pub(crate) fn take_query(&self) -> bool {
        self.list.iter().all(|source| source.takes_query())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// The turn of a race's first attempt. Each attempt is one turn further, and so is each race.
    pub(crate) fn next_turn(&self) -> usize {
        self.races.fetch_add(1, Ordering::Relaxed)
    }

    /// Calls the source whose turn it is.
    pub(crate) fn call(&self, turn: usize, attempt: &Attempt, asked: &Asked) -> Result<Json, headstart::Error> {
        self.list[turn % self.list.len()].call(turn, attempt, asked)
    }
}
