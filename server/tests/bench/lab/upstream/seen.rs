//! What the upstream saw.

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Duration;

/// The width of a bin.
pub(crate) const BIN: Duration = Duration::from_millis(100);

/// In one bin, at one replica.
#[derive(Clone, Copy, Default)]
struct Arrived {
    /// First attempts: the request's number was not seen before.
    first: u32,
    /// Attempts of a number that was: hedges, and attempts that follow a failed one.
    again: u32,
    /// Connections that were reset at once.
    refused: u32,
}

pub(super) struct Seen {
    /// For each replica.
    bins: Vec<Vec<Arrived>>,
    /// How often each request's number was seen.
    attempts: Vec<u8>,
    /// By how much answers left later than they were due, in microseconds.
    late: Histogram<u64>,
    /// Attempts whose connection was closed before they were answered.
    ended: u64,
}

impl Seen {
    pub(super) fn by(replicas: usize) -> Result<Seen, hdrhistogram::CreationError> {
        Ok(Seen { bins: vec![Vec::new(); replicas], attempts: Vec::new(), late: Histogram::new(3)?, ended: 0 })
    }

    /// Counts an attempt, and returns which of its request it is.
    pub(super) fn arrived(&mut self, replica: usize, at: Duration, number: usize) -> u64 {
        if self.attempts.len() <= number {
            self.attempts.resize(number + 1, 0);
        }
        let attempt = self.attempts[number];
        self.attempts[number] = attempt.saturating_add(1);
        let bin = self.bin(replica, at);
        if attempt == 0 {
            bin.first += 1
        } else {
            bin.again += 1
        }
        u64::from(attempt)
    }

    pub(super) fn refused(&mut self, replica: usize, at: Duration) {
        self.bin(replica, at).refused += 1;
    }

    pub(super) fn answered(&mut self, late: Duration) {
        self.late.saturating_record(late.as_micros() as u64);
    }

    pub(super) fn ended(&mut self) {
        self.ended += 1;
    }

    fn bin(&mut self, replica: usize, at: Duration) -> &mut Arrived {
        let bin = (at.as_millis() / BIN.as_millis()) as usize;
        let bins = &mut self.bins[replica];
        if bins.len() <= bin {
            bins.resize(bin + 1, Arrived::default());
        }
        &mut bins[bin]
    }

    /// `uncounted` are the numbers of the warm-up, which the counts leave out, not the bins.
    pub(super) fn to_json(&self, uncounted: usize) -> Value {
        let counted = self.attempts.get(uncounted..).unwrap_or_default().iter().filter(|attempts| **attempts > 0);
        let (first, all) = counted.fold((0, 0), |sum, attempts| (sum.0 + 1_u64, sum.1 + u64::from(*attempts)));
        let bins = self.bins.iter().map(|bins| {
            bins.iter().map(|arrived| json!([arrived.first, arrived.again, arrived.refused])).collect::<Vec<_>>()
        });
        let late = |share| self.late.value_at_quantile(share);
        json!({
            "bins": bins.collect::<Vec<_>>(),
            "first": first,
            "again": all - first,
            "ended": self.ended,
            "late_us": [late(0.5), late(0.99), late(1.0)],
        })
    }
}
