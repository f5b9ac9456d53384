//! The results of a paced load's requests.

use super::Result;
use super::answer::Answer;
use super::percentiles;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) due: Instant,
    /// False while the load warms up.
    pub(crate) is_counted: bool,
}

/// The results of the requests that count.
pub(crate) struct Account {
    /// Microseconds from when it was due.
    right: Histogram<u64>,
    /// Microseconds from when it was written.
    refused: Histogram<u64>,
    /// Microseconds from when it was due to when it was written.
    late: Histogram<u64>,
    /// Including those that do not count.
    right_of_all: u64,
    failed: u64,
    wrong: u64,
    lost: u64,
    /// The first that was wrong or lost.
    first_bad: Option<String>,
    pub(crate) reopened: u64,
    last_answer: Instant,
}

impl Account {
    pub(crate) fn new() -> Result<Account> {
        let (right, refused, late) = (Histogram::new(3)?, Histogram::new(3)?, Histogram::new(3)?);
        let last_answer = Instant::now();
        let none = Account {
            right,
            refused,
            late,
            right_of_all: 0,
            failed: 0,
            wrong: 0,
            lost: 0,
            first_bad: None,
            reopened: 0,
            last_answer,
        };
        Ok(none)
    }

    pub(crate) fn sent(&mut self, request: Request, late: Duration) {
        if request.is_counted {
            self.late.saturating_record(late.as_micros() as u64);
        }
    }

    pub(crate) fn answered(&mut self, request: Request, written: Instant, answer: Answer) -> Result<()> {
        let now = Instant::now();
        self.last_answer = now;
        match answer {
            Answer::Right => {
                self.right_of_all += 1;
                if request.is_counted {
                    self.right.record((now - request.due).as_micros() as u64)?;
                }
            }
            Answer::Refused => self.refused.record((now - written).as_micros() as u64)?,
            Answer::Failed => self.failed += u64::from(request.is_counted),
            Answer::Incomplete => {}
            Answer::Wrong(why) => {
                self.wrong += 1;
                self.first_bad.get_or_insert(why);
            }
        }
        Ok(())
    }

    pub(crate) fn lost(&mut self, request: Request, why: &str) {
        self.lost += u64::from(request.is_counted);
        self.first_bad.get_or_insert(why.to_owned());
    }

    pub(crate) fn to_json(&self, asked: u64, begin: Instant) -> serde_json::Value {
        let millis = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.99) as f64 / 1_000.0;
        let mut json = serde_json::json!({
            "asked": asked,
            "right": self.right.len(),
            "right_of_all": self.right_of_all,
            "refused": self.refused.len(),
            "refused_p99": millis(&self.refused),
            "failed": self.failed,
            "wrong": self.wrong,
            "lost": self.lost,
            "first_bad": self.first_bad,
            "late_p99": millis(&self.late),
            "took_ms": self.last_answer.saturating_duration_since(begin).as_secs_f64() * 1_000.0,
            "reopened": self.reopened,
        });
        percentiles::add_to(&mut json, &self.right);
        json
    }
}
