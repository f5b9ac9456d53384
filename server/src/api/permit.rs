//! How many requests are raced at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on what happens at the same time. Nobody waits here: over the bound is refused.
#[derive(Debug)]
pub(super) struct Permits {
    taken: AtomicUsize,
    most: usize,
}

/// A place within the bound, given back when dropped, which may be long after its handler has returned.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

impl Permits {
    pub(super) fn new(most: usize) -> Arc<Permits> {
        Arc::new(Permits { taken: AtomicUsize::new(0), most })
    }

    /// A permit, unless all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<Permit> {
        // Relaxed: the number itself is all that is shared.
        let one_more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Permit(self.clone()))
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub(super) fn most(&self) -> usize {
        self.most
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_given_back_is_there_for_the_next() {
        let permits = Permits::new(2);
        let first = permits.take().unwrap();
        let _second = permits.take().unwrap();
        assert!(permits.take().is_none());
        assert_eq!((permits.taken(), permits.most()), (2, 2));
        drop(first);
        assert_eq!(permits.taken(), 1);
        assert!(permits.take().is_some());
    }
}
