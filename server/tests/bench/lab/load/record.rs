//! What became of each request.

use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Right,
    /// Any status but 200.
    Failed,
    /// The connection broke.
    Lost,
    /// The client left, tired of waiting.
    GaveUp,
}

/// A request, as it is told.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) due: Duration,
    pub(crate) took: Duration,
    pub(crate) end: End,
}

const ENDS: [(End, char); 4] = [(End::Right, 'r'), (End::Failed, 'f'), (End::Lost, 'l'), (End::GaveUp, 'g')];

pub(super) struct Record {
    began: Instant,
    due: Vec<Instant>,
    took: Vec<Duration>,
    ends: Vec<Option<End>>,
}

impl Record {
    pub(super) fn from(began: Instant) -> Record {
        Record { began, due: Vec::new(), took: Vec::new(), ends: Vec::new() }
    }

    /// The next request; its number.
    pub(super) fn sent(&mut self, due: Instant) -> usize {
        self.due.push(due);
        self.took.push(Duration::ZERO);
        self.ends.push(None);
        self.due.len() - 1
    }

    pub(super) fn ended(&mut self, number: usize, end: End) {
        self.took[number] = self.due[number].elapsed();
        self.ends[number] = Some(end);
    }

    /// How many were sent.
    pub(super) fn count(&self) -> usize {
        self.due.len()
    }

    pub(super) fn due(&self, number: usize) -> Instant {
        self.due[number]
    }

    pub(super) fn to_json(&self) -> Value {
        let due = self.due.iter().map(|due| due.saturating_duration_since(self.began).as_micros() as u64);
        let took = self.took.iter().map(|took| took.as_micros() as u64);
        let word = |end: Option<End>| ENDS.iter().find(|(known, _)| Some(*known) == end).map_or('l', |(_, word)| *word);
        json!({
            "due": due.collect::<Vec<_>>(),
            "took": took.collect::<Vec<_>>(),
            "ends": self.ends.iter().map(|end| word(*end)).collect::<String>(),
        })
    }
}

/// The requests that a load told of.
pub(crate) fn requests(told: &Value) -> Option<Vec<Request>> {
    let micros = |key: &str| {
        let list = told[key].as_array()?;
        list.iter().map(|value| value.as_u64().map(Duration::from_micros)).collect::<Option<Vec<_>>>()
    };
    let ends = told["ends"].as_str()?.chars();
    let end = |word| ENDS.iter().find(|(_, known)| *known == word).map_or(End::Lost, |(end, _)| *end);
    let both = micros("due")?.into_iter().zip(micros("took")?);
    Some(both.zip(ends).map(|((due, took), word)| Request { due, took, end: end(word) }).collect())
}
