//! In place of the client-gone watch where there is no epoll or kqueue: nobody is watched.

use super::link::Link;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// No sockets under watch.
#[derive(Debug)]
pub(super) struct Watch;

impl Watch {
    pub(super) fn start() -> io::Result<(Arc<Watch>, JoinHandle<()>)> {
        Ok((Arc::new(Watch), std::thread::Builder::new().name("headstart-watch".to_owned()).spawn(|| ())?))
    }

    pub(super) fn stop(&self) {}

    pub(super) fn gone(&self) -> u64 {
        0
    }

    pub(super) fn queue(&self, _link: &Arc<Link>) {}

    pub(super) fn end(&self, _link: &Link, _request: u64) {}
}
