//! Everything that can be set, typed: the settings of the library's parts side by side, and what only a process needs.

use crate::cli::logging::{self, LogFormat};
use crate::cli::routes::Routes;
use env_filter::Filter;
use headstart::{AfterFailure, CrewSettings, Schedule, Threads};
use headstart_fault::Faults;
use headstart_server::ServerSettings;
use headstart_server::api::{ApiSettings, Operation, ProxySettings, SourceSettings};
use headstart_server::front::TlsSettings;
use headstart_server::sample::SampleSettings;
use std::path::PathBuf;
use std::time::Duration;

/// The front of `headstart serve`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FrontKind {
    /// The library's own server.
    #[default]
    Own,
    /// The plain one.
    TinyHttp,
}

/// The fronts by name.
pub(super) const FRONTS: [(&str, FrontKind); 2] = [("own", FrontKind::Own), ("tiny_http", FrontKind::TinyHttp)];

/// What the options come to, once their defaults and what was given are applied.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) front: FrontKind,
    /// Whether front, threads and calls are the plain ones.
    pub(super) plain: bool,
    /// Without its certificate.
    pub(super) server: ServerSettings,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) upstreams: Vec<String>,
    pub(super) sources: SourceSettings,
    pub(super) routes: Routes,
    /// What `headstart proxy` passes everything through to.
    pub(super) to: Vec<String>,
    /// What holds for each proxy route that does not say otherwise.
    pub(super) proxy: ProxySettings,
    pub(super) failure_status: Option<u16>,
    /// Where the endpoints for operators are, if they are apart.
    pub(super) admin: Option<String>,
    pub(super) schedule: Schedule,
    pub(super) after_failure: AfterFailure,
    pub(super) threads: Threads,
    pub(super) timeout_ceiling: Option<Duration>,
    pub(super) max_in_flight: usize,
    pub(super) crew: CrewSettings,
    pub(super) sample: SampleSettings,
    /// Where `headstart sample` listens.
    pub(super) sample_listen: String,
    /// Where `headstart fault` listens, and what it passes on to, if that was given.
    pub(super) fault_listen: String,
    pub(super) fault_to: Option<String>,
    pub(super) fault: Faults,
    pub(super) drain_timeout: Duration,
    pub(super) log: Filter,
    pub(super) log_format: LogFormat,
}

impl Settings {
    /// How the server listens and what it allows.
    pub(super) fn server(&self) -> ServerSettings {
        self.server.clone().tls(self.tls())
    }

    /// The certificate, if there is one.
    pub(super) fn tls(&self) -> Option<TlsSettings> {
        self.tls_cert.clone().zip(self.tls_key.clone()).map(|(cert, key)| TlsSettings::new(cert, key))
    }

    /// What is passed through.
    pub(super) fn proxies(&self) -> Vec<ProxySettings> {
        let all = (!self.to.is_empty()).then(|| self.proxy.clone().to(&self.to));
        all.into_iter().chain(self.routes.passed.iter().map(|route| route.settings(&self.proxy))).collect()
    }

    /// The path and the upstreams of each proxy route.
    pub(super) fn passed(&self) -> Vec<(&str, &[String])> {
        let all = (!self.to.is_empty()).then_some(("/*", self.to.as_slice()));
        let routes = self.routes.passed.iter().map(|route| (route.path.as_str(), route.to.as_slice()));
        all.into_iter().chain(routes).collect()
    }

    /// What is served.
    pub(super) fn api(&self) -> ApiSettings {
        ApiSettings::new(self.upstreams.iter().cloned())
            .sources(self.sources.clone())
            .routes(self.routes.sources.iter().cloned())
            .proxies(self.proxies())
            .operation(if self.admin.is_some() { Operation::Apart } else { Operation::Beside })
            .failure_status(self.failure_status)
            .schedule(self.schedule.clone())
            .after_failure(self.after_failure)
            .threads(self.threads)
            .timeout_ceiling(self.timeout_ceiling)
            .max_in_flight(self.max_in_flight)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            front: FrontKind::default(),
            plain: false,
            server: ServerSettings::new("127.0.0.1:8081"),
            tls_cert: None,
            tls_key: None,
            upstreams: Vec::new(),
            sources: SourceSettings::default(),
            routes: Routes::default(),
            to: Vec::new(),
            proxy: ProxySettings::new("/*", [""; 0]),
            failure_status: None,
            admin: None,
            schedule: Schedule::default(),
            after_failure: AfterFailure::default(),
            threads: Threads::default(),
            timeout_ceiling: None,
            max_in_flight: 0,
            crew: CrewSettings::default(),
            sample: SampleSettings::default(),
            sample_listen: String::new(),
            fault_listen: String::new(),
            fault_to: None,
            fault: Faults::default(),
            drain_timeout: Duration::ZERO,
            log: logging::filter("").expect("nothing is no mistake"),
            log_format: LogFormat::default(),
        }
    }
}
