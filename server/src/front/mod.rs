//! The HTTP front: connections, framing, limits, client gone, drain.
//!
//! The problem: a server in the open is spoken to by clients that are slow, gone, hostile or too many, and the usual small
//! server of blocking threads is hung, starved or ended by each of them.
//!
//! The answer: every connection has a thread of the [`Crew`], which is also the request's worker, and everything a peer
//! controls has a limit and a deadline ([`ServerSettings`]).
//!
//! Threads: `headstart-accept` takes connections in, `headstart-watch` notices clients that leave; both begin in
//! [`Server::start`] and are joined by [`Server::shutdown`]. Connections run on the crew's threads.
//!
//! What this does not do: bodies (they are read and dropped), HTTP/2. It knows no upstream and no endpoint.

mod accept;
pub mod access;
mod body;
mod choice;
mod chunked;
mod clients;
mod connection;
mod drain;
mod files;
mod framing;
mod input;
mod link;
mod message;
#[cfg(feature = "tiny_http")]
mod plain;
mod remaining;
mod render;
mod settings;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(unix)]
mod watch;
#[cfg(not(unix))]
#[path = "watch_absent.rs"]
mod watch;

pub use choice::{Front, reachable};
pub use drain::Drained;
pub use files::FileLimit;
pub use message::{Ending, Handler, Note, Request, Response};
#[cfg(feature = "tiny_http")]
pub use plain::PlainServer;
pub use settings::{ServerSettings, TlsSettings};

use crate::crew::Crew;
use crate::error::Error;
use crate::sync::lock;
use accept::Acceptor;
use link::Link;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use tls::Identity;
use watch::Watch;

/// A running server. Dropping it is [`shutdown`](Server::shutdown) with no time to drain.
///
/// ```
/// use headstart::{Crew, CrewSettings};
/// use headstart_server::{Request, Response, Server, ServerSettings};
/// use std::io::{Read, Write};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let settings = ServerSettings { listen: "127.0.0.1:0".to_owned(), ..ServerSettings::default() };
/// let handler = |request: &Request<'_>| {
///     Response::new(200, "text/plain", format!("you asked for {}", request.path()).into_bytes())
/// };
/// let server = Server::start(&crew, settings, Arc::new(handler))?;
///
/// let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// client.write_all(b"GET /tea HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("you asked for /tea"));
///
/// server.shutdown(Duration::from_secs(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    accepting: mio::Waker,
    /// The accepting and the watching thread, until they are joined.
    threads: Mutex<[Option<JoinHandle<()>>; 2]>,
}

/// What all threads of a server share.
struct Shared {
    settings: ServerSettings,
    /// Who the server is to clients that come through TLS. Without it they come in the clear.
    identity: Option<Identity>,
    crew: Crew,
    handler: Arc<dyn Handler>,
    watch: Arc<Watch>,
    /// The name of the connections' jobs in the crew's statistics.
    label: Arc<str>,
    phase: AtomicU8,
    counters: Counters,
    /// The open connections. Taken when one begins or ends, and by the drain.
    links: Mutex<Links>,
    /// Signalled when a connection ends under a drain.
    left: Condvar,
}

#[derive(Default)]
struct Links {
    next_id: u64,
    open: HashMap<u64, Arc<Link>>,
}

/// The phases of a server's life, in their order.
const SERVING: u8 = 0;
/// Nothing new is accepted; every answer is its connection's last.
const DRAINING: u8 = 1;
/// What is under way is cancelled.
const CUTTING: u8 = 2;

#[derive(Default)]
struct Counters {
    /// Kept beside `links`, so that nobody takes its lock to count.
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    answered: AtomicU64,
    refused: AtomicU64,
    refused_connections: AtomicU64,
}

