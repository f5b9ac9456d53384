//! How many connections each client has.
//!
//! One client that takes every connection there is shuts all others out. With a limit for each, it takes its share.
//! Without one nothing is counted.
//!
//! What this does not do: look behind a proxy, whose clients all have its address. Such a server goes without the
//! limit.

use crate::sync::lock;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

/// By client, never 0. Taken when a connection begins or ends.
type Connections = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The clients that are connected.
#[derive(Debug)]
pub(super) struct Clients {
    most: Option<usize>,
    connections: Connections,
}

impl Clients {
    /// With `most` connections for each, if that is limited.
    pub(super) fn new(most: Option<usize>) -> Clients {
        Clients { most, connections: Arc::default() }
    }

    /// A permit for one more connection from `address`, taken for as long as it is kept; `None` when that has too many.
    pub(super) fn admit(&self, address: IpAddr) -> Option<ConnectionPermit> {
        let Some(most) = self.most else { return Some(ConnectionPermit { taken: None }) };
        let client = client_of(address);
        let mut connections = lock(&self.connections);
        let count = connections.entry(client).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(ConnectionPermit { taken: Some((self.connections.clone(), client)) })
    }
}

/// One connection of one client.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    taken: Option<(Connections, IpAddr)>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some((connections, client)) = &self.taken else { return };
        let mut connections = lock(connections);
        if let Some(count) = connections.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                connections.remove(client);
            }
        }
    }
}

/// Whom an address stands for. In IPv6 a client has a whole network of 64 bits to itself and could take each connection
/// from another address of it.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_places_and_gets_them_back() {
        let clients = Clients::new(Some(2));
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let (first, second) = (clients.admit(one), clients.admit("::ffff:192.0.2.1".parse().unwrap()));
        assert!(first.is_some() && second.is_some());
        assert!(clients.admit(one).is_none());
        assert!(clients.admit(other).is_some());
        drop(first);
        assert!(clients.admit(one).is_some());
        drop(second);
        assert!(lock(&clients.connections).is_empty(), "clients that have left are forgotten");
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let clients = Clients::new(Some(1));
        let first = clients.admit("2001:db8::1".parse().unwrap());
        assert!(first.is_some());
        assert!(clients.admit("2001:db8::ffff:0:0:2".parse().unwrap()).is_none());
        assert!(clients.admit("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
