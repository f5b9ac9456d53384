//! How a server is reached, and what a client of it may take.

use crate::error::Error;
use crate::net::{Lookup, SystemLookup};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The most that a server can be set to have (MariaDB's and MySQL's `max_connections`).
const MAX_CONNECTIONS: usize = 100_000;

/// How a [`MySql`](super::MySql) reaches its server. Its `Debug` form leaves the password out.
///
/// ```
/// use headstart::MySqlSettings;
///
/// let settings = MySqlSettings::new("app").password("secret").database("shop");
/// assert!(!format!("{settings:?}").contains("secret"));
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing before a client is made with them"]
pub struct MySqlSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(super) max_connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) kill_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_rows: usize,
    pub(super) max_bytes: u64,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl MySqlSettings {
    /// Whom to log in as.
    pub fn new(user: impl Into<String>) -> MySqlSettings {
        MySqlSettings {
            host: "127.0.0.1".to_owned(),
            port: 3306,
            user: user.into(),
            password: None,
            database: None,
            max_connections: 8,
            connect_timeout: Duration::from_secs(10),
            kill_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_rows: 10_000,
            max_bytes: 10 << 20,
            lookup: Arc::new(SystemLookup),
        }
    }

    /// The server's name or address. Defaults to `127.0.0.1`.
    pub fn host(mut self, host: impl Into<String>) -> MySqlSettings {
        self.host = host.into();
        self
    }

    /// Its TCP port. Defaults to 3306.
    pub fn port(mut self, port: u16) -> MySqlSettings {
        self.port = port;
        self
    }

    /// The user's password. Defaults to none.
    pub fn password(mut self, password: impl Into<String>) -> MySqlSettings {
        self.password = Some(password.into());
        self
    }

    /// The default database. Defaults to none.
    pub fn database(mut self, database: impl Into<String>) -> MySqlSettings {
        self.database = Some(database.into());
        self
    }

    /// The most calls at a time, those included whose statement is being ended; further ones wait. 1 to 100,000,
    /// defaults to 8. The server sees no more connections than these, and one more for each statement that is being
    /// ended.
    pub fn max_connections(mut self, max_connections: usize) -> MySqlSettings {
        self.max_connections = max_connections;
        self
    }

    /// How long a connection may take (name lookup, TCP, login), at most. Defaults to 10 s.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> MySqlSettings {
        self.connect_timeout = connect_timeout;
        self
    }

    /// How long to try to have a statement ended on the server, or a connection made clean, counted from the end of the
    /// call. Defaults to 10 s.
    pub fn kill_timeout(mut self, kill_timeout: Duration) -> MySqlSettings {
        self.kill_timeout = kill_timeout;
        self
    }

    /// How long an idle connection is kept. Defaults to 60 s.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> MySqlSettings {
        self.idle_timeout = idle_timeout;
        self
    }

    /// The most rows of a result. Defaults to 10,000.
    pub fn max_rows(mut self, max_rows: usize) -> MySqlSettings {
        self.max_rows = max_rows;
        self
    }

    /// The most bytes taken from the server for one call. Defaults to 10 MiB.
    pub fn max_bytes(mut self, max_bytes: u64) -> MySqlSettings {
        self.max_bytes = max_bytes;
        self
    }

    /// How host names are looked up. Defaults to [`SystemLookup`].
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> MySqlSettings {
        self.lookup = lookup;
        self
    }
}

impl MySqlSettings {
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            _ if self.host.is_empty() => Err(Error::setting("host", "", "a name or an address")),
            _ if self.port == 0 => Err(Error::setting("port", "0", "1 to 65535")),
            _ if !(1..=MAX_CONNECTIONS).contains(&self.max_connections) => Err(Error::setting(
                "max-connections",
                &self.max_connections.to_string(),
                &format!("1 to {MAX_CONNECTIONS}"),
            )),
            _ if self.connect_timeout.is_zero() => {
                Err(Error::setting("connect-timeout", "0", "a time longer than nothing"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for MySqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("kill_timeout", &self.kill_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_rows", &self.max_rows)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        type Change = fn(MySqlSettings) -> MySqlSettings;
        let refused: [(&str, Change); 5] = [
            ("host", |settings| settings.host("")),
            ("port", |settings| settings.port(0)),
            ("max-connections", |settings| settings.max_connections(0)),
            ("max-connections", |settings| settings.max_connections(usize::MAX)),
            ("connect-timeout", |settings| settings.connect_timeout(Duration::ZERO)),
        ];
        assert!(MySqlSettings::new("app").check().is_ok());
        for (key, change) in refused {
            let error = change(MySqlSettings::new("app")).check().unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }
}
