//! Whether the system's limits allow what the settings promise.
//!
//! A client's connection has a thread, each attempt a connection and each hedge a thread. What does not fit is shed at
//! run time, hedges first; an operator should hear of it at start and be told which setting to change.

use super::settings::ApiSettings;
use crate::front::{FileLimit, ServerSettings};
use crate::proxy::ProxySettings;
use headstart::{CrewSettings, Threads};

impl ApiSettings {
    /// Fits a server with these settings into what the system allows: raises the process's soft limit of open files to
    /// its hard limit, lets the server admit no more connections than find files for their requests, and tells the crew
    /// how many files there are, so that hedges are left out before requests fail. Logs a warning for each limit that
    /// is lower than what the settings may come to need.
    pub fn fit(&self, server: ServerSettings, crew: CrewSettings) -> (ServerSettings, CrewSettings) {
        let attempts = self.attempts();
        let load = format!(
            "{} connections with {} requests of {attempts} attempts in flight",
            server.max_connections, self.max_in_flight
        );
        let remedy = "or lower max_connections or max_in_flight";
        self.check_threads(&server, &crew, &load, remedy);

        let limit = FileLimit::raise();
        let wanted = server.max_connections;
        let admitted = limit.connections(wanted);
        let in_flight = self.max_in_flight.min(wanted);
        let files = wanted.saturating_add(in_flight.saturating_mul(attempts)) as u64;
        let files = files.max(FileLimit::needed_for(wanted));
        if let Some(most) = limit.files().filter(|most| *most < files) {
            let effect = match admitted < wanted {
                true => {
                    format!(
                        "{admitted} connections are admitted, so that their requests find files for their upstreams"
                    )
                }
                false => "beyond that hedges are left out".to_owned(),
            };
            log::warn!(
                "{load} may need {files} open files, RLIMIT_NOFILE allows {most}: {effect}; raise it (ulimit -n, \
                 LimitNOFILE=) {remedy}"
            );
        }
        (server.max_connections(admitted), crew.max_files(limit.for_calls()))
    }

    /// The most attempts that a request of any route has.
    fn attempts(&self) -> usize {
        let built_in = (!self.upstreams.is_empty()).then_some(&self.schedule);
        let added = self.routes.iter().map(|route| route.schedule.as_ref().unwrap_or(&self.schedule));
        let scheduled = built_in.into_iter().chain(added).map(|schedule| schedule.offsets().len());
        let by_policy = self.routes.iter().filter_map(|route| Some(1 + route.policy.as_ref()?.most_hedges()));
        scheduled.chain(by_policy).chain(self.proxies.iter().map(ProxySettings::attempts)).max().unwrap_or(1)
    }

    fn check_threads(&self, server: &ServerSettings, crew: &CrewSettings, load: &str, remedy: &str) {
        let attempts = self.attempts();
        let of_each = match self.threads {
            // A connection's thread runs the primary of its request.
            Threads::Crew => attempts - 1,
            Threads::Fresh => attempts,
        };
        let threads = server.max_connections.saturating_add(self.max_in_flight.saturating_mul(of_each));
        let (bound, limit) = crew.bound();
        if threads > bound {
            log::warn!(
                "{load} may need {threads} threads, {limit} allows {bound}: beyond that hedges are left out, then \
                 requests refused; raise {limit} {remedy}"
            );
        }
    }
}
