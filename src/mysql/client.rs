//! The client: one statement for each call, and what has to follow it.

use super::connection::{self, CallError, Control, Endpoint, Statement};
use super::permits::Permits;
use super::rows::{Executed, Rows};
use super::settings::MySqlSettings;
use super::shared::Shared;
use super::value::Value;
use super::{cleaning, ending};
use crate::crew::Crew;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::net::address::Address;
use crate::net::connect::Dialer;
use crate::net::lease::{Reached, Resend, Talk, lease};
use crate::net::pool::Pool;
use ::mysql::Conn;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A client of one MySQL or MariaDB server. Clones are handles to the same client and share its connections.
///
/// ```no_run
/// use headstart::{Crew, CrewSettings, MySql, MySqlSettings};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let shop = MySql::new(&crew, MySqlSettings::new("app").database("shop"))?;
/// let timeout = Duration::from_millis(500);
///
/// shop.execute("INSERT INTO item (name) VALUES (?)", &["tea".into()], timeout)?;
/// let items = shop.query("SELECT id, name FROM item WHERE name = ?", &["tea".into()], timeout)?;
/// println!("{}", items.to_json());
/// # Ok::<(), headstart::Error>(())
/// ```
///
/// A query over two replicas, the second asked when the first is late:
///
/// ```no_run
/// # use headstart::{Crew, CrewSettings, MySql, MySqlSettings};
/// use headstart::{Deadline, Race, Schedule};
/// use std::time::Duration;
///
/// # let crew = Crew::new(CrewSettings::default())?;
/// # let replicas = [MySql::new(&crew, MySqlSettings::new("app"))?, MySql::new(&crew, MySqlSettings::new("app"))?];
/// let outcome = Race::new(&crew)
///     .schedule(Schedule::new(&[Duration::ZERO, Duration::from_millis(50)])?)
///     .limit(Duration::from_secs(1))
///     .first(move |attempt| replicas[attempt.number()].query("SELECT COUNT(*) FROM item", &[], attempt));
/// # drop(outcome);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct MySql {
    shared: Arc<Shared>,
}

impl MySql {
    /// A client whose calls use threads of `crew`, one each while they last. Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that cannot be used.
    pub fn new(crew: &Crew, settings: MySqlSettings) -> Result<MySql, Error> {
        settings.check()?;
        let address = Address { host: settings.host.clone(), port: settings.port };
        Ok(MySql {
            shared: Arc::new(Shared {
                permits: Permits::new(settings.max_connections),
                idle: Pool::new(crew, 1, settings.max_connections, settings.idle_timeout),
                cleaning: Arc::default(),
                endings: AtomicUsize::new(0),
                endpoint: Endpoint {
                    crew: crew.clone(),
                    dialer: Dialer::new(settings.lookup.clone(), crew),
                    to: address.to_string().into(),
                    address,
                    settings,
                },
            }),
        })
    }

    /// Runs `sql` with `params` bound to its `?`s, and returns its rows: those of the first result, if there are
    /// several.
    ///
    /// # Errors
    ///
    /// - [`Error::TimedOut`], [`Error::Canceled`]: the call was ended, and its statement is being ended.
    /// - [`Error::Database`]: the server refused the statement or the login.
    /// - [`Error::TooManyRows`], [`Error::BodyTooLarge`]: the result exceeds the settings' limits; the statement is
    ///   being ended. Of a result beyond both limits either may be told.
    /// - [`Error::Setting`]: there are not as many parameters as placeholders.
    /// - [`Error::Lookup`], [`Error::Connect`]: there was no connection. [`Error::Lost`]: it broke, and whether the
    ///   statement was run is not known. (An idle connection that breaks while the statement is prepared, which is
    ///   before it runs, is replaced by a fresh one.) [`Error::Protocol`]: it made no sense.
    /// - [`Error::NoThread`], [`Error::ThreadStart`]: nothing was run.
    pub fn query(&self, sql: &str, params: &[Value], limit: impl Into<TimeLimit>) -> Result<Rows, Error> {
        self.run(sql, params, &limit.into(), connection::query)
    }

    /// Runs `sql` with `params` bound to its `?`s, for what it does. A statement that was ended may have been done
    /// nevertheless, if its end came too late.
    ///
    /// # Errors
    ///
    /// As [`query`](MySql::query).
    pub fn execute(&self, sql: &str, params: &[Value], limit: impl Into<TimeLimit>) -> Result<Executed, Error> {
        self.run(sql, params, &limit.into(), connection::execute)
    }

    /// Statements that are being ended on the server at this moment, their callers gone.
    pub fn ending(&self) -> usize {
        self.shared.endings.load(Ordering::Relaxed)
    }

    /// Connections that wait for reuse at this moment.
    pub fn idle_connections(&self) -> usize {
        self.shared.idle.idle()
    }

    fn run<T: Send + 'static>(
        &self,
        sql: &str,
        params: &[Value],
        limit: &TimeLimit,
        work: fn(&mut Conn, &Statement, &Control) -> Result<T, CallError>,
    ) -> Result<T, Error> {
        let shared = &self.shared;
        let endpoint = &shared.endpoint;
        limit.check(Phase::Wait)?;
        let max_rows = endpoint.settings.max_rows;
        let statement = Arc::new(Statement { sql: sql.to_owned(), params: params.to_vec(), max_rows });
        let permit = shared.permits.take(limit)?;
        cleaning::await_clean(shared, limit)?;
        let (mut left, mut used) = (None, None);
        let connect = || endpoint.connect(limit);
        let leased = (limit.token(), &*endpoint.to);
        let result = lease((&shared.idle, 0), leased, Resend::IfUnsent, connect, |connection| {
            let statement = statement.clone();
            match connection.call(endpoint, limit, move |conn, control| work(conn, &statement, control)) {
                Ok(called) => {
                    used = called.used;
                    // Kept once it is clean.
                    Talk { result: called.result, reached: called.reached, keep: None }
                }
                Err(failed) => {
                    left = failed.left;
                    Talk { result: Err(failed.error), reached: Reached::Sent, keep: None }
                }
            }
        });
        match (left, used) {
            (Some(connection), _) => ending::end(shared, connection, permit),
            (None, Some(connection)) if !may_take_a_role(sql) => cleaning::clean(shared, connection, permit),
            _ => {}
        }
        result
    }
}

/// MariaDB (10.11) keeps the role of `SET ROLE` through a new login.
fn may_take_a_role(sql: &str) -> bool {
    sql.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"role"))
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySql").field("settings", &self.shared.endpoint.settings).finish_non_exhaustive()
    }
}
