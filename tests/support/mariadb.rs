//! Clients of the MariaDB that the tests start.

use headstart::mysql::{Rows, Value};
use headstart::{Crew, CrewSettings, MySql, MySqlSettings};
use headstart_testing::mariadb::{MariaDb, PASSWORD};

/// A user with a database, both of this name, and how to log in.
pub(crate) fn user(server: &MariaDb, name: &str) -> MySqlSettings {
    server.create_user(name);
    MySqlSettings::new(name).port(server.port).password(PASSWORD).database(name)
}

/// A client of a user of this name, and the shared server.
pub(crate) fn client(user: &str) -> (MySql, &'static MariaDb) {
    client_with(user, |settings| settings)
}

/// The same, with other settings.
pub(crate) fn client_with(
    name: &str,
    change: impl FnOnce(MySqlSettings) -> MySqlSettings,
) -> (MySql, &'static MariaDb) {
    let server = MariaDb::shared();
    let settings = change(user(server, name));
    let crew = Crew::new(CrewSettings::default().max_threads(32)).unwrap();
    (MySql::new(&crew, settings).unwrap(), server)
}

/// The only value of a result.
pub(crate) fn one(rows: &Rows) -> &Value {
    assert_eq!((rows.rows.len(), rows.columns.len()), (1, 1), "{rows:?}");
    &rows.rows[0][0]
}
