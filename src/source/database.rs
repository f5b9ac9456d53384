//! A query of MySQL or MariaDB.

use super::Source;
use crate::crew::Crew;
use crate::error::Error;
use crate::fetch::{ClientSettings, Json, TraceContext};
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
        let wrong = |allowed: &str| Err(super::parse::wrong(&without_password(text), allowed));
        if without_password(text) != text {
            return wrong(
                "a URL without password, which the process list would show: the query takes password-file=FILE",
            );
        }
        let mut url = MySqlUrl::parse(text)?;
        let Some(query) = url.query else { return wrong("a URL with query=SELECT...") };
        url.settings.connect_timeout = client.connect_timeout;
        url.settings.lookup = client.lookup.clone();
        Ok(Database { client: MySql::new(crew, url.settings)?, query, params: url.params })
    }
}

impl Source for Database {
    fn call(&self, _: usize, attempt: &Attempt, _: &TraceContext) -> Result<Json, Error> {
        let rows = self.client.query(&self.query, &self.params, attempt)?;
        Json::parse(rows.to_json().into_bytes())
    }
}

/// `url` with asterisks for a password between the user's name and the host.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("//") else { return url.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let place = match place.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{user}:***@{host}"),
        _ => place.to_owned(),
    };
    match query {
        Some(query) => format!("{scheme}//{place}?{query}"),
        None => format!("{scheme}//{place}"),
    }
}
