//! Whether the system's limits allow what the settings promise.
//!
//! A client's connection has a thread, each attempt a connection and each hedge a thread. What does not fit is shed at run
//! time, hedges first; an operator should hear of it at start and be told which setting to change.

use headstart_server::front::FileLimit;

/// What the settings may come to need.
pub(super) struct Demand {
    pub(super) max_connections: usize,
    pub(super) max_in_flight: usize,
    pub(super) attempts: usize,
    /// Threads a request in flight has beside its connection's.
    pub(super) threads: usize,
    /// The most threads there may be, and the setting that says so.
    pub(super) thread_bound: (usize, &'static str),
}

/// Logs a warning for each limit that is lower than `demand`, and returns how many connections can be admitted.
pub(super) fn fit(demand: &Demand) -> usize {
    let Demand { max_connections, max_in_flight, attempts, threads, thread_bound } = *demand;
    let load = format!("{max_connections} connections with {max_in_flight} requests of {attempts} attempts in flight");
    let remedy = "or lower --max-connections or --max-in-flight";

    let threads = max_connections.saturating_add(max_in_flight.saturating_mul(threads));
    let (max_threads, setting) = thread_bound;
    if threads > max_threads {
        let limit = if setting == "max_threads" { "--max-threads" } else { setting };
        log::warn!(
            "{load} may need {threads} threads, {limit} allows {max_threads}: beyond that hedges are left out, then requests \
             refused; raise {limit} {remedy}"
        );
    }

    let limit = FileLimit::raise();
    let admitted = limit.connections(max_connections);
    let files = max_connections.saturating_add(max_in_flight.min(max_connections).saturating_mul(attempts)) as u64;
    let wanted = files.max(FileLimit::needed_for(max_connections));
    if let Some(most) = limit.files().filter(|most| *most < wanted) {
        let effect = match admitted < max_connections {
            true => {
                format!("{admitted} connections are admitted, so that their requests find files for their upstreams")
            }
            false => "beyond that hedges are left out".to_owned(),
        };
        log::warn!(
            "{load} may need {wanted} open files, RLIMIT_NOFILE allows {most}: {effect}; raise it (ulimit -n, LimitNOFILE=) \
             {remedy}"
        );
    }
    admitted
}
