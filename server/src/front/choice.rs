//! What all fronts have in common once they run.

use super::stats::{Drained, ServerStats};
use crate::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A running front, whichever it is. Methods mean what they mean on [`Server`](super::Server).
pub trait Front: Send + Sync {
    /// Where it listens.
    fn local_addr(&self) -> SocketAddr;

    /// Where a client on this machine finds it: [`local_addr`](Front::local_addr), with the loopback address in place of an
    /// unspecified one.
    fn reachable_addr(&self) -> SocketAddr {
        reachable(self.local_addr())
    }

    /// The figures of this moment, as far as the front knows them.
    fn stats(&self) -> ServerStats;

    /// Stops, giving what is under way so long to finish.
    fn shutdown(&self, drain_timeout: Duration) -> Drained;

    /// Reads certificate and key again.
    ///
    /// # Errors
    ///
    /// As of [`Server::reload_tls`](super::Server::reload_tls). A front without TLS has nothing to read.
    fn reload_tls(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Where a client on this machine finds a server that listens on `address`. Nobody can connect to an unspecified one.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_reached_by_the_loopback_one() {
        for (listens, reached) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), reached);
        }
    }
}
