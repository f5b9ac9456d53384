//! A queue before workers that notice when a client has left: its request gives up its place, or its worker.
//!
//! Without that, who will be done when is known as a request comes (see `replica`). Here it depends on who leaves.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// A request, by its connection, and how long it takes.
pub(super) type Job = (usize, Duration);

pub(super) struct Queue {
    free: usize,
    serving: HashSet<usize>,
    waiting: VecDeque<Job>,
}

impl Queue {
    pub(super) fn of(workers: usize) -> Queue {
        Queue { free: workers, serving: HashSet::new(), waiting: VecDeque::new() }
    }

    /// A request has come. Returns the one that a worker begins now, if any.
    pub(super) fn arrived(&mut self, job: Job) -> Option<Job> {
        self.waiting.push_back(job);
        self.next()
    }

    /// A request was answered, or its client has left.
    pub(super) fn gone(&mut self, connection: usize) -> Option<Job> {
        if self.serving.remove(&connection) {
            self.free += 1;
        } else {
            self.waiting.retain(|(waiting, _)| *waiting != connection);
        }
        self.next()
    }

    fn next(&mut self) -> Option<Job> {
        self.free.checked_sub(1)?;
        let job = self.waiting.pop_front()?;
        self.free -= 1;
        self.serving.insert(job.0);
        Some(job)
    }
}
