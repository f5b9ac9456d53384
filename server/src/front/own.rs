//! A server from its start to its shutdown.

use super::accept::Acceptor;
use super::choice::Front;
use super::files::FileLimit;
use super::lifecycle::GRACE;
use super::listen::listen;
use super::message::Handler;
use super::settings::ServerSettings;
use super::shared::Shared;
use super::stats::{Drained, ServerStats};
use super::tls::Identity;
use super::watch::Watch;
use crate::error::Error;
use crate::sync::lock;
use headstart::Deadline;
use headstart::cancel::CancelReason;
use headstart::crew::Crew;
use std::fmt;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A running server. Dropping it is [`shutdown`](Server::shutdown) with no time to drain.
///
/// ```
/// use headstart_server::{Request, Response, Server, ServerSettings};
/// use headstart::{Crew, CrewSettings};
/// use std::io::{Read, Write};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let settings = ServerSettings::new("127.0.0.1:0");
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
                "max_connections is {wanted}, but {} are admitted, as the process may only have {files} files open: \
                 raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE=) to {} and more, or lower max_connections",
                settings.max_connections,
                FileLimit::needed_for(wanted),
            );
        }
        let (listener, local_addr) = listen(&settings.listen)?;
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

    /// Reads the files of [`ServerSettings::tls`] again, for the connections to come; those that are open keep what
    /// they began with. Without TLS this does nothing.
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

    /// Stops: accepts no more, closes idle connections, answers what is in flight with `Connection: close`, and returns
    /// as soon as no connection is left.
    ///
    /// When that takes longer than `drain_timeout`, requests under way are canceled ([`CancelReason::Shutdown`]), have
    /// half a second to end, and are then cut. A second call, from another thread, shortens the first to its own
    /// timeout.
    ///
    /// Must not be called from a handler: it would wait for itself.
    pub fn shutdown(&self, drain_timeout: Duration) -> Drained {
        let shared = &self.shared;
        let deadline = Deadline::after(drain_timeout);
        let answered_before = shared.counters.answered.load(Ordering::Relaxed);
        shared.lifecycle.drain();
        let _ = self.accepting.wake();
        let [accepting, watching] = std::mem::take(&mut *lock(&self.threads));
        // First the acceptor, then the connections: afterwards there will be no new ones.
        if let Some(thread) = accepting {
            let _ = thread.join();
        }
        let mut drained = Drained::default();
        shared.for_each_link(|link| link.end_idle_wait());
        if !shared.wait_until_left(deadline) {
            shared.lifecycle.cut();
            shared.for_each_link(|link| drained.canceled += usize::from(link.cancel(CancelReason::Shutdown)));
            if !shared.wait_until_left(Deadline::after(GRACE)) {
                drained.cut = shared.counters.in_flight.load(Ordering::Relaxed);
                shared.for_each_link(|link| drop(link.stream.shutdown(Shutdown::Both)));
            }
        }
        if let Some(thread) = watching {
            shared.watch.stop();
            let _ = thread.join();
        }
        drained.answered = shared.counters.answered.load(Ordering::Relaxed) - answered_before;
        drained
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if lock(&self.threads).iter().any(Option::is_some) {
            self.shutdown(Duration::ZERO);
        }
    }
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

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("local_addr", &self.local_addr).field("stats", &self.stats()).finish()
    }
}
