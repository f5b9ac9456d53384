//! Running a model, and showing that it can fail.

use crate::crew::{Crew, CrewSettings, Job};
use crate::sync::{Weakness, weaken};
use loom::sync::atomic::{AtomicUsize, Ordering};
use std::cell::Cell;
use std::process::Command;
use std::sync::{Arc, Once};
use std::time::Duration;

/// So far ahead that no run of a model gets there.
pub(crate) const FAR: Duration = Duration::from_secs(100_000);

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Runs `model` in all interleavings with at most `preemptions` switches away from a thread that could have run on
/// (switches at blocking points are free). Two or three find what there is to find, and keep a model to seconds.
///
/// A panic anywhere fails it, even one the core catches.
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    static COUNT_PANICS: Once = Once::new();
    COUNT_PANICS.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            report(panic);
        }));
    });
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(move || {
        model();
        assert_eq!(PANICS.get(), 0, "something panicked");
    });
    assert_eq!(PANICS.get(), 0, "something panicked");
}

/// Makes a test that `model` fails with `symptom` once the primitives are weakened.
macro_rules! weakened {
    ($name:ident, $weakness:expr, $model:path, $symptom:literal) => {
        #[test]
        fn $name() {
            let test = concat!(module_path!(), "::", stringify!($name));
            crate::explore::assert_noticed(test, $weakness, $model, $symptom);
        }
    };
}

/// Runs the test named `test` again in a process of its own, there with the weakness: loom cannot always unwind from a
/// failure, and may abort.
pub(crate) fn assert_noticed(test: &str, weakness: Weakness, model: fn(), symptom: &str) {
    const CHILD: &str = "HEADSTART_WEAKENED_MODEL";
    if std::env::var_os(CHILD).is_some() {
        weaken(weakness);
        return model();
    }
    let (_crate, name) = test.split_once("::").expect("a path in this crate");
    let run = Command::new(std::env::current_exe().expect("this program"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("this program runs again");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "{weakness:?} goes unnoticed");
    assert!(said.contains(symptom), "{weakness:?} fails for another reason than '{symptom}': {said}");
}

/// A number that orders nothing by itself: what one thread wrote, another sees only if something else orders the two.
#[derive(Clone)]
pub(crate) struct Plain(Arc<AtomicUsize>);

impl Plain {
    pub(crate) fn new() -> Self {
        Plain(Arc::new(AtomicUsize::new(0)))
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A crew whose idle threads never leave by themselves.
pub(crate) fn crew(max_threads: usize) -> Crew {
    crew_with_patience(max_threads, FAR)
}

pub(crate) fn crew_with_patience(max_threads: usize, idle_timeout: Duration) -> Crew {
    let settings = CrewSettings::default().max_threads(max_threads).kept_for_requests(0).max_stuck(max_threads);
    Crew::new(settings.idle_timeout(idle_timeout).stack_size(0x2000).name("model")).expect("loom has threads")
}

pub(crate) fn job(run: impl FnOnce() + Send + 'static) -> Job {
    Job { label: "job".into(), token: None, run: Box::new(run) }
}
