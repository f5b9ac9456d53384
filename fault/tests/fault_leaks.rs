//! A fault proxy that has ended leaves no thread and no descriptor. This test is alone in its process, because it
//! reads the process's figures.

#![cfg(target_os = "linux")]

use crate::support::{crew, soon};
use headstart_fault::{Admission, Direction, FaultProxy, Faults};
use headstart_testing::{PATIENCE as SOON, eventually};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const CONNECTIONS: u64 = 64;

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Connections in every state that a fault can leave them in.
fn states() -> Vec<Faults> {
    let to_client = |direction| Faults { to_client: direction, ..Faults::default() };
    let none = Direction::default();
    vec![
        Faults::default(),
        to_client(Direction { stall_after: Some(1), ..none }),
        to_client(Direction { cut_after: Some(1), ..none }),
        to_client(Direction { reset_after: Some(1), ..none }),
        to_client(Direction { delay: Duration::from_secs(3_600), ..none }),
        Faults { admission: Admission::Silent, ..Faults::default() },
        Faults { admission: Admission::Reset, ..Faults::default() },
        Faults { admission: Admission::Never, ..Faults::default() },
    ]
}

#[test]
fn sixty_four_connections_in_every_state_leak_nothing() {
    headstart_testing::alone!();
    let before = (threads(), descriptors());
    for faults in states() {
        let crew = crew(4);
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = FaultProxy::start(&crew, "127.0.0.1:0", upstream.local_addr().unwrap(), faults).unwrap();
        assert_eq!(crew.stats().threads, 1, "one thread for all connections");
        // Without being accepted only the first connection is established.
        let connections = if faults.admission == Admission::Never { 1 } else { CONNECTIONS };
        let connect = |_| match TcpStream::connect(proxy.address()) {
            // It may be reset before the system has told of it.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && faults.admission == Admission::Reset => None,
            connected => Some(connected.unwrap()),
        };
        let clients: Vec<_> = (0..connections).filter_map(connect).collect();
        if faults.admission != Admission::Never {
            assert!(proxy.wait_until(soon(), |stats| stats.total == connections));
        }
        if faults.admission == Admission::Pass {
            let upstreams: Vec<_> = clients.iter().map(|_| upstream.accept().unwrap().0).collect();
            upstreams.iter().for_each(|mut upstream| upstream.write_all(b"hello").unwrap());
            if faults == Faults::default() {
                clients.iter().for_each(|mut client| client.read_exact(&mut [0; 5]).unwrap());
            }
        }
        assert_eq!(crew.stats().threads, 1, "one thread for all connections");
        drop(proxy);
        eventually("the thread is back in its crew", || crew.stats().idle == crew.stats().threads);
        drop((clients, upstream));
        assert_eq!(crew.shutdown(SOON), 0);
        drop(crew);
        eventually("threads and descriptors are back", || (threads(), descriptors()) == before);
    }
}
