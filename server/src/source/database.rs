//! A query of MySQL or MariaDB.

use super::Source;
use crate::crew::Crew;
use crate::error::Error;
use crate::http::{ClientSettings, Json, TraceContext};
use crate::mysql::{MySql, MySqlUrl, Value};
use crate::race::Attempt;

/// One statement with what is bound to it; its rows are answered as an array of objects.
pub(super) struct Database {
    client: MySql,
    query: String,
    params: Vec<Value>,
}

impl Database {
    /// `mysql://USER@HOST:PORT/DATABASE?query=SELECT...`, with `password-file` or `password-env` beside the query.
    pub(super) fn new(crew: &Crew, text: &str, client: &ClientSettings) -> Result<Database, Error> {
        let wrong = |allowed: &str| super::parse::wrong("mysql:…", allowed);
        let place = text.strip_prefix("mysql://").unwrap_or(text).split('?').next().unwrap_or_default();
        if place.rsplit_once('@').is_some_and(|(login, _)| login.contains(':')) {
            return Err(wrong(
                "a URL without password, which the process list would show: the query takes password-file=FILE",
            ));
        }
        let url = MySqlUrl::parse(text).map_err(|error| match error {
            Error::Setting { key, value, allowed } => wrong(&format!("{allowed} for its {key}, not '{value}'")),
            other => other,
        })?;
        let query = url.query.ok_or_else(|| wrong("a URL with query=SELECT..."))?;
        let settings = url.settings.connect_timeout(client.connect_timeout);
        let settings = settings.max_bytes(client.max_body).lookup(client.lookup.clone());
        Ok(Database { client: MySql::new(crew, settings)?, query, params: url.params })
    }
}

impl Source for Database {
    fn call(&self, _: usize, attempt: &Attempt, _: &TraceContext) -> Result<Json, Error> {
        let rows = self.client.query(&self.query, &self.params, attempt)?;
        Json::parse(rows.to_json().into_bytes())
    }
}
