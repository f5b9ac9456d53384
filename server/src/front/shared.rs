//! What all threads of a server share.

use super::lifecycle::Lifecycle;
use super::link::Link;
use super::message::Handler;
use super::settings::ServerSettings;
use super::stats::{Counters, ServerStats};
use super::tls::Identity;
use super::watch::Watch;
use crate::sync::{lock, wait_until};
use headstart::Deadline;
use headstart::crew::Crew;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};

/// A server's settings, its handler, and what is under way.
pub(super) struct Shared {
    pub(super) settings: ServerSettings,
    /// Who the server is to clients that come through TLS. Without it they come in the clear.
    pub(super) identity: Option<Identity>,
    pub(super) crew: Crew,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) watch: Arc<Watch>,
    /// The name of the connections' jobs in the crew's statistics.
    pub(super) label: Arc<str>,
    pub(super) lifecycle: Lifecycle,
    /// That of connections is kept beside `links`, so that its lock is not taken to count.
    pub(super) counters: Counters,
    /// The open connections. Taken when one begins or ends, and by the drain.
    links: Mutex<Links>,
    /// Signalled when no connection is left.
    left: Condvar,
}

#[derive(Default)]
struct Links {
    next_id: u64,
    open: HashMap<u64, Arc<Link>>,
}

impl Shared {
    pub(super) fn new(
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
            lifecycle: Lifecycle::new(),
            counters: Counters::default(),
            links: Mutex::default(),
            left: Condvar::new(),
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.counters.connections.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> ServerStats {
        let counters = &self.counters;
        ServerStats {
            connections: self.connections(),
            in_flight: counters.in_flight.load(Ordering::Relaxed),
            answered: counters.answered.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            refused_connections: counters.refused_connections.load(Ordering::Relaxed),
            clients_gone: self.watch.gone(),
            is_draining: self.lifecycle.is_draining(),
        }
    }

    /// Counts a connection as open for as long as the guard is kept.
    pub(super) fn open(self: &Arc<Self>, link: &Arc<Link>) -> OpenConnection {
        let mut links = lock(&self.links);
        links.next_id += 1;
        let id = links.next_id;
        links.open.insert(id, link.clone());
        self.counters.connections.store(links.open.len(), Ordering::Relaxed);
        OpenConnection { shared: self.clone(), link: link.clone(), id }
    }

    /// Calls `visit` for every open connection, without a lock.
    pub(super) fn for_each_link(&self, visit: impl FnMut(&Arc<Link>)) {
        let links: Vec<_> = lock(&self.links).open.values().cloned().collect();
        links.iter().for_each(visit);
    }

    /// Whether no connection is left by `deadline`.
    pub(super) fn wait_until_left(&self, deadline: Deadline) -> bool {
        let mut links = lock(&self.links);
        while !links.open.is_empty() {
            if deadline.has_passed() {
                return false;
            }
            links = wait_until(&self.left, links, deadline.instant());
        }
        true
    }
}

/// A connection, counted as open.
pub(super) struct OpenConnection {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Arc<Link>,
    id: u64,
}

impl Drop for OpenConnection {
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
