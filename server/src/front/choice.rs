//! What all fronts have in common once they run.

use super::{Drained, Server, ServerStats};
use crate::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A running front, whichever it is. Methods mean what they mean on [`Server`].
pub trait Front: Send + Sync {
    /// Where it listens.
    fn local_addr(&self) -> SocketAddr;

    /// The figures of this moment, as far as the front knows them.
    fn stats(&self) -> ServerStats;

    /// Stops, giving what is under way so long to finish.
    fn shutdown(&self, drain_timeout: Duration) -> Drained;

    /// Reads certificate and key again.
    ///
    /// # Errors
    ///
    /// As of [`Server::reload_tls`]. A front without TLS has nothing to read.
    fn reload_tls(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Where a client on this machine finds a server that listens on `address`: an unspecified one is no place to connect to.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

impl Front for Server {
    fn local_addr(&self) -> SocketAddr {
        self.local_addr()
    }

    fn stats(&self) -> ServerStats {
        self.stats()
    }

    fn shutdown(&self, drain_timeout: Duration) -> Drained {
        self.shutdown(drain_timeout)
    }

    fn reload_tls(&self) -> Result<(), Error> {
        self.reload_tls()
    }
}
