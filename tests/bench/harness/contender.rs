//! What is compared.

use super::Result;
use std::net::SocketAddr;
use std::process::Command;

/// A server that answers `GET /api/smart?timeout=MS` from an upstream.
pub(crate) struct Contender {
    /// One word, as in the table and after `--only`.
    pub(crate) name: &'static str,
    /// One line for the legend.
    pub(crate) what: &'static str,
    pub(crate) launch: Launch,
}

/// How its process comes about.
pub(crate) enum Launch {
    /// By running this function until the process is ended.
    Function(fn(&Site) -> Result<()>),
    /// By becoming this program.
    Program(fn(&Site) -> Command),
}

/// Where it stands.
pub(crate) struct Site {
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: SocketAddr,
}

impl Site {
    /// What to fetch from the upstream.
    pub(crate) fn upstream_url(&self) -> String {
        format!("http://{}/work", self.upstream)
    }
}
