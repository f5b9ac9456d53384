//! The figures, for Prometheus.
//!
//! The problem: an operator of a hedging server wants to know two things, whether the hedges help (which attempt wins)
//! and what they cost (how many were begun), and counting that must not show in the figures itself.
//!
//! The answer: [`Metrics`] is an [`Observer`] of the races and is told of each answer by the API. Every row is looked
//! up once and kept, so an event costs one atomic addition, and an answer's duration a lock held for a few
//! instructions. Rows appear with their first event; those of the API's answers are there from the beginning.
//!
//! What this does not do: push. The text is written when somebody asks for it, in the OpenMetrics format, which
//! Prometheus asks for first. No other module knows Prometheus.

mod policies;

use crate::front::{Front, ServerStats};
use crate::sync::lock;
use headstart::cancel::CancelReason;
use headstart::crew::CrewStats;
use headstart::event::{AttemptBegan, AttemptEnd, AttemptEnded, Observer, RaceEnd, RaceEnded};
use headstart::policy;
use headstart::race::Schedule;
use policies::Labels;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// What the text of [`Metrics::exposition`] is, for a `Content-Type` field.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All statuses there can be: three digits (RFC 9110, section 15).
const STATUSES: RangeInclusive<u16> = 100..=999;

type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: close together around the usual hedging delay, up to the usual ceiling.
const BUCKETS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0, 2.5, 10.0, 60.0];

/// Counts what happens.
///
/// ```
/// use headstart_server::metrics::Metrics;
/// use headstart::{Crew, CrewSettings, Race};
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let metrics = Metrics::new();
/// Race::new(&crew).observer(metrics.clone()).first(|_| Ok::<_, ()>(()));
/// assert!(metrics.exposition(&crew.stats(), 0, &[])?.contains("headstart_races_total{end=\"won\"} 1\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Histograms,
    clients_gone: Counter,
    races: Rows<{ RACE_ENDS.len() }>,
    winners: Rows<{ Schedule::MAX_ATTEMPTS }>,
    begun: Rows<{ Schedule::MAX_ATTEMPTS }>,
    ended: Rows<{ Schedule::MAX_ATTEMPTS * ATTEMPT_ENDS }>,
    hedges_begun: Counter,
    hedges_shed: Counter,
    /// Holds it weakly: the server keeps its handler alive, and that keeps these figures.
    server: Mutex<Option<ReadServer>>,
}

/// The figures of a server, while it is there.
type ReadServer = Arc<dyn Fn() -> Option<ServerStats> + Send + Sync>;

impl Metrics {
    /// Figures that all stand at zero.
    pub fn new() -> Arc<Metrics> {
        let mut registry = Registry::with_prefix("headstart");
        let requests = Family::default();
        registry.register("requests", "Requests answered, by endpoint and status", requests.clone());
        let durations = Histograms::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register_with_unit(
            "request_duration",
            "From the head of a raced request to its answer",
            Unit::Seconds,
            durations.clone(),
        );
        let clients_gone = Counter::default();
        registry.register("clients_gone", "Clients that left during their race", clients_gone.clone());
        let hedges_begun = Counter::default();
        registry.register("hedges_begun", "Attempts begun beyond a race's first", hedges_begun.clone());
        let hedges_shed = Counter::default();
        registry.register("hedges_shed", "Hedges that got no thread", hedges_shed.clone());
        Arc::new(Metrics {
            races: Rows::register(&mut registry, "races", "Races decided, by how"),
            winners: Rows::register(&mut registry, "winners", "Races won, by the winner's number"),
            begun: Rows::register(&mut registry, "attempts_begun", "Attempts begun, by number"),
            ended: Rows::register(&mut registry, "attempts_ended", "Attempts ended, by number and how"),
            registry,
            requests,
            durations,
            clients_gone,
            hedges_begun,
            hedges_shed,
            server: Mutex::default(),
        })
    }

