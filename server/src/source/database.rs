//! A query of MySQL or MariaDB.

use super::call::{Asked, Source, mistake};
use super::settings::SourceSettings;
use crate::error::Error;
use headstart::crew::Crew;
use headstart::http::Json;
use headstart::mysql::{MySql, MySqlUrl, Value};
use headstart::race::Attempt;

/// One statement with what is bound to it; its rows are answered as an array of objects.
pub(super) struct Database {
    client: MySql,
    query: String,
    params: Vec<Value>,
}

impl Database {
    /// `mysql://USER@HOST:PORT/DATABASE?query=SELECT...`, with `password-file` or `password-env` beside the query.
    pub(super) fn new(crew: &Crew, text: &str, settings: &SourceSettings) -> Result<Database, Error> {
        let wrong = |allowed: &str| mistake("mysql:…", allowed);
        let place = text.strip_prefix("mysql://").unwrap_or(text).split('?').next().unwrap_or_default();
        if place.rsplit_once('@').is_some_and(|(login, _)| login.contains(':')) {
            return Err(wrong(
                "a URL without password, which the process list would show: the query takes password-file=FILE",
            ));
        }
        let url = MySqlUrl::parse(text).map_err(|error| match error {
            headstart::Error::Setting { key, value, allowed } => {
                wrong(&format!("{allowed} for its {key}, not '{value}'"))
            }
            other => other.into(),
        })?;
        let query = url.query.ok_or_else(|| wrong("a URL with query=SELECT..."))?;
        let mysql = url.settings.connect_timeout(settings.connect_timeout);
        let mysql = mysql.max_bytes(settings.max_body).lookup(settings.lookup.clone());
        Ok(Database { client: MySql::new(crew, mysql)?, query, params: url.params })
    }
}

impl Source for Database {
    fn call(&self, _: usize, attempt: &Attempt, _: &Asked) -> Result<Json, headstart::Error> {
        let rows = self.client.query(&self.query, &self.params, attempt)?;
        Json::parse(rows.to_json().into_bytes())
    }
}
