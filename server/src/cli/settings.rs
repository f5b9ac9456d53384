//! Everything that can be set, typed: the settings of the library's parts side by side, and what only a process needs.

use crate::cli::front::Front;
use crate::cli::logging::{self, LogFormat};
use env_filter::Filter;
use headstart::{ClientSettings, CrewSettings};
use headstart_fault::Faults;
use headstart_server::ServerSettings;
use headstart_server::api::{ApiSettings, RouteSettings};
use headstart_server::sample::SampleSettings;
use std::time::Duration;

/// What the options come to. It begins with the library's defaults; those of the table are applied over them.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) front: Front,
    /// Whether front and threads are the plain ones.
    pub(super) plain: bool,
    pub(super) server: ServerSettings,
    pub(super) client: ClientSettings,
    pub(super) api: ApiSettings,
    pub(super) routes: Vec<RouteSettings>,
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

impl Default for Settings {
    fn default() -> Self {
        Settings {
            front: Front::default(),
            plain: false,
            server: ServerSettings::default(),
            client: ClientSettings::new(Vec::<String>::new()),
            api: ApiSettings::default(),
            routes: Vec::new(),
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
