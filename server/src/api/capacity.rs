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
        let wanted = server.max_connections;
        let limit = FileLimit::raise();
        let admitted = limit.connections(wanted);
        let allowed = limit.files().map(|most| (most, FileLimit::needed_for(wanted)));
        let complaints = [self.too_few_threads(wanted, crew.bound()), self.too_few_files(wanted, admitted, allowed)];
        complaints.into_iter().flatten().for_each(|complaint| log::warn!("{complaint}"));
        (server.max_connections(admitted), crew.max_files(limit.for_calls()))
    }

    /// What the settings may come to, and how to make it less.
    fn load(&self, connections: usize) -> (String, &'static str) {
        let (requests, attempts) = (self.max_in_flight, self.attempts());
        let load = format!("{connections} connections with {requests} requests of {attempts} attempts in flight");
        (load, "or lower max_connections or max_in_flight")
    }

    /// The most attempts that a request of any route has.
    fn attempts(&self) -> usize {
        let built_in = (!self.upstreams.is_empty()).then_some(&self.schedule);
        let added = self.routes.iter().map(|route| route.schedule.as_ref().unwrap_or(&self.schedule));
        let scheduled = built_in.into_iter().chain(added).map(|schedule| schedule.offsets().len());
        let by_policy = self.routes.iter().filter_map(|route| Some(1 + route.policy.as_ref()?.most_hedges()));
        scheduled.chain(by_policy).chain(self.proxies.iter().map(ProxySettings::attempts)).max().unwrap_or(1)
    }

    /// The complaint when these connections may need more threads than the `bound`, which is that of `limit`.
    fn too_few_threads(&self, connections: usize, (bound, limit): (usize, &str)) -> Option<String> {
        let attempts = self.attempts();
        let of_each = match self.threads {
            // A connection's thread runs the primary of its request.
            Threads::Crew => attempts - 1,
            Threads::Fresh => attempts,
        };
        let threads = connections.saturating_add(self.max_in_flight.saturating_mul(of_each));
        let (load, remedy) = self.load(connections);
        (threads > bound).then(|| {
            format!(
                "{load} may need {threads} threads, {limit} allows {bound}: beyond that hedges are left out, then \
                 requests refused; raise {limit} {remedy}"
            )
        })
    }

    /// The complaint when these connections, of which so many are `admitted`, may need more files than are `allowed`:
    /// that many, of which connections alone need the second number.
    fn too_few_files(&self, connections: usize, admitted: usize, allowed: Option<(u64, u64)>) -> Option<String> {
        let (most, least) = allowed?;
        let in_flight = self.max_in_flight.min(connections);
        let files = connections.saturating_add(in_flight.saturating_mul(self.attempts())) as u64;
        let files = files.max(least);
        let effect = match admitted < connections {
            true => {
                format!("{admitted} connections are admitted, so that their requests find files for their upstreams")
            }
            false => "beyond that hedges are left out".to_owned(),
        };
        let (load, remedy) = self.load(connections);
        (most < files).then(|| {
            format!(
                "{load} may need {files} open files, RLIMIT_NOFILE allows {most}: {effect}; raise it (ulimit -n, \
                 LimitNOFILE=) {remedy}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::RouteSettings;
    use super::*;
    use headstart::Schedule;
    use headstart::policy::{Delay, PolicySettings};
    use std::time::Duration;

    fn of_three() -> ApiSettings {
        ApiSettings::new(["http://a"]).max_in_flight(10)
    }

    #[test]
    fn the_route_with_the_most_attempts_counts() {
        let hedged = |hedges| PolicySettings::new(Delay::After(Duration::from_millis(1))).hedges(hedges).unwrap();
        let four = Schedule::new(&[Duration::ZERO; 4]).unwrap();
        let route = RouteSettings::new("/a", ["http://a"]);
        let none = ApiSettings::new([""; 0]);
        assert_eq!((of_three().attempts(), none.attempts()), (3, 1));
        assert_eq!(of_three().routes([route.clone().schedule(four)]).attempts(), 4);
        assert_eq!(of_three().routes([route.policy(hedged(4))]).attempts(), 5);
        let proxied = |policy| none.clone().proxies([ProxySettings::new("/*", ["http://a"]).policy(policy)]).attempts();
        assert_eq!((proxied(hedged(6)), proxied(PolicySettings::new(Delay::Off))), (7, 1));
    }

    #[test]
    fn threads_are_for_connections_and_for_hedges_or_all_attempts() {
        let complains = |settings: ApiSettings, bound| settings.too_few_threads(100, (bound, "a limit"));
        assert_eq!((complains(of_three(), 120), complains(of_three().threads(Threads::Fresh), 130)), (None, None));
        let complaint = complains(of_three(), 119).unwrap();
        let load = "100 connections with 10 requests of 3 attempts in flight may need 120 threads, a limit allows 119";
        assert!(complaint.starts_with(load), "{complaint}");
        assert!(complains(of_three().threads(Threads::Fresh), 129).unwrap().contains("may need 130 threads"));
    }

    #[test]
    fn files_are_for_connections_and_all_attempts_of_those_that_can_ask() {
        let complains = |connections, admitted, allowed| of_three().too_few_files(connections, admitted, allowed);
        assert_eq!((complains(100, 100, None), complains(100, 100, Some((130, 0)))), (None, None));
        let complaint = complains(100, 100, Some((129, 0))).unwrap();
        assert!(complaint.contains("may need 130 open files, RLIMIT_NOFILE allows 129: beyond that"), "{complaint}");
        assert!(complains(100, 99, Some((129, 0))).unwrap().contains("99 connections are admitted"));
        assert!(complains(5, 5, Some((19, 0))).unwrap().contains("may need 20 open files"), "five can ask");
        assert!(complains(5, 5, Some((20, 21))).unwrap().contains("may need 21 open files"));
    }
}
