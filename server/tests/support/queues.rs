//! How much of a stream is where: in the kernel, or in a process that passes it on.

use super::client::Client;
use headstart_testing::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long nothing moves before it counts as stuck: longer than the kernel holds an acknowledgment back.
const STILL: Duration = Duration::from_millis(250);

/// Sends `bytes` as often as there is room for them, until there is none for a while, and at most `most` bytes in all.
/// Returns how many went.
pub(crate) fn send_until_stuck(to: &mut Client, bytes: &[u8], most: usize) -> usize {
    let mut stream: &TcpStream = to.stream();
    stream.set_nonblocking(true).unwrap();
    let began = Instant::now();
    let mut sent = 0;
    while sent < most {
        assert!(began.elapsed() < PATIENCE, "neither stuck nor through after {sent} bytes");
        match stream.write(&bytes[sent % bytes.len()..][..bytes.len() - sent % bytes.len()]) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(&stream, PollFlags::OUT)];
                let wait = Timespec { tv_sec: 0, tv_nsec: STILL.as_nanos() as _ };
                if poll(&mut fds, Some(&wait)).unwrap() == 0 {
                    break;
                }
            }
            Err(error) => panic!("{error} after {sent} bytes"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    sent
}

/// The bytes of these connections that are in the kernel, sent and not taken in, or taken in and not read, either way:
/// once they are at rest.
pub(crate) fn in_the_kernel(connections: &[&Client]) -> usize {
    let began = Instant::now();
    let mut before = usize::MAX;
    loop {
        let now = at_this_moment(connections);
        if now == before {
            return now;
        }
        assert!(began.elapsed() < PATIENCE, "still moving");
        before = now;
        std::thread::sleep(STILL / 5);
    }
}

/// Whether nothing of the connection is in the kernel: what was sent over it is read.
pub(crate) fn is_read(connection: &Client) -> bool {
    at_this_moment(&[connection]) == 0
}

fn at_this_moment(connections: &[&Client]) -> usize {
    let pairs = connections.iter().flat_map(|connection| {
        let stream = connection.stream();
        let [here, there] = [stream.local_addr(), stream.peer_addr()].map(|address| address.unwrap().port());
        [[here, there], [there, here]]
    });
    let pairs: Vec<[u16; 2]> = pairs.collect();
    // proc_net_tcp: two rows for each connection, one for each end.
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let port = |address: &str| u16::from_str_radix(address.split(':').nth(1).unwrap(), 16).unwrap();
    let of_these = rows.filter(|row| pairs.contains(&[port(row[1]), port(row[2])]));
    of_these.map(|row| row[4].split(':').map(|queue| usize::from_str_radix(queue, 16).unwrap()).sum::<usize>()).sum()
}
