//! One replica: what becomes of a request that arrives now.

use super::queue::{Job, Queue};
use crate::scenario::{Change, Replica};
use crate::service::Draw;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// All times count from the beginning.
pub(super) struct State {
    pub(super) replica: Replica,
    /// When each worker has done what it took so far.
    workers: BinaryHeap<Reverse<Duration>>,
    /// In place of that, where it depends on who leaves.
    queue: Option<Queue>,
}

#[derive(Clone, Copy)]
pub(super) enum Fate {
    Answer {
        at: Duration,
        status: u16,
    },
    /// It waits for a worker.
    Waits,
    Silence,
}

impl State {
    pub(super) fn of(replica: &Replica) -> State {
        let workers = (0..replica.workers.unwrap_or(0)).map(|_| Reverse(Duration::ZERO)).collect();
        let queue = replica.workers.filter(|_| replica.notices).map(Queue::of);
        State { replica: replica.clone(), workers, queue }
    }

    pub(super) fn fate(&mut self, now: Duration, connection: usize, draw: Draw) -> Fate {
        if self.replica.is(Change::Hangs, now) {
            return Fate::Silence;
        }
        if self.replica.is(Change::Fails, now) {
            return Fate::Answer { at: now, status: 500 };
        }
        let takes = self.takes(now, draw);
        if let Some(queue) = &mut self.queue {
            let begins = queue.arrived((connection, takes));
            // Only the one that has just come can begin, since nobody else has gone.
            return begins.map_or(Fate::Waits, |_| Fate::Answer { at: now + takes, status: 200 });
        }
        let Some(Reverse(free)) = self.workers.pop() else {
            return Fate::Answer { at: now + takes, status: 200 };
        };
        // The worker that is free first takes it. Who leaves the queue leaves no gap in it.
        let at = self.end(free.max(now), takes);
        self.workers.push(Reverse(at));
        Fate::Answer { at, status: 200 }
    }

    /// A request was answered, or its client has left. Returns the one that a worker begins now, if any.
    pub(super) fn gone(&mut self, connection: usize) -> Option<Job> {
        self.queue.as_mut()?.gone(connection)
    }

    fn takes(&self, now: Duration, draw: Draw) -> Duration {
        let mut takes = self.replica.service.takes(draw);
        for phase in &self.replica.phases {
            match phase.change {
                Change::Slower(more) if phase.from <= now && now < phase.to => takes += more,
                Change::Grows(times) if phase.from <= now => {
                    let part = (now - phase.from).as_secs_f64() / (phase.to - phase.from).as_secs_f64();
                    takes = takes.mul_f64(1.0 + (times - 1.0) * part.min(1.0));
                }
                _ => {}
            }
        }
        takes
    }

    /// When work is done that begins then: a stall adds what is left of it.
    fn end(&self, begin: Duration, takes: Duration) -> Duration {
        let mut end = begin + takes;
        for phase in self.replica.phases.iter().filter(|phase| phase.change == Change::Stalls) {
            if begin < phase.to && phase.from < end {
                end += phase.to - phase.from.max(begin);
            }
        }
        end
    }

    /// The moments at which its connections are cut: as it stops listening, and as it is started anew after hanging.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Duration> {
        self.replica.phases.iter().filter_map(|phase| match phase.change {
            Change::Refuses => Some(phase.from),
            Change::Hangs => Some(phase.to),
            _ => None,
        })
    }
}
