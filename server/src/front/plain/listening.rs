//! tiny_http's listening, helped from outside where it does not help itself.
//!
//! **Starving bursts.** tiny_http hands a connection to an idle thread of its pool and counts that thread as idle until
//! it has woken. In a burst a few threads are promised to all connections, and keep-alive clients do not let go of
//! theirs: of 64 connections opened at once up to 60 are never answered. A connection that comes when no thread is idle
//! gets a new one, which then serves the queue. So this side connects, and closes at once: each such nudge frees one
//! starved connection.
//!
//! **A dead accept loop.** Without a descriptor or a thread to spare tiny_http's accept loop ends, with an error in its
//! queue or by a panic that nobody hears of. Then its listener is closed, and a nudge is refused. Another server on the
//! same address takes its place; the old one is still asked for what its connections send.
//!
//! What this does not do: end anything before the process ends. tiny_http shows none of its connections.

use crate::error::Error;
use crate::front::choice::reachable;
use crate::front::listen;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tiny_http::Request;

/// How often there is a nudge: how long each starved connection waits for its turn.
const NUDGE: Duration = Duration::from_millis(5);
/// The same when nobody has asked for anything lately.
const IDLE_NUDGE: Duration = Duration::from_millis(100);
/// What "lately" means.
const LATELY: Duration = Duration::from_secs(1);
/// The accept loop takes a nudge at once, unless its queue is full.
const NUDGE_TIMEOUT: Duration = Duration::from_millis(50);
/// How soon a lost accept loop is replaced again: what took it may take the next one too.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);
/// How many servers without an accept loop are asked for what comes over their connections.
const MAX_DEAF: usize = 16;

/// The taking thread's belongings.
pub(super) struct Listening {
    server: tiny_http::Server,
    address: SocketAddr,
    /// Those whose accept loop has ended, oldest first.
    deaf: Vec<tiny_http::Server>,
    nudged: Instant,
    asked: Instant,
    /// Whether the newest has one.
    is_lost: bool,
    /// When the last one began, or was tried to begin.
    listened: Instant,
}

impl Listening {
    pub(super) fn begin(at: &str) -> Result<(Listening, SocketAddr), Error> {
        let (server, address) = listen(at)?;
        let now = Instant::now();
        Ok((
            Listening { server, address, deaf: Vec::new(), nudged: now, asked: now, is_lost: false, listened: now },
            address,
        ))
    }

    /// The next request, if one comes before the next nudge is due. `under_way` is how many others have no answer yet.
    pub(super) fn next(&mut self, under_way: usize) -> Option<Request> {
        let is_quiet = under_way == 0 && self.asked.elapsed() > LATELY;
        let due = self.nudged + if is_quiet { IDLE_NUDGE } else { NUDGE };
        if due <= Instant::now() {
            self.keep_going();
        }
        let request = match self.server.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(request) => request,
            Err(error) => {
                self.lose(&error);
                None
            }
        };
        let request = request.or_else(|| self.deaf.iter().find_map(|server| server.try_recv().ok().flatten()));
        if request.is_some() {
            self.asked = Instant::now();
        }
        request
    }

    /// Listens no more and hands over what is there.
    pub(super) fn end(self, mut hand_over: impl FnMut(Request)) {
        for server in self.deaf.iter().chain([&self.server]) {
            while let Ok(Some(request)) = server.try_recv() {
                hand_over(request);
            }
        }
    }

    fn keep_going(&mut self) {
        self.nudged = Instant::now();
        if self.is_lost {
            if self.listened.elapsed() >= LISTEN_PAUSE {
                self.listen_again();
            }
            return;
        }
        let nudge = TcpStream::connect_timeout(&reachable(self.address), NUDGE_TIMEOUT);
        // Any other failure is this side's: no descriptor left, say.
        if let Err(error) = nudge
            && error.kind() == ErrorKind::ConnectionRefused
        {
            self.lose(&error);
        }
    }

    fn lose(&mut self, error: &io::Error) {
        log::error!("tiny_http accepts no more connections on {}, a new listener follows: {error}", self.address);
        self.is_lost = true;
    }

    fn listen_again(&mut self) {
        self.listened = Instant::now();
        match listen(&self.address.to_string()) {
            Ok((server, _)) => {
                log::warn!("listening on {} again", self.address);
                if self.deaf.len() == MAX_DEAF {
                    self.deaf.remove(0);
                }
                self.deaf.push(std::mem::replace(&mut self.server, server));
                self.is_lost = false;
            }
            Err(error) => log::error!("{error}"),
        }
    }
}

fn listen(at: &str) -> Result<(tiny_http::Server, SocketAddr), Error> {
    let (listener, address) = listen::listen(at)?;
    let refused = |error| Error::Listen { at: at.to_owned(), source: io::Error::other(error) };
    Ok((tiny_http::Server::from_listener(listener, None).map_err(refused)?, address))
}
