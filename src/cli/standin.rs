//! Stands in for the front until it is there: listens, and answers nothing.

use headstart::server::Handler;
use headstart::{Crew, Error};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct ServerSettings {
    pub(super) listen: String,
    pub(super) max_connections: usize,
    pub(super) max_in_flight: usize,
    pub(super) max_head: usize,
    pub(super) max_body: u64,
    pub(super) head_timeout: Duration,
    pub(super) body_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            listen: "127.0.0.1:8081".to_owned(),
            max_connections: 4_096,
            max_in_flight: 1_024,
            max_head: 16 << 10,
            max_body: 64 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(10),
        }
    }
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
