//! Whether the system's limits allow what the settings promise.
//!
//! A request in flight may hold a thread and a connection for each attempt, and one connection to its client. What does
//! not fit is shed at run time, hedges first; an operator should hear of it at start and be told which setting to change.

use headstart::crew::ThreadLimit;

/// What the settings may come to need.
pub(super) struct Demand {
    pub(super) max_in_flight: usize,
    pub(super) attempts: usize,
    /// The most threads there may be.
    pub(super) max_threads: usize,
}

/// Logs a warning for each limit that is lower than `demand`.
pub(super) fn warn_if_short(demand: &Demand) {
    let Demand { max_in_flight, attempts, max_threads } = *demand;
    let threads = max_in_flight.saturating_mul(attempts);
    if threads > max_threads {
        let system = ThreadLimit::of_this_system();
        let limit = if system.threads <= max_threads { system.setting } else { "--max-threads" };
        log::warn!(
            "{max_in_flight} requests in flight with {attempts} attempts each may need {threads} threads, {limit} allows \
             {max_threads}: beyond that hedges are left out, then requests refused; raise {limit} or lower --max-in-flight"
        );
    }
    let descriptors = max_in_flight.saturating_mul(attempts + 1);
    if let Some(most) = raise_descriptor_limit().filter(|most| descriptors as u64 > *most) {
        log::warn!(
            "{max_in_flight} requests in flight with {attempts} attempts each may need {descriptors} descriptors, \
             RLIMIT_NOFILE allows {most}: raise it (ulimit -n, LimitNOFILE=) or lower --max-in-flight"
        );
    }
}

/// Raises the soft limit to the hard one, as it is low only for the sake of programs that use `select(2)`. Returns what
/// holds now, `None` for no limit.
#[cfg(unix)]
fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            log::debug!("RLIMIT_NOFILE stays at {:?}: {error}", limit.current);
            limit.current
        }
    }
}

#[cfg(not(unix))]
fn raise_descriptor_limit() -> Option<u64> {
    None
}
