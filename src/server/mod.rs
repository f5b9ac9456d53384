//! The HTTP front: connections, framing, limits, client gone, drain.

mod message;

pub use message::{Ending, Handler, Note, Request, Response};

use crate::crew::Crew;
use crate::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How a [`Server`] listens and what it allows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerSettings {
    /// Where to listen, as `address:port`; port 0 takes a free one. Defaults to `127.0.0.1:8081`.
    pub listen: String,
}

/// A running server.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Listens and serves on threads of `crew` until [`Server::shutdown`].
    pub fn start(_crew: &Crew, _settings: ServerSettings, _handler: Arc<dyn Handler>) -> Result<Server, Error> {
        todo!("server")
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        todo!("server")
    }

    /// Stops.
    pub fn shutdown(&self, _drain_timeout: Duration) {
        todo!("server")
    }
}
