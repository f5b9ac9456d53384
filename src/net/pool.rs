//! Idle connections.
//!
//! The problem: a pool that probes its connections under its lock, as those of client libraries do, serialises all
//! calls. The answer: a connection is leased to one call at a time, and the lock is held for a push or a pop. The idle
//! ones lie on a stack per origin, last used first, so that what is not needed grows old and can go.
//!
//! The alarm of the crew rings when the oldest has waited too long, and only then: nothing runs while nothing is idle.

use crate::crew::{AlarmGuard, Crew};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) struct Pool<C> {
    crew: Crew,
    max_idle: usize,
    idle_timeout: Duration,
    /// Connections are made, used and dropped without this lock: dropping one closes a socket.
    shelves: Mutex<Shelves<C>>,
}

struct Shelves<C> {
    /// Per origin, the oldest first. `None` is a shelf that was closed: its number is not used again, as a connection
    /// may still be out that would come back to it.
    by_origin: Vec<Option<Vec<Idle<C>>>>,
    idle: usize,
    /// Set while anything is idle.
    sweep: Option<AlarmGuard>,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<C: Send + 'static> Pool<C> {
    pub(crate) fn new(crew: &Crew, origins: usize, max_idle: usize, idle_timeout: Duration) -> Arc<Pool<C>> {
        let by_origin = (0..origins).map(|_| Some(Vec::new())).collect();
        Arc::new(Pool {
            crew: crew.clone(),
            max_idle,
            idle_timeout,
            shelves: Mutex::new(Shelves { by_origin, idle: 0, sweep: None }),
        })
    }

    /// The connection to `origin` that was used last.
    pub(crate) fn take(&self, origin: usize) -> Option<C> {
        let mut shelves = lock(&self.shelves);
        let idle = shelves.by_origin[origin].as_mut()?.pop()?;
        shelves.idle -= 1;
        drop(shelves);
        (idle.since.elapsed() < self.idle_timeout).then_some(idle.connection)
    }

    /// Keeps `connection` to `origin`, if there is room.
    pub(crate) fn put(self: &Arc<Self>, origin: usize, connection: C) {
        let mut shelves = lock(&self.shelves);
        if shelves.idle >= self.max_idle {
            drop(shelves);
            return;
        }
        let since = Instant::now();
        let Some(shelf) = &mut shelves.by_origin[origin] else {
            drop(shelves);
            return;
        };
        shelf.push(Idle { connection, since });
        shelves.idle += 1;
        if shelves.sweep.is_none() {
            shelves.sweep = self.sweep_after(since);
        }
    }

    /// A new shelf.
    pub(crate) fn add_shelf(&self) -> usize {
        let mut shelves = lock(&self.shelves);
        shelves.by_origin.push(Some(Vec::new()));
        shelves.by_origin.len() - 1
    }

    /// Closes what is idle on a shelf, and what comes back to it.
    pub(crate) fn close_shelf(&self, origin: usize) {
        let mut shelves = lock(&self.shelves);
        let closed = shelves.by_origin[origin].take().unwrap_or_default();
        shelves.idle -= closed.len();
        drop(shelves);
        drop(closed);
    }

    /// The crew whose alarm closes what has been idle for too long.
    pub(crate) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        lock(&self.shelves).idle
    }

    /// Has the alarm sweep when what is idle since `since` has waited too long. An idle time beyond the clock never
    /// ends.
    fn sweep_after(self: &Arc<Self>, since: Instant) -> Option<AlarmGuard> {
        let pool = Arc::downgrade(self);
        let at = since.checked_add(self.idle_timeout)?;
        Some(self.crew.alarm().set(at, move || {
            if let Some(pool) = pool.upgrade() {
                pool.sweep();
            }
        }))
    }

    fn sweep(self: &Arc<Self>) {
        let now = Instant::now();
        let mut old = Vec::new();
        let mut shelves = lock(&self.shelves);
        for shelf in shelves.by_origin.iter_mut().flatten() {
            let count = shelf.partition_point(|idle| now.saturating_duration_since(idle.since) >= self.idle_timeout);
            old.extend(shelf.drain(..count));
        }
        shelves.idle -= old.len();
        let oldest = shelves.by_origin.iter().flatten().filter_map(|shelf| shelf.first()).map(|idle| idle.since).min();
        shelves.sweep = oldest.and_then(|oldest| self.sweep_after(oldest));
        drop(shelves);
        drop(old);
    }
}
