//! Stands in for the front until it is there: listens, and answers nothing.

use headstart::server::Handler;
use headstart::{Crew, Error};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Default)]
pub(super) struct ServerSettings {
    pub(super) listen: String,
}

pub(super) struct Server(TcpListener);

impl Server {
    pub(super) fn start(_: &Crew, settings: ServerSettings, _: Arc<dyn Handler>) -> Result<Server, Error> {
        Ok(Server(TcpListener::bind(&settings.listen)?))
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(super) fn shutdown(&self, _: Duration) {}
}
