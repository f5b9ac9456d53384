//! The connections to one server.
//!
//! Which of them a call gets, and when it is made again, is [`lease`](crate::net::lease)'s to say.

use super::MemcachedSettings;
use super::connection::{Connection, Exchange};
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::net::address::Address;
use crate::net::connect::Dialer;
use crate::net::lease::{Resend, lease};
use crate::net::pool::Pool;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Connections {
    address: Address,
    /// The same as text, for messages.
    to: String,
    connect_timeout: Duration,
    max_value: usize,
    dialer: Dialer,
    pool: Arc<Pool<Connection>>,
}

impl Connections {
    pub(super) fn new(crew: &Crew, address: Address, settings: MemcachedSettings) -> Connections {
        Connections {
            to: address.to_string(),
            address,
            connect_timeout: settings.connect_timeout,
            max_value: settings.max_value,
            dialer: Dialer::new(settings.lookup, crew),
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

    /// Has `ask` ask and get its replies on an idle connection or a fresh one, which is kept if that went well.
    pub(super) fn call<T>(
        &self,
        limit: &TimeLimit,
        resend: Resend,
        ask: impl Fn(&mut Exchange<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        limit.check(Phase::Wait)?;
        lease(
            (&self.pool, 0),
            (limit.token(), &self.to),
            resend,
            || self.connect(limit),
            |connection| {
                let mut exchange = Exchange::new(connection, limit, &self.to, self.max_value);
                let is_alive = if resend == Resend::IfUnsent { exchange.check_idle_connection() } else { Ok(()) };
                let result = is_alive.and_then(|()| ask(&mut exchange));
                exchange.end(result)
            },
        )
    }

    fn connect(&self, limit: &TimeLimit) -> Result<Connection, Error> {
        let until = Deadline::after(self.connect_timeout);
        Ok(Connection::new(self.dialer.open(&self.address, until, limit)?)?)
    }
}
