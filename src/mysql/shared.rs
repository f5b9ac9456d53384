//! What the calls of a client share with the jobs that follow them.

use super::connection::{Connection, Endpoint};
use super::permits::Permits;
use crate::net::pool::Pool;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Condvar, Mutex};

/// The state of one client.
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) permits: Permits,
    /// Each of them was clean when it was put in.
    pub(super) idle: Arc<Pool<Connection>>,
    pub(super) cleaning: Arc<UnderWay>,
    /// Statements that are being ended on the server.
    pub(super) endings: AtomicUsize,
}

/// How many connections are being made clean.
#[derive(Default)]
pub(super) struct UnderWay {
    pub(super) count: Mutex<usize>,
    /// Notified when one less is.
    pub(super) changed: Condvar,
}
