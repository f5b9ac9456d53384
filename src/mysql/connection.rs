//! One connection: made, used by one call after the other, and clean in between.

use super::rows::{Executed, Rows};
use super::settings::MySqlSettings;
use super::tunnel::{Bounds, Tunnel};
use super::value::Value;
use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::net::address::Address;
use crate::net::connect::Dialer;
use crate::net::lease::{Reached, Reusable};
use mysql::prelude::Queryable;
use mysql::{Binary, ChangeUserOpts, Conn, DriverError, OptsBuilder, Params, QueryResult};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where connections lead.
pub(super) struct Endpoint {
    pub(super) crew: Crew,
    pub(super) dialer: Dialer,
    pub(super) settings: MySqlSettings,
    pub(super) address: Address,
    /// The same as text, for messages.
    pub(super) to: Arc<str>,
}

/// A connection that is logged in.
pub(super) struct Connection {
    conn: Conn,
    tunnel: Tunnel,
}

/// A statement, and what bounds its result.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    pub(super) max_rows: usize,
}

/// What a piece of work can tell and do beside its connection.
pub(super) struct Control {
    /// Set before anything is sent that must not be sent twice.
    is_sent: Arc<AtomicBool>,
    hang_up: Box<dyn Fn() + Send>,
}

/// A call that was ended, or whose thread could not be had.
pub(super) struct Failed {
    pub(super) error: Error,
    /// The connection whose statement may run on.
    pub(super) left: Option<u32>,
}

/// What came of a call.
pub(super) struct Called<T> {
    pub(super) result: Result<T, Error>,
    pub(super) reached: Reached,
    /// The connection, if it is whole. What the call has left on it is still there.
    pub(super) used: Option<Connection>,
}

impl Reusable for Connection {
    fn resume(self, _: &CancelToken) -> Option<Connection> {
        self.tunnel.is_quiet().then_some(self)
    }

    fn rest(self) -> Option<Connection> {
        Some(self)
    }
}

impl Endpoint {
    /// A new connection, within `limit` and the connect timeout.
    pub(super) fn connect(&self, limit: &TimeLimit) -> Result<Connection, Error> {
        let until = Deadline::after(self.settings.connect_timeout);
        let (server, hold) = self.dialer.open(&self.address, until, limit)?;
        if !hold.release() {
            limit.check(Phase::Connect)?;
        }
        let login = TimeLimit::new(until.earlier(limit.deadline()), limit.token());
        self.log_in(server, &login).map_err(|error| match (error, limit.check(Phase::Handshake)) {
            (Error::TimedOut { .. }, Ok(())) => {
                let why = format!("not within {:?}", self.settings.connect_timeout);
                Error::Connect { to: self.to.to_string(), source: io::Error::new(io::ErrorKind::TimedOut, why) }
            }
            (error @ Error::Database { .. }, _) | (error, Ok(())) => error,
            (_, Err(ended)) => ended,
        })
    }

    fn log_in(&self, server: Arc<std::net::TcpStream>, limit: &TimeLimit) -> Result<Connection, Error> {
        let settings = &self.settings;
        let (mut tunnel, port) = Tunnel::new(server)?;
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
        let bounds = Bounds { phase: Some(Phase::Handshake), ..self.bounds("connect to", limit) };
        let conn = tunnel.run(bounds, move || Conn::new(options))?.map_err(|error| self.typed(error))?;
        tunnel.is_at_rest = true;
        Ok(Connection { conn, tunnel })
    }

    fn bounds<'a>(&'a self, what: &str, limit: &'a TimeLimit) -> Bounds<'a> {
        let label = format!("{what} {}", self.to).into();
        Bounds { crew: &self.crew, label, limit, max_bytes: self.settings.max_bytes, phase: None }
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
    /// Runs `work` on a thread of the crew.
    pub(super) fn call<T: Send + 'static>(
        self,
        endpoint: &Endpoint,
        limit: &TimeLimit,
        work: impl FnOnce(&mut Conn, &Control) -> Result<T, CallError> + Send + 'static,
    ) -> Result<Called<T>, Failed> {
        let Connection { mut conn, mut tunnel } = self;
        let id = conn.connection_id();
        let is_sent = Arc::new(AtomicBool::new(false));
        let control = Control { is_sent: is_sent.clone(), hang_up: Box::new(tunnel.hang_up()) };
        let outcome = tunnel.run(endpoint.bounds("statement on", limit), move || (work(&mut conn, &control), conn));
        let (result, conn) = match outcome {
            Ok(done) => done,
            // At rest still, without a thread to disturb it: nothing was sent.
            Err(error) => return Err(Failed { error, left: (!tunnel.is_at_rest).then_some(id) }),
        };
        let reached = if is_sent.load(Ordering::Relaxed) { Reached::Sent } else { Reached::Unsent };
        let is_whole = match &result {
            Ok(_) | Err(CallError::Params { .. }) => true,
            Err(CallError::Crate(error)) => matches!(error, mysql::Error::MySqlError(_)) && !is_farewell(error),
            Err(CallError::TooManyRows) => {
                let error = Error::TooManyRows { limit: endpoint.settings.max_rows };
                return Err(Failed { error, left: Some(id) });
            }
        };
        let result = result.map_err(|error| match error {
            CallError::Crate(error) if reached == Reached::Unsent && is_farewell(&error) => {
                Error::Lost { to: endpoint.to.to_string(), source: io::Error::other(error.to_string()) }
            }
            error => error.typed(endpoint),
        });
        tunnel.is_at_rest = is_whole;
        Ok(Called { result, reached, used: is_whole.then_some(Connection { conn, tunnel }) })
    }

