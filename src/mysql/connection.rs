//! One connection: made, used by one call after the other, and clean in between.

use super::relay::{Bounds, Relay};
use super::rows::{Executed, Rows};
use super::settings::MySqlSettings;
use super::value::Value;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::upstream::connect::connect;
use crate::upstream::names::Names;
use mysql::prelude::Queryable;
use mysql::{Binary, ChangeUserOpts, Conn, DriverError, OptsBuilder, Params, QueryResult};
use std::io;
use std::sync::Arc;

/// Where connections lead.
pub(super) struct Server {
    pub(super) crew: Crew,
    pub(super) names: Names,
    pub(super) settings: MySqlSettings,
    /// Host and port, for messages.
    pub(super) to: Arc<str>,
}

/// A connection that is logged in and that no earlier call has left anything on.
pub(super) struct Connection {
    conn: Conn,
    relay: Relay,
}

/// A call that did not work out.
pub(super) struct Failed {
    pub(super) error: Error,
    /// The connection whose statement may run on.
    pub(super) left: Option<u32>,
}

/// A result together with the connection, if that may be used again.
pub(super) type Called<T> = Result<(Result<T, Error>, Option<Connection>), Failed>;

impl Server {
    /// A new connection, within `limit` and the connect timeout.
    pub(super) fn connect(&self, limit: &TimeLimit) -> Result<Connection, Error> {
        let settings = &self.settings;
        let until = Deadline::after(settings.connect_timeout).earlier(limit.deadline());
        self.connect_until(&TimeLimit::new(until, limit.token())).map_err(|error| {
            match (error, limit.check(Phase::Connect)) {
                (Error::TimedOut { .. }, Ok(())) => {
                    let why = format!("not within {:?}", settings.connect_timeout);
                    Error::Connect { to: self.to.to_string(), source: io::Error::new(io::ErrorKind::TimedOut, why) }
                }
                (error @ Error::Database { .. }, _) | (error, Ok(())) => error,
                (_, Err(ended)) => ended,
            }
        })
    }

    fn connect_until(&self, limit: &TimeLimit) -> Result<Connection, Error> {
        let settings = &self.settings;
        let addresses = self.names.addresses(&settings.host, limit.deadline(), limit.token())?;
        let (server, hold) = connect(&settings.host, settings.port, &addresses, limit.deadline(), limit.token())?;
        if !hold.release() {
            limit.check(Phase::Connect)?;
        }
        let (mut relay, port) = Relay::new(server)?;
        let options = OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(port)
            .prefer_socket(false)
            .user(Some(&settings.user))
            .pass(settings.password.as_ref())
            .db_name(settings.database.as_ref())
            // Our own bound, so that the server is not asked for its one. For what is sent the server's holds anyway.
            .max_allowed_packet(Some(
                usize::try_from(settings.max_bytes).unwrap_or(usize::MAX).clamp(16 << 20, 1 << 30),
            ))
            // A new login forgets prepared statements.
            .stmt_cache_size(Some(0));
        let bounds = self.bounds("connect to", limit);
        let conn = relay.run(bounds, move || Conn::new(options))?.map_err(|error| self.typed(error))?;
        relay.is_at_rest = true;
        Ok(Connection { conn, relay })
    }

    fn bounds<'a>(&'a self, what: &str, limit: &'a TimeLimit) -> Bounds<'a> {
        let label = format!("{what} {}", self.to).into();
        Bounds { crew: &self.crew, label, limit, max_bytes: self.settings.max_bytes }
    }

    /// What the crate's error is in ours.
    fn typed(&self, error: mysql::Error) -> Error {
        use mysql::Error::{DriverError as Driver, IoError, MySqlError};
        match error {
            MySqlError(refused) => Error::Database { code: refused.code, message: refused.message },
            IoError(source) => Error::Lost { to: self.to.to_string(), source },
            Driver(
                error @ (DriverError::Params(_) | DriverError::MixedParams | DriverError::MismatchedStmtParams(..)),
            ) => {
                let allowed = "one for each ?, and no :name in the statement".to_owned();
                Error::Setting { key: "params".to_owned(), value: error.to_string(), allowed }
            }
            error => Error::Protocol(error.to_string()),
        }
    }
}

impl Connection {
    pub(super) fn id(&self) -> u32 {
        self.conn.connection_id()
    }

    /// Whether it can be used: the server may have closed it meanwhile.
    pub(super) fn is_alive(&self) -> bool {
        self.relay.is_quiet()
    }

