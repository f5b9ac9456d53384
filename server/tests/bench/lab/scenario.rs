//! What a scenario is made of.

use crate::harness::Result;
use crate::harness::role::Arguments;
use crate::service::Service;
use std::str::FromStr;
use std::time::Duration;

/// One course of events, the same for all contenders.
pub(crate) struct Scenario {
    /// The number, with a word where a number has several: `1`, `5-hangs`.
    pub(crate) id: String,
    pub(crate) number: u32,
    pub(crate) title: String,
    pub(crate) seed: u64,
    pub(crate) load: Load,
    /// So many requests at the beginning do not count for the latencies: who learns has to see some first.
    pub(crate) uncounted: usize,
    /// The request's, given to contenders that have one. The client waits a little longer, then leaves.
    pub(crate) timeout: Duration,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) hedging: Hedging,
    /// Whether latencies are steady, so that those who hedge at a quantile can be judged.
    pub(crate) is_steady: bool,
    /// So many contenders run at the same time. Where they hardly load the machine it is all of them.
    pub(crate) lanes: usize,
    /// Requests that make a read, which is done when the last of them is. 1 where a request is a read.
    pub(crate) reads_of: usize,
    /// The first replica is not as usual in this time, or all are.
    pub(crate) trouble: Option<(Duration, Duration)>,
}

/// How the contenders are set.
pub(crate) struct Hedging {
    /// The delay of those with a fixed one.
    pub(crate) fixed: Duration,
    /// Hedges of a request at most.
    pub(crate) attempts: usize,
    /// Of those that have one, in per cent.
    pub(crate) budget: f64,
}

pub(crate) enum Load {
    /// So many workers, each sending its next request when the last is answered.
    Closed { workers: usize, requests: usize },
    /// Requests at random moments (Poisson) with this rate per second.
    Open { rate: f64, lasts: Duration },
    /// Requests at even moments.
    Even { every: Duration, lasts: Duration },
}

/// A server behind the contender.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) service: Service,
    /// So many workers take its requests in their order. `None`: all requests are served at once.
    pub(crate) workers: Option<usize>,
    /// Whether workers notice that a client has left, and take the next request.
    pub(crate) notices: bool,
    pub(crate) phases: Vec<Phase>,
}

/// What is not as usual, from one moment to another.
#[derive(Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) change: Change,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// Everything takes so much longer.
    Slower(Duration),
    /// Everything takes more and more times as long, up to this, and stays so.
    Grows(f64),
    /// Connections are accepted, requests are read, nothing is answered.
    Hangs,
    /// Connections are reset as soon as they are there: a refusal that can be counted.
    Refuses,
    /// 500 at once.
    Fails,
    /// The workers do nothing.
    Stalls,
}

/// How long a run takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Full,
    Quick,
    /// A moment, as a test of the machinery.
    Smoke,
}

impl Size {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Size::Full => "full",
            Size::Quick => "quick",
            Size::Smoke => "smoke",
        }
    }

    /// Chooses by size.
    pub(crate) fn of<T>(self, full: T, quick: T, smoke: T) -> T {
        match self {
            Size::Full => full,
            Size::Quick => quick,
            Size::Smoke => smoke,
        }
    }
}

impl FromStr for Size {
    type Err = ();

    fn from_str(word: &str) -> std::result::Result<Size, ()> {
        [Size::Full, Size::Quick, Size::Smoke].into_iter().find(|size| size.word() == word).ok_or(())
    }
}

impl Scenario {
    /// How long the client waits, counted from when a request was due.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout + Duration::from_millis(100)
    }

    /// Whether `headstart advise` can tell of it what a delay would bring: one hedge at most, and times that stay.
    pub(crate) fn is_foreseen(&self) -> bool {
        self.is_steady && self.hedging.attempts == 1 && self.reads_of == 1
    }

    /// How long the load lasts; `None` where that depends on the contender.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        match self.load {
            Load::Closed { .. } => None,
            Load::Open { lasts, .. } | Load::Even { lasts, .. } => Some(lasts),
        }
    }

    /// The words of a command line that tell another process which one it is.
    pub(crate) fn named(&self, size: Size, round: usize) -> [(&'static str, String); 3] {
        [("scenario", self.id.clone()), ("size", size.word().to_owned()), ("round", round.to_string())]
    }

    /// The one that a process was told. Each round has other chances.
    pub(crate) fn told(arguments: &Arguments) -> Result<Scenario> {
        let (id, round): (String, u64) = (arguments.get("scenario")?, arguments.get("round")?);
        let known = crate::scenarios::all(arguments.get("size")?);
        let found = known.into_iter().find(|scenario| scenario.id == id);
        let scenario = found.ok_or_else(|| format!("no scenario is called '{id}'"))?;
        Ok(Scenario { seed: scenario.seed + 1_000 * round, ..scenario })
    }
}

impl Replica {
    pub(crate) fn of(service: Service) -> Replica {
        Replica { service, workers: None, notices: false, phases: Vec::new() }
    }

    pub(crate) fn with_workers(self, workers: usize) -> Replica {
        Replica { workers: Some(workers), ..self }
    }

    pub(crate) fn that_notices(self, notices: bool) -> Replica {
        Replica { notices, ..self }
    }

    pub(crate) fn with(mut self, change: Change, from: Duration, to: Duration) -> Replica {
        self.phases.push(Phase { from, to, change });
        self
    }

    /// Whether this is so at a time since the beginning.
    pub(crate) fn is(&self, change: Change, at: Duration) -> bool {
        self.phases.iter().any(|phase| phase.change == change && phase.from <= at && at < phase.to)
    }
}