    /// The connection as it was after its login: whatever was open, locked, set or chosen is as at the beginning.
    ///
    /// # Errors
    ///
    /// The connection is closed then.
    pub(super) fn cleaned(self, endpoint: &Endpoint, limit: &TimeLimit) -> Result<Connection, Error> {
        let Connection { mut conn, mut tunnel } = self;
        let conn = tunnel.run(endpoint.bounds("clean a connection to", limit), move || {
            conn.change_user(ChangeUserOpts::DEFAULT).map(|()| conn)
        })?;
        let conn = conn.map_err(|error| endpoint.typed(error))?;
        tunnel.is_at_rest = true;
        Ok(Connection { conn, tunnel })
    }
}

/// Whether a server that says so has closed the connection, or is about to.
fn is_farewell(error: &mysql::Error) -> bool {
    /// The server shuts down; somebody ended the connection; it was idle for too long (MySQL 8).
    const FAREWELLS: [u16; 3] = [1053, 1927, 4031];
    match error {
        mysql::Error::MySqlError(refused) => FAREWELLS.contains(&refused.code),
        // The farewell that came before the request was read, and is taken for its answer.
        mysql::Error::DriverError(DriverError::PacketOutOfSync) => true,
        _ => false,
    }
}

/// Why a piece of work failed.
pub(super) enum CallError {
    Crate(mysql::Error),
    Params { given: usize, wanted: usize },
    TooManyRows,
}

impl CallError {
    fn typed(self, endpoint: &Endpoint) -> Error {
        match self {
            CallError::Crate(error) => endpoint.typed(error),
            CallError::Params { given, wanted } => Error::Setting {
                key: "params".to_owned(),
                value: given.to_string(),
                allowed: format!("the statement has {wanted} placeholders"),
            },
            CallError::TooManyRows => Error::TooManyRows { limit: endpoint.settings.max_rows },
        }
    }
}

impl From<mysql::Error> for CallError {
    fn from(error: mysql::Error) -> Self {
        CallError::Crate(error)
    }
}

/// Runs a statement for its rows.
pub(super) fn query(conn: &mut Conn, statement: &Statement, control: &Control) -> Result<Rows, CallError> {
    let mut result = begin(conn, statement, control)?;
    let columns = result.columns().as_ref().to_vec();
    let mut rows = Rows::with_columns(&columns);
    for row in result.iter().into_iter().flatten() {
        if rows.rows.len() == statement.max_rows {
            (control.hang_up)(); // the result reads on to its end when it is dropped
            return Err(CallError::TooManyRows);
        }
        let values = row?.unwrap().into_iter().zip(&columns);
        rows.rows.push(values.map(|(value, column)| Value::from_wire(value, column)).collect());
    }
    pass_over(result)?;
    Ok(rows)
}

/// Runs a statement for what it does.
pub(super) fn execute(conn: &mut Conn, statement: &Statement, control: &Control) -> Result<Executed, CallError> {
    let result = begin(conn, statement, control)?;
    let executed = Executed { affected_rows: result.affected_rows(), last_insert_id: result.last_insert_id() };
    pass_over(result)?;
    Ok(executed)
}

/// Has a statement prepared and then run. While it is being prepared it has done nothing: a connection that is lost
/// until then costs no call.
fn begin<'c>(
    conn: &'c mut Conn,
    statement: &Statement,
    control: &Control,
) -> Result<QueryResult<'c, 'c, 'c, Binary>, CallError> {
    let prepared = conn.prep(&statement.sql)?;
    let params = bound(&statement.params, prepared.num_params())?;
    control.is_sent.store(true, Ordering::Relaxed);
    Ok(conn.exec_iter(prepared, params)?)
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

/// Ends the statement of another connection, and that connection: its end may come before the server has read the
/// statement.
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