    /// Has the figures of `server` shown as well, while it is there.
    pub fn watch<F: Front + ?Sized + 'static>(&self, server: &Arc<F>) {
        let server = Arc::downgrade(server);
        *lock(&self.server) = Some(Arc::new(move || Some(server.upgrade()?.stats())));
    }

    /// All figures, with those of the moment beside them: the crew's, how many requests are being raced, those of each
    /// route's policy, and the server's.
    ///
    /// # Errors
    ///
    /// When a figure cannot be written as text, which would be a defect.
    pub fn exposition(
        &self,
        crew: &CrewStats,
        in_flight: usize,
        policies: &[(&str, &policy::Figures)],
    ) -> Result<String, fmt::Error> {
        let read = lock(&self.server).clone();
        let server = read.and_then(|read| read());
        let mut text = String::with_capacity(16 * 1024);
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &of_this_moment(crew, in_flight, server))?;
        encode_registry(&mut text, &policies::registry(policies))?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// Where the answers of one endpoint are counted. `statuses` are those it is expected to answer with: their rows
    /// show from the beginning.
    pub(crate) fn endpoint(&self, path: &str, statuses: &[u16]) -> EndpointMetrics {
        let expected = statuses.iter().map(|status| (*status, self.answers(path, *status))).collect();
        EndpointMetrics { path: path.into(), expected, met: Box::default(), durations: None }
    }

    /// The same for one whose answers take their time, which is counted too.
    pub(crate) fn timed_endpoint(&self, path: &str, statuses: &[u16]) -> EndpointMetrics {
        let durations = self.durations.get_or_create_owned(&vec![("endpoint", path.to_owned())]);
        EndpointMetrics { durations: Some(durations), ..self.endpoint(path, statuses) }
    }

    /// The same for one that answers with any status an upstream may have: each row shows from its first answer on.
    pub(crate) fn proxied_endpoint(&self, path: &str) -> EndpointMetrics {
        let met = STATUSES.map(|_| OnceLock::new()).collect();
        EndpointMetrics { met, ..self.timed_endpoint(path, &[]) }
    }

    /// Counts an answer that left `elapsed` after its request's head was complete.
    pub(crate) fn answered(&self, endpoint: &EndpointMetrics, status: u16, elapsed: Duration) {
        match endpoint.expected.iter().find(|(expected, _)| *expected == status) {
            Some((_, counter)) => counter.inc(),
            None => match endpoint.met.get(usize::from(status.wrapping_sub(*STATUSES.start()))) {
                Some(row) => row.get_or_init(|| self.answers(&endpoint.path, status)).inc(),
                None => self.answers(&endpoint.path, status).inc(),
            },
        };
        if let Some(durations) = &endpoint.durations {
            durations.observe(elapsed.as_secs_f64());
        }
    }

    fn answers(&self, path: &str, status: u16) -> Counter {
        self.requests.get_or_create_owned(&vec![("endpoint", path.to_owned()), ("status", status.to_string())])
    }

    /// What hedging did so far, in short.
    pub(crate) fn summary(&self) -> Summary {
        Summary {
            races: self.races.sum(),
            primaries: self.begun.get(0),
            hedges: self.hedges_begun.get(),
            hedges_shed: self.hedges_shed.get(),
            clients_gone: self.clients_gone.get(),
            winners: (0..Schedule::MAX_ATTEMPTS).map(|attempt| self.winners.get(attempt)).collect(),
        }
    }
}

impl Observer for Metrics {
    fn attempt_began(&self, event: &AttemptBegan) {
        self.begun.inc(event.attempt, || vec![("attempt", event.attempt.to_string())]);
        if event.attempt > 0 {
            self.hedges_begun.inc();
        }
    }

    fn attempt_ended(&self, event: &AttemptEnded) {
        let (place, how) = name_attempt_end(event.end);
        self.ended.inc(event.attempt * ATTEMPT_ENDS + place, || {
            vec![("attempt", event.attempt.to_string()), ("end", how.to_owned())]
        });
        if event.attempt > 0 && event.end == AttemptEnd::Shed {
            self.hedges_shed.inc();
        }
    }

