//! The product on a port of its own, in front of the upstream of a test.

use super::stack::{Front as Which, Stack};
use headstart::{AfterFailure, Crew, CrewSettings, Schedule, Threads};
use headstart_server::api::{Api, ApiSettings, RouteSettings, SourceSettings};
use headstart_server::front::Front;
#[cfg(feature = "tiny_http")]
use headstart_server::front::PlainServer;
use headstart_server::metrics::Metrics;
use headstart_server::{Server, ServerSettings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub struct Served {
    pub crew: Crew,
    pub metrics: Arc<Metrics>,
    server: Arc<dyn Front>,
}

/// The settings that a test may change.
pub struct Settings {
    pub crew: CrewSettings,
    pub client: RaceSettings,
    pub api: Bounds,
    pub routes: Vec<RouteSettings>,
    pub server: ServerSettings,
}

/// How upstreams are raced.
pub struct RaceSettings {
    pub schedule: Schedule,
    pub after_failure: AfterFailure,
    pub threads: Threads,
}

/// What the API allows.
pub struct Bounds {
    pub timeout_ceiling: Option<Duration>,
    pub max_in_flight: usize,
}

impl Served {
    /// On the stack that the product has by default. Hedges begin after 20 ms, unless `change` says otherwise.
    pub fn start(upstream: &str, change: impl FnOnce(&mut Settings)) -> Served {
        Served::start_on(Stack::default(), upstream, change)
    }

    /// The same on a certain stack.
    pub fn start_on(stack: Stack, upstream: &str, change: impl FnOnce(&mut Settings)) -> Served {
        let metrics = Metrics::new();
        let mut settings = Settings {
            crew: CrewSettings::default(),
            client: RaceSettings {
                schedule: schedule(&[0, 20, 20]),
                after_failure: AfterFailure::Wait,
                threads: stack.threads,
            },
            api: Bounds { timeout_ceiling: Some(Duration::from_secs(60)), max_in_flight: 1_024 },
            routes: Vec::new(),
            server: on_a_free_port(),
        };
        change(&mut settings);
        let crew = Crew::new(settings.crew).unwrap();
        let api = ApiSettings::new([upstream])
            .sources(SourceSettings::default().calls(stack.calls))
            .routes(settings.routes)
            .schedule(settings.client.schedule)
            .after_failure(settings.client.after_failure)
            .threads(settings.client.threads)
            .timeout_ceiling(settings.api.timeout_ceiling)
            .max_in_flight(settings.api.max_in_flight);
        let api = Arc::new(Api::new(&crew, api, metrics.clone()).unwrap());
        let server: Arc<dyn Front> = match stack.front {
            Which::Own => Arc::new(Server::start(&crew, settings.server, api).unwrap()),
            #[cfg(feature = "tiny_http")]
            Which::TinyHttp => Arc::new(PlainServer::start(&crew, settings.server, api).unwrap()),
        };
        metrics.watch(&server);
        Served { crew, metrics, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub fn shut_down(&self, drain_timeout: Duration) {
        self.server.shutdown(drain_timeout);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.shutdown(Duration::ZERO);
    }
}

pub fn on_a_free_port() -> ServerSettings {
    ServerSettings::new("127.0.0.1:0")
}

/// A schedule of start offsets in milliseconds.
pub fn schedule(millis: &[u64]) -> Schedule {
    let offsets: Vec<Duration> = millis.iter().copied().map(Duration::from_millis).collect();
    Schedule::new(&offsets).unwrap()
}

/// The value of one row of `/metrics`, 0 when it is not there.
pub fn figure(address: SocketAddr, row: &str) -> u64 {
    let text = super::http::get(address, "/metrics");
    let value = text.text().lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}
