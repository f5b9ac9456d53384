//! The connections to one server: fresh ones, idle ones, and which of them a call gets.
//!
//! A server may close an idle connection at any time, also while a request is on its way. A look at the socket before it is
//! used finds most of them; of the rest a read is made once more on a fresh connection, and a change is not, since the server
//! may have carried it out.

use super::MemcachedSettings;
use super::address::Server;
use super::connection::{Call, Connection};
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::upstream::connect::connect;
use crate::upstream::names::Names;
use crate::upstream::pool::Pool;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Connections {
    server: Server,
    /// Host and port, for messages.
    to: String,
    connect_timeout: Duration,
    max_value: usize,
    names: Names,
    pool: Arc<Pool<Connection>>,
}

/// Whether a call whose connection was lost may be made again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Once, on a fresh connection, if it had an idle one and nothing was received.
    Once,
    /// Not: the server may have carried it out.
    Never,
}

impl Connections {
    pub(super) fn new(crew: &Crew, server: Server, settings: MemcachedSettings) -> Connections {
        Connections {
            to: server.to_string(),
            server,
            connect_timeout: settings.connect_timeout,
            max_value: settings.max_value,
            names: Names::new(settings.lookup, crew),
            pool: Pool::new(crew, 1, settings.max_idle, settings.idle_timeout),
        }
    }

    pub(super) fn to(&self) -> &str {
        &self.to
    }

    pub(super) fn max_value(&self) -> usize {
        self.max_value
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.pool.idle()
    }

    /// Has `talk` ask and get its replies on an idle connection or a fresh one, which is kept if that went well.
    pub(super) fn call<T>(
        &self,
        limit: &TimeLimit,
        again: Again,
        talk: impl Fn(&mut Call<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        limit.check(Phase::Wait)?;
        if let Some(connection) = self.take() {
            let mut call = Call::next(connection, limit, &self.to, self.max_value);
            let result = talk(&mut call);
            let is_lost = matches!(result, Err(Error::Lost { .. })) && !call.has_received();
            if !is_lost || again == Again::Never {
                return self.ended(call, result);
            }
            log::debug!("the idle connection to {} was closed: trying a fresh one", self.to);
        }
        let mut call = self.connect(limit)?;
        let result = talk(&mut call);
        self.ended(call, result)
    }

    /// The connection used last that the server has not closed.
    fn take(&self) -> Option<Connection> {
        std::iter::from_fn(|| self.pool.take(0)).find(Connection::is_quiet)
    }

    fn connect<'a>(&'a self, limit: &'a TimeLimit) -> Result<Call<'a>, Error> {
        let until = limit.deadline().earlier(Deadline::after(self.connect_timeout));
        let Server { host, port } = &self.server;
        let addresses = self.names.addresses(host, until, limit.token());
        let connected = addresses.and_then(|addresses| connect(host, *port, &addresses, until, limit.token()));
        let call = connected.and_then(|connected| Ok(Call::first(connected, limit, &self.to, self.max_value)?));
        // Connecting knows one moment to be over by. Whose it was, the limit tells.
        call.map_err(|error| limit.check(Phase::Wait).err().unwrap_or(error))
    }

    /// Keeps the connection of a call that went well.
    fn ended<T>(&self, call: Call<'_>, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_ok()
            && let Some(connection) = call.end()
        {
            self.pool.put(0, connection);
        }
        result
    }
}