    fn race_ended(&self, event: &RaceEnded) {
        if let Some(place) = RACE_ENDS.iter().position(|(end, _)| *end == event.end) {
            self.races.inc(place, || vec![("end", RACE_ENDS[place].1.to_owned())]);
        }
        if let Some(winner) = event.winner {
            self.winners.inc(winner, || vec![("attempt", winner.to_string())]);
        }
        if event.end == RaceEnd::Canceled(CancelReason::ClientGone) {
            self.clients_gone.inc();
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// One endpoint's rows.
pub(crate) struct EndpointMetrics {
    path: Arc<str>,
    expected: Vec<(u16, Counter)>,
    /// By status, of those in [`STATUSES`]: the rows that came with their first answer. Empty where all are expected.
    met: Box<[OnceLock<Counter>]>,
    durations: Option<Histogram>,
}

/// What hedging did so far.
pub(crate) struct Summary {
    pub(crate) races: u64,
    pub(crate) primaries: u64,
    pub(crate) hedges: u64,
    pub(crate) hedges_shed: u64,
    pub(crate) clients_gone: u64,
    /// Races won, by the winner's number.
    pub(crate) winners: Vec<u64>,
}

/// A counter's rows, each looked up when it is first counted and kept from then on.
struct Rows<const N: usize> {
    family: Family<Labels, Counter>,
    rows: [OnceLock<Counter>; N],
}

impl<const N: usize> Rows<N> {
    fn register(registry: &mut Registry, name: &'static str, help: &'static str) -> Rows<N> {
        let family = Family::default();
        registry.register(name, help, family.clone());
        Rows { family, rows: [const { OnceLock::new() }; N] }
    }

    fn inc(&self, place: usize, labels: impl FnOnce() -> Labels) {
        if let Some(row) = self.rows.get(place) {
            row.get_or_init(|| self.family.get_or_create_owned(&labels())).inc();
        }
    }

    fn get(&self, place: usize) -> u64 {
        self.rows[place].get().map_or(0, Counter::get)
    }

    fn sum(&self) -> u64 {
        (0..N).map(|place| self.get(place)).sum()
    }
}

const RACE_ENDS: [(RaceEnd, &str); 6] = [
    (RaceEnd::Won, "won"),
    (RaceEnd::Finished, "finished"),
    (RaceEnd::Canceled(CancelReason::Superseded), "superseded"),
    (RaceEnd::Canceled(CancelReason::DeadlineExceeded), "deadline_exceeded"),
    (RaceEnd::Canceled(CancelReason::ClientGone), "client_gone"),
    (RaceEnd::Canceled(CancelReason::Shutdown), "shutdown"),
];

/// How many ways to end [`name_attempt_end`] knows.
const ATTEMPT_ENDS: usize = 9;

fn name_attempt_end(end: AttemptEnd) -> (usize, &'static str) {
    match end {
        AttemptEnd::Succeeded => (0, "succeeded"),
        AttemptEnd::Failed => (1, "failed"),
        AttemptEnd::Panicked => (2, "panicked"),
        AttemptEnd::Late => (3, "late"),
        AttemptEnd::Shed => (4, "shed"),
        AttemptEnd::Canceled(CancelReason::Superseded) => (5, "superseded"),
        AttemptEnd::Canceled(CancelReason::DeadlineExceeded) => (6, "deadline_exceeded"),
        AttemptEnd::Canceled(CancelReason::ClientGone) => (7, "client_gone"),
        AttemptEnd::Canceled(CancelReason::Shutdown) => (8, "shutdown"),
        // A way to end that is newer than this table is no success.
        _ => (1, "failed"),
    }
}

/// The figures that others keep, as they are now.
fn of_this_moment(crew: &CrewStats, in_flight: usize, server: Option<ServerStats>) -> Registry {
    let oldest = crew.stuck.iter().map(|call| call.overdue).max().unwrap_or_default();
    let mut registry = Registry::with_prefix("headstart");
    let mut gauge = |name: &str, help: &str, value: usize| registry.register(name, help, ConstGauge::new(value as u64));
    if let Some(server) = server {
        gauge("server_connections", "Connections that are open", server.connections);
    }
    gauge("requests_in_flight", "Requests being raced", in_flight);
    gauge("crew_threads", "Threads of the crew, busy or idle", crew.threads);
    gauge("crew_threads_idle", "Threads of the crew that wait for work", crew.idle);
    gauge("crew_threads_peak", "The most threads the crew ever had at a time", crew.peak);
    gauge("crew_threads_bound", "The most threads the crew may have", crew.max_threads);
    gauge("crew_stuck_calls", "Calls that were canceled and run on nevertheless", crew.stuck.len());
    registry.register_with_unit(
        "crew_stuck_oldest",
        "How long ago the oldest of them was canceled",
        Unit::Seconds,
        ConstGauge::new(oldest.as_secs_f64()),
    );
    let mut counter = |name: &str, help: &str, value: u64| registry.register(name, help, ConstCounter::new(value));
    if let Some(server) = server {
        counter("server_refused_requests", "Requests refused before any endpoint saw them", server.refused);
        counter("server_refused_connections", "Connections refused", server.refused_connections);
    }
    counter("crew_threads_started", "Threads the crew ever started", crew.started);
    counter("crew_refused_hedges", "Hedges that found the crew at its bound", crew.refused_hedges);
    counter("crew_refused_requests", "Requests that found the crew at its bound", crew.refused_requests);
    registry
}
