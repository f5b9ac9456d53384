//! `src/sync.rs` as the models see it: loom's primitives under the same names, and ways to weaken them.

pub(crate) use loom::thread;
pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::Ordering;

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::time::Instant;

/// What is wrong with the primitives of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Weakness {
    /// Atomic accesses order nothing.
    Relaxed,
    /// The lock around the type of this name excludes nobody.
    NoLock(&'static str),
    /// `notify_one` wakes nobody, for the condition variables made in this file.
    LostNotifyOne(&'static str),
    /// `notify_all` wakes nobody, for the condition variables made in this file.
    LostNotifyAll(&'static str),
    /// A thread lets go of the lock before it begins to wait, for the condition variables made in this file.
    LateWait(&'static str),
}

thread_local! {
    /// Loom runs all threads of a model on one thread of the system.
    static WEAKNESS: Cell<Option<Weakness>> = const { Cell::new(None) };
}

/// Weakens the primitives made on this thread of the system from now on.
pub(crate) fn weaken(weakness: Weakness) {
    WEAKNESS.set(Some(weakness));
}

fn is_weak(weakness: Weakness) -> bool {
    WEAKNESS.get() == Some(weakness)
}

pub(crate) struct AtomicU8(loom::sync::atomic::AtomicU8);

impl AtomicU8 {
    pub(crate) fn new(value: u8) -> Self {
        AtomicU8(loom::sync::atomic::AtomicU8::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u8 {
        self.0.load(weakened(ordering))
    }

    pub(crate) fn compare_exchange(&self, old: u8, new: u8, success: Ordering, failure: Ordering) -> Result<u8, u8> {
        self.0.compare_exchange(old, new, weakened(success), weakened(failure))
    }
}

fn weakened(ordering: Ordering) -> Ordering {
    if is_weak(Weakness::Relaxed) { Ordering::Relaxed } else { ordering }
}

pub(crate) struct Mutex<T> {
    exclusion: loom::sync::Mutex<()>,
    /// How many threads are inside, when `exclusion` is left out. Leaked: loom would see its drop as one more access
    /// that nothing orders.
    holders: Option<&'static loom::sync::atomic::AtomicUsize>,
    data: std::sync::Mutex<T>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(data: T) -> Self {
        let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
        let weak = matches!(WEAKNESS.get(), Some(Weakness::NoLock(weak)) if weak == name);
        let holders = weak.then(|| &*Box::leak(Box::new(loom::sync::atomic::AtomicUsize::new(0))));
        Mutex { exclusion: loom::sync::Mutex::new(()), holders, data: std::sync::Mutex::new(data) }
    }

    fn enter(&self) -> Option<loom::sync::MutexGuard<'_, ()>> {
        let Some(holders) = self.holders else { return Some(self.exclusion.lock().unwrap()) };
        assert_eq!(holders.fetch_add(1, Ordering::Relaxed), 0, "two threads in one critical section");
        None
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    data: Option<std::sync::MutexGuard<'a, T>>,
    held: Option<loom::sync::MutexGuard<'a, ()>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data.as_mut().unwrap()
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.data = None;
        if let Some(holders) = self.mutex.holders {
            holders.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let held = mutex.enter();
    MutexGuard { mutex, data: Some(mutex.data.try_lock().expect("nobody else is inside")), held }
}

pub(crate) struct Condvar {
    waiting: loom::sync::Condvar,
    made_in: &'static str,
}

impl Condvar {
    #[track_caller]
    pub(crate) fn new() -> Self {
        // A room is known by its folder, a file of it by its own name.
        let mut path = Location::caller().file().trim_end_matches("/mod.rs").rsplit('/');
        let made_in = path.next().unwrap().trim_end_matches(".rs");
        Condvar { waiting: loom::sync::Condvar::new(), made_in }
    }

    pub(crate) fn notify_one(&self) {
        if !is_weak(Weakness::LostNotifyOne(self.made_in)) {
            self.waiting.notify_one();
        }
    }

    pub(crate) fn notify_all(&self) {
        if !is_weak(Weakness::LostNotifyAll(self.made_in)) {
            self.waiting.notify_all();
        }
    }
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Condvar::new()
    }
}

/// A moment that has passed is over at once; one that lies ahead never comes.
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    until: Option<Instant>,
) -> MutexGuard<'a, T> {
    let mutex = guard.mutex;
    if until.is_some_and(|instant| instant <= Instant::now()) {
        drop(guard);
        return lock(mutex);
    }
    if is_weak(Weakness::LateWait(condvar.made_in)) {
        drop(guard);
        guard = lock(mutex);
    }
    // Without the real lock the wait still needs one to hand to loom.
    let held = guard.held.take();
    drop(guard);
    let held = condvar.waiting.wait(held.unwrap_or_else(|| mutex.exclusion.lock().unwrap())).unwrap();
    if mutex.holders.is_none() {
        return MutexGuard {
            mutex,
            data: Some(mutex.data.try_lock().expect("nobody else is inside")),
            held: Some(held),
        };
    }
    drop(held);
    lock(mutex)
}

/// The inbox: what the core uses of crossbeam's channel, which is not ours to prove.
pub(crate) mod channel {
    use loom::sync::{Condvar, Mutex};
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::Instant;

    struct Queue<T> {
        capacity: usize,
        messages: Mutex<VecDeque<T>>,
        arrived: Condvar,
    }

    pub(crate) struct Sender<T>(Arc<Queue<T>>);
    pub(crate) struct Receiver<T>(Arc<Queue<T>>);

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Self {
            Sender(self.0.clone())
        }
    }

    #[derive(Debug)]
    pub(crate) struct RecvError;

    #[derive(Debug)]
    pub(crate) enum RecvTimeoutError {
        Timeout,
        Disconnected,
    }

    pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        let queue = Queue { capacity, messages: Mutex::new(VecDeque::new()), arrived: Condvar::new() };
        let queue = Arc::new(queue);
        (Sender(queue.clone()), Receiver(queue))
    }

    impl<T> Sender<T> {
        /// The core relies on room for everything it ever sends, so a full inbox fails the model.
        pub(crate) fn try_send(&self, message: T) -> Result<(), T> {
            let mut messages = self.0.messages.lock().unwrap();
            assert!(messages.len() < self.0.capacity, "the inbox is full");
            messages.push_back(message);
            self.0.arrived.notify_one();
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn recv(&self) -> Result<T, RecvError> {
            let mut messages = self.0.messages.lock().unwrap();
            loop {
                match messages.pop_front() {
                    Some(message) => return Ok(message),
                    None => messages = self.0.arrived.wait(messages).unwrap(),
                }
            }
        }

        /// The deadline strikes whenever there is nothing to receive.
        pub(crate) fn recv_deadline(&self, _deadline: Instant) -> Result<T, RecvTimeoutError> {
            self.0.messages.lock().unwrap().pop_front().ok_or(RecvTimeoutError::Timeout)
        }
    }
}
