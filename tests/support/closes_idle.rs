//! A way to a server on which idle connections are closed at a random moment.

use headstart_testing::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Passes bytes on both ways. A connection that has answered, and on which nothing has come for as long as chance says,
/// is closed.
pub(crate) struct ClosesIdle {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    /// The least and the most time that a connection may be idle.
    idle: [Duration; 2],
    chance: AtomicU64,
    closed: AtomicUsize,
    is_over: AtomicBool,
}

impl ClosesIdle {
    /// The way to `server`, on which a connection may be idle for a time between `least` and `most`.
    pub(crate) fn start(server: SocketAddr, least: Duration, most: Duration) -> ClosesIdle {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            idle: [least, most],
            chance: AtomicU64::new(7),
            closed: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || {
                let mut serving = Vec::new();
                for client in listener.incoming() {
                    if shared.is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let (client, shared) = (client.unwrap(), shared.clone());
                    serving.push(std::thread::spawn(move || shared.pass_on(&client)));
                }
                serving.into_iter().for_each(|thread| thread.join().unwrap());
            }
        });
        ClosesIdle { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were closed so far because they were idle.
    pub(crate) fn closed(&self) -> usize {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// A time by chance, up to `most`.
    pub(crate) fn chance(&self, most: Duration) -> Duration {
        self.shared.chance(Duration::ZERO, most)
    }
}

impl Drop for ClosesIdle {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.accepting.take().unwrap().join().unwrap();
    }
}

impl Shared {
    fn chance(&self, least: Duration, most: Duration) -> Duration {
        let step =
            |seed: u64| Some(seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let seed = self.chance.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).unwrap();
        least + (most - least).mul_f64((seed >> 33) as f64 / f64::from(u32::MAX >> 1))
    }

    fn pass_on(&self, client: &TcpStream) {
        let server = TcpStream::connect(self.server).unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let mut limit = PATIENCE;
        let mut chunk = [0; 1 << 14];
        'open: loop {
            let mut polled = [PollFd::new(client, PollFlags::IN), PollFd::new(&server, PollFlags::IN)];
            if poll(&mut polled, Some(&Timespec::try_from(limit).unwrap())).unwrap() == 0 {
                self.closed.fetch_add(1, Ordering::SeqCst);
                break;
            }
            let ready = polled.map(|polled| !polled.revents().is_empty());
            for (from, to, is_ready, is_answer) in
                [(client, &server, ready[0], false), (&server, client, ready[1], true)]
            {
                if is_ready {
                    let (mut from, mut to) = (from, to);
                    match from.read(&mut chunk) {
                        Ok(read @ 1..) if to.write_all(&chunk[..read]).is_ok() => {}
                        _ => break 'open,
                    }
                    limit = if is_answer { self.chance(self.idle[0], self.idle[1]) } else { PATIENCE };
                }
            }
        }
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
}
