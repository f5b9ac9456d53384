//! Ending statements on the server.
//!
//! The problem: a server does not look whether its client is still there. A statement whose client has gone sleeps, waits for
//! its lock or scans on, and keeps its own locks meanwhile. The answer: whenever a call was ended, a job of the crew tells the
//! server over another connection, an idle one if there is one. One job works through all that is to be ended and leaves.
//!
//! A seat is kept until its statement is ended or given up, so what is being ended counts against the bound of connections and
//! can never pile up.

use super::Shared;
use super::connection::{Connection, kill};
use super::seats::Seat;
use crate::crew::{Claim, Job};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::sync::lock;
use crate::timeout::{IntoTimeLimit, TimeLimit};
use std::sync::{Arc, Mutex};

/// The statements to be ended.
#[derive(Default)]
pub(super) struct Endings {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    waiting: Vec<Ending>,
    /// Waiting or being worked on.
    count: usize,
    /// Whether there is a job that will see what is put in.
    attended: bool,
}

struct Ending {
    connection: u32,
    until: Deadline,
    seat: Seat,
}

impl Endings {
    pub(super) fn count(&self) -> usize {
        lock(&self.list).count
    }
}

impl Shared {
    /// Has the statement of `connection` ended on the server; returns at once.
    pub(super) fn end(self: &Arc<Self>, connection: u32, seat: Seat) {
        let until = Deadline::after(self.server.settings.kill_timeout);
        let mut list = lock(&self.endings.list);
        list.waiting.push(Ending { connection, until, seat });
        list.count += 1;
        if std::mem::replace(&mut list.attended, true) {
            return;
        }
        drop(list);
        let shared = self.clone();
        let label = format!("end statements on {}", self.server.to).into();
        let run = Box::new(move || shared.work_through());
        if let Err(error) = self.server.crew.spawn(Claim::Request, Job { label, token: None, run }) {
            let mut list = lock(&self.endings.list);
            list.attended = false;
            let given_up = std::mem::take(&mut list.waiting);
            list.count -= given_up.len();
            drop(list);
            given_up.iter().for_each(|ending| self.warn(ending, &error));
        }
    }

    fn work_through(&self) {
        loop {
            let mut list = lock(&self.endings.list);
            let Some(ending) = list.waiting.pop() else {
                list.attended = false;
                return;
            };
            drop(list);
            match self.end_one(&ending) {
                Ok(()) => log::debug!("ended the statement of connection {} on {}", ending.connection, self.server.to),
                Err(error) => self.warn(&ending, &error),
            }
            lock(&self.endings.list).count -= 1;
            drop(ending.seat);
        }
    }

    fn end_one(&self, ending: &Ending) -> Result<(), Error> {
        let limit = ending.until.into_time_limit()?;
        // An idle connection may have died unnoticed.
        match self.idle_connection() {
            Some(idle) => {
                let fresh = || self.kill_over(self.server.connect(&limit)?, ending, &limit);
                self.kill_over(idle, ending, &limit).or_else(|_| fresh())
            }
            None => self.kill_over(self.server.connect(&limit)?, ending, &limit),
        }
    }

    fn kill_over(&self, connection: Connection, ending: &Ending, limit: &TimeLimit) -> Result<(), Error> {
        let id = ending.connection;
        // The connection is not kept: with a new one for each ending there would be more than there may be.
        let (result, _) =
            connection.call(&self.server, limit, move |conn, _| kill(conn, id)).map_err(|failed| failed.error)?;
        result
    }

    fn warn(&self, ending: &Ending, error: &Error) {
        let (connection, to) = (ending.connection, &self.server.to);
        log::warn!("the statement of connection {connection} on {to} may run on, it could not be ended: {error}");
    }
}