impl Server {
    /// Listens and serves on threads of `crew` until [`Server::shutdown`].
    ///
    /// Raises the process's soft limit of open files to its hard limit, and warns when fewer
    /// connections fit in that than the settings allow.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when a setting cannot be, [`Error::Listen`] when the address cannot be listened on,
    /// [`Error::ThreadStart`] or [`Error::Io`] when the system refuses a thread or an event queue.
    pub fn start(crew: &Crew, mut settings: ServerSettings, handler: Arc<dyn Handler>) -> Result<Server, Error> {
        settings.check()?;
        let identity = settings.tls.as_ref().map(Identity::load).transpose()?;
        let (limit, wanted) = (FileLimit::raise(), settings.max_connections);
        settings.max_connections = limit.connections(wanted);
        if let Some(files) = limit.files().filter(|_| settings.max_connections < wanted) {
            log::warn!(
                "max_connections is {wanted}, but {} are admitted, as the process may only have {files} files open: raise \
                 RLIMIT_NOFILE (ulimit -n, LimitNOFILE=) to {} and more, or lower max_connections",
                settings.max_connections,
                FileLimit::needed_for(wanted),
            );
        }
        let (listener, local_addr) = settings::listen(&settings.listen)?;
        let (watch, watching) = Watch::start().map_err(Error::Io)?;
        let shared = Arc::new(Shared::new(settings, identity, crew.clone(), handler, watch));
        let accepting = Acceptor::new(listener, shared.clone()).map_err(Error::Io).and_then(|(acceptor, waker)| {
            let builder = thread::Builder::new().name("headstart-accept".to_owned());
            let thread = builder.spawn(move || acceptor.run()).map_err(Error::ThreadStart)?;
            Ok((thread, waker))
        });
        match accepting {
            Ok((thread, waker)) => {
                Ok(Server { shared, local_addr, accepting: waker, threads: Mutex::new([Some(thread), Some(watching)]) })
            }
            Err(error) => {
                shared.watch.stop();
                let _ = watching.join();
                Err(error)
            }
        }
    }

    /// Where it listens: with port 0 in the settings, the port that was free.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Reads the files of [`ServerSettings::tls`] again, for the connections to come; those that are open keep what they began
    /// with. Without TLS this does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when there is no certificate and matching key in them; what was there stays in use then.
    pub fn reload_tls(&self) -> Result<(), Error> {
        self.shared.identity.as_ref().map_or(Ok(()), Identity::reload)
    }

    /// The figures of this moment.
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("local_addr", &self.local_addr).field("stats", &self.stats()).finish()
    }
}

/// A server's figures at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Open connections. 0 where the front does not know.
    pub connections: usize,
    /// Requests whose answer is not out yet.
    pub in_flight: usize,
    /// Requests answered so far, those included whose answer is on its way.
    pub answered: u64,
    /// Requests refused so far: malformed or too slow.
    pub refused: u64,
    /// Connections refused so far: too many of them, no thread or no descriptor.
    pub refused_connections: u64,
    /// Clients found gone while their request was worked on, so far.
    pub clients_gone: u64,
    /// Whether the server drains.
    pub is_draining: bool,
}

impl Shared {
    fn new(
        settings: ServerSettings,
        identity: Option<Identity>,
        crew: Crew,
        handler: Arc<dyn Handler>,
        watch: Arc<Watch>,
    ) -> Shared {
        Shared {
            settings,
            identity,
            crew,
            handler,
            watch,
            label: "connection".into(),
            phase: AtomicU8::new(SERVING),
            counters: Counters::default(),
            links: Mutex::default(),
            left: Condvar::new(),
        }
    }

    fn is_draining(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= DRAINING
    }

    fn is_cutting(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= CUTTING
    }

    fn connections(&self) -> usize {
        self.counters.connections.load(Ordering::Relaxed)
    }

    fn stats(&self) -> ServerStats {
        let counters = &self.counters;
        ServerStats {
            connections: self.connections(),
            in_flight: counters.in_flight.load(Ordering::Relaxed),
            answered: counters.answered.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            refused_connections: counters.refused_connections.load(Ordering::Relaxed),
            clients_gone: self.watch.gone(),
            is_draining: self.is_draining(),
        }
    }

    /// Counts a connection for as long as the seat is kept.
    fn seat(self: &Arc<Self>, link: &Arc<Link>) -> Seat {
        let mut links = lock(&self.links);
        links.next_id += 1;
        let id = links.next_id;
        links.open.insert(id, link.clone());
        self.counters.connections.store(links.open.len(), Ordering::Relaxed);
        Seat { shared: self.clone(), link: link.clone(), id }
    }
}

/// A connection's place among the open ones.
struct Seat {
    shared: Arc<Shared>,
    link: Arc<Link>,
    id: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut links = lock(&self.shared.links);
        let link = links.open.remove(&self.id);
        self.shared.counters.connections.store(links.open.len(), Ordering::Relaxed);
        if links.open.is_empty() {
            self.shared.left.notify_all();
        }
        drop(links);
        drop(link);
    }
}

impl Counters {
    /// Counts a request as in flight for as long as the guard is kept.
    fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { counters: self }
    }

    fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

struct InFlight<'a> {
    counters: &'a Counters,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