    /// Runs `work`, which is given what hangs up, and then makes the connection clean for the next call.
    pub(super) fn call<T: Send + 'static>(
        self,
        server: &Server,
        limit: &TimeLimit,
        work: impl FnOnce(&mut Conn, &dyn Fn()) -> Result<T, CallError> + Send + 'static,
    ) -> Called<T> {
        let id = self.id();
        let Connection { mut conn, mut relay } = self;
        let hang_up = relay.hang_up();
        let outcome = relay.run(server.bounds("statement on", limit), move || {
            let result = work(&mut conn, &hang_up);
            let is_whole = matches!(
                &result,
                Ok(_) | Err(CallError::Crate(mysql::Error::MySqlError(_)) | CallError::Params { .. })
            );
            // A new login in all but the connection: whatever was open, locked, set or chosen is as at the beginning.
            let is_clean = is_whole && conn.change_user(ChangeUserOpts::DEFAULT).is_ok();
            (result, is_clean.then_some(conn))
        });
        match outcome {
            Ok((result, conn)) => {
                relay.is_at_rest = conn.is_some();
                let connection = conn.map(|conn| Connection { conn, relay });
                match result {
                    Err(CallError::TooManyRows) => {
                        let error = Error::TooManyRows { limit: server.settings.max_rows };
                        Err(Failed { error, left: Some(id) })
                    }
                    result => Ok((result.map_err(|error| error.typed(server)), connection)),
                }
            }
            // At rest still, without a thread to disturb it: nothing was sent.
            Err(error) => Err(Failed { error, left: (!relay.is_at_rest).then_some(id) }),
        }
    }
}

/// Why a piece of work failed.
pub(super) enum CallError {
    Crate(mysql::Error),
    Params { given: usize, wanted: usize },
    TooManyRows,
}

impl CallError {
    fn typed(self, server: &Server) -> Error {
        match self {
            CallError::Crate(error) => server.typed(error),
            CallError::Params { given, wanted } => Error::Setting {
                key: "params".to_owned(),
                value: given.to_string(),
                allowed: format!("the statement has {wanted} placeholders"),
            },
            CallError::TooManyRows => Error::TooManyRows { limit: server.settings.max_rows },
        }
    }
}

impl From<mysql::Error> for CallError {
    fn from(error: mysql::Error) -> Self {
        CallError::Crate(error)
    }
}

/// Runs a statement for its rows.
pub(super) fn query(
    conn: &mut Conn,
    sql: &str,
    params: &[Value],
    max_rows: usize,
    hang_up: &dyn Fn(),
) -> Result<Rows, CallError> {
    let statement = conn.prep(sql)?;
    let params = bound(params, statement.num_params())?;
    let mut result = conn.exec_iter(&statement, params)?;
    let columns = result.columns().as_ref().to_vec();
    let mut rows = Rows::with_columns(&columns);
    for row in result.iter().into_iter().flatten() {
        if rows.rows.len() == max_rows {
            hang_up(); // the result reads on to its end when it is dropped
            return Err(CallError::TooManyRows);
        }
        let values = row?.unwrap().into_iter().zip(&columns);
        rows.rows.push(values.map(|(value, column)| Value::from_wire(value, column)).collect());
    }
    pass_over(result)?;
    Ok(rows)
}

/// Runs a statement for what it does.
pub(super) fn execute(conn: &mut Conn, sql: &str, params: &[Value]) -> Result<Executed, CallError> {
    let statement = conn.prep(sql)?;
    let params = bound(params, statement.num_params())?;
    let result = conn.exec_iter(&statement, params)?;
    let executed = Executed { affected_rows: result.affected_rows(), last_insert_id: result.last_insert_id() };
    pass_over(result)?;
    Ok(executed)
}

/// Reads on to the end: a statement may fail late, and a procedure after its first result.
fn pass_over(mut result: QueryResult<'_, '_, '_, Binary>) -> Result<(), CallError> {
    while let Some(rows) = result.iter() {
        for row in rows {
            row?;
        }
    }
    Ok(())
}

/// Ends the statement of another connection, and that connection: its end may come before the server has read the statement.
pub(super) fn kill(conn: &mut Conn, id: u32) -> Result<(), CallError> {
    /// There is no such connection (any more).
    const ER_NO_SUCH_THREAD: u16 = 1094;
    for statement in [format!("KILL QUERY {id}"), format!("KILL CONNECTION {id}")] {
        match conn.query_drop(statement) {
            Err(mysql::Error::MySqlError(refused)) if refused.code == ER_NO_SUCH_THREAD => {}
            result => result?,
        }
    }
    Ok(())
}

fn bound(params: &[Value], wanted: u16) -> Result<Params, CallError> {
    let (given, wanted) = (params.len(), usize::from(wanted));
    if given != wanted {
        return Err(CallError::Params { given, wanted });
    }
    Ok(match given {
        0 => Params::Empty,
        _ => Params::Positional(params.iter().map(Value::to_wire).collect()),
    })
}
