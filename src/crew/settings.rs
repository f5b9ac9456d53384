//! How a crew is set up.

use super::limits::ThreadLimit;
use std::time::Duration;

/// How a [`Crew`](super::Crew) is set up.
///
/// ```
/// use headstart::{Crew, CrewSettings};
///
/// let crew = Crew::new(CrewSettings::default().max_threads(64).name("hedges"))?;
/// assert_eq!(crew.stats().max_threads, 64);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrewSettings {
    system: ThreadLimit,
    pub(super) max_threads: usize,
    pub(super) kept_for_requests: usize,
    pub(super) max_stuck: usize,
    pub(super) max_files: Option<u64>,
    pub(super) idle_timeout: Duration,
    pub(super) stack_size: usize,
    pub(super) name: String,
}

impl Default for CrewSettings {
    fn default() -> Self {
        let system = ThreadLimit::of_this_system();
        CrewSettings {
            system,
            max_threads: system.threads,
            kept_for_requests: system.threads / 16,
            max_stuck: system.threads / 16,
            max_files: None,
            idle_timeout: Duration::from_secs(5),
            stack_size: 1 << 20,
            name: "headstart".to_owned(),
        }
    }
}

impl CrewSettings {
    /// The most threads at a time. Defaults to what the system allows this process, less a margin: the lowest of
    /// `vm.max_map_count`, `kernel.pid_max`, `kernel.threads-max`, the control group's `pids.max`, `RLIMIT_NPROC` and
    /// `RLIMIT_AS`, as they are when the settings are made.
    pub fn max_threads(mut self, threads: usize) -> CrewSettings {
        self.max_threads = threads;
        self
    }

    /// How many of them are kept free of hedges, so that requests still find a thread when hedges no longer do.
    /// Defaults to a sixteenth of the default `max_threads`; more than half of `max_threads` counts as half, so that a
    /// small crew hedges too.
    pub fn kept_for_requests(mut self, threads: usize) -> CrewSettings {
        self.kept_for_requests = threads;
        self
    }

    /// How many canceled jobs may run on before calls that could become one more are refused
    /// ([`Error::TooManyStuck`](crate::Error::TooManyStuck)). Defaults to a sixteenth of the default `max_threads`.
    pub fn max_stuck(mut self, jobs: usize) -> CrewSettings {
        self.max_stuck = jobs;
        self
    }

    /// How many files the jobs may have open together. A request's job counts as two, its client's and its upstream's,
    /// a hedge's as one; a hedge that would be one too many is refused
    /// ([`Error::TooFewFiles`](crate::Error::TooFewFiles)), so that requests find theirs. Defaults to `None`: not
    /// counted.
    pub fn max_files(mut self, files: impl Into<Option<u64>>) -> CrewSettings {
        self.max_files = files.into();
        self
    }

    /// How long a thread waits for its next job before it leaves. Defaults to 5 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> CrewSettings {
        self.idle_timeout = timeout;
        self
    }

    /// The stack of each thread, in bytes. Defaults to 1 MiB, of which the system only backs what is touched.
    pub fn stack_size(mut self, bytes: usize) -> CrewSettings {
        self.stack_size = bytes;
        self
    }

    /// What the threads are called in debuggers and `ps`. Defaults to `headstart`.
    pub fn name(mut self, name: impl Into<String>) -> CrewSettings {
        self.name = name.into();
        self
    }

    /// The most threads a crew with these settings has, and what keeps it from having more: the system's setting of
    /// that name, or `max_threads`.
    pub fn bound(&self) -> (usize, &'static str) {
        let setting = if self.system.threads <= self.max_threads { self.system.setting } else { "max_threads" };
        (self.max_threads, setting)
    }
}
