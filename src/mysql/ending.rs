//! Ending statements on the server.
//!
//! The problem: a server does not look whether its client is still there. A statement whose client has gone sleeps,
//! waits for its lock or scans on, and keeps its own locks meanwhile. The answer: whenever a call was ended, a job of
//! the crew tells the server over another connection, an idle one if there is one. Each ending has a job of its own,
//! since MariaDB takes up to two seconds for a `KILL` that meets a statement about to wait, and the others are not to
//! queue for that.
//!
//! The permit of the call is kept until its statement is ended or given up, so what is being ended counts against the
//! bound of connections and can never pile up.

use super::connection::{Connection, Endpoint, kill};
use super::permits::Permit;
use super::shared::Shared;
use crate::cancel::CancelToken;
use crate::crew::{Claim, Job};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::limit::TimeLimit;
use crate::net::lease::take;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A statement to be ended. Counted from its beginning to its drop.
struct Ending {
    shared: Arc<Shared>,
    connection: u32,
    until: Deadline,
    _permit: Permit,
}

/// Has the statement of `connection` ended on the server; returns at once.
pub(super) fn end(shared: &Arc<Shared>, connection: u32, permit: Permit) {
    let endpoint = &shared.endpoint;
    let until = Deadline::after(endpoint.settings.kill_timeout);
    shared.endings.fetch_add(1, Ordering::Relaxed);
    let ending = Ending { shared: shared.clone(), connection, until, _permit: permit };
    let label = format!("end a statement on {}", endpoint.to).into();
    let run = Box::new(move || match ending.end() {
        Ok(()) => log::debug!("ended the statement of connection {connection} on {}", ending.shared.endpoint.to),
        Err(error) => warn(&ending.shared.endpoint, connection, &error),
    });
    if let Err(error) = endpoint.crew.spawn(Claim::Request, Job { label, token: None, run }) {
        warn(endpoint, connection, &error);
    }
}

fn warn(endpoint: &Endpoint, connection: u32, error: &Error) {
    let to = &endpoint.to;
    log::warn!("the statement of connection {connection} on {to} may run on, it could not be ended: {error}");
}

impl Ending {
    fn end(&self) -> Result<(), Error> {
        let limit = TimeLimit::from(self.until);
        match self.idle() {
            // It may have died unnoticed.
            Some(idle) => self.end_over(idle, &limit).or_else(|_| self.end_over(self.fresh(&limit)?, &limit)),
            None => self.end_over(self.fresh(&limit)?, &limit),
        }
    }

    /// An idle connection that the server has not closed.
    fn idle(&self) -> Option<Connection> {
        take(&self.shared.idle, 0, &CancelToken::new())
    }

    fn fresh(&self, limit: &TimeLimit) -> Result<Connection, Error> {
        self.shared.endpoint.connect(limit)
    }

    fn end_over(&self, connection: Connection, limit: &TimeLimit) -> Result<(), Error> {
        let id = self.connection;
        // The connection is not kept: with a new one for each ending there would be more than there may be.
        let called = connection.call(&self.shared.endpoint, limit, move |conn, _| kill(conn, id));
        called.map_err(|failed| failed.error)?.result
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.endings.fetch_sub(1, Ordering::Relaxed);
    }
}
