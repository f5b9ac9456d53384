//! A value in Memcached.

use super::call::{Asked, Source};
use super::settings::SourceSettings;
use crate::error::Error;
use headstart::crew::Crew;
use headstart::http::Json;
use headstart::memcached::{Memcached, MemcachedSettings, MemcachedUrl};
use headstart::race::Attempt;

/// One key of one server. A key that is not there is `null`: that, too, is an answer.
pub(super) struct Cached {
    client: Memcached,
    key: Vec<u8>,
    form: Form,
}

/// What the value is.
#[derive(Clone, Copy)]
enum Form {
    /// Text, answered as a JSON string.
    Text,
    /// JSON, answered as it is.
    Json,
}

impl Cached {
    /// `memcached://HOST:PORT/KEY`, followed by `?as=json` where the value is JSON itself.
    pub(super) fn new(crew: &Crew, text: &str, settings: &SourceSettings) -> Result<Cached, Error> {
        let (url, form) = match text.strip_suffix("?as=json") {
            Some(url) => (url, Form::Json),
            None => (text, Form::Text),
        };
        let url: MemcachedUrl = url.parse()?;
        let memcached = MemcachedSettings::new(url.server)
            .connect_timeout(settings.connect_timeout)
            .max_value(usize::try_from(settings.max_body).unwrap_or(usize::MAX))
            .lookup(settings.lookup.clone());
        Ok(Cached { client: Memcached::new(crew, memcached)?, key: url.key, form })
    }
}

impl Source for Cached {
    fn call(&self, _: usize, attempt: &Attempt, _: &Asked) -> Result<Json, headstart::Error> {
        let Some(item) = self.client.get(&self.key, attempt)? else { return Json::parse(b"null".to_vec()) };
        match self.form {
            Form::Json => Json::parse(item.value),
            Form::Text => {
                let text = String::from_utf8(item.value).map_err(|error| headstart::Error::Json(error.to_string()))?;
                Json::parse(serde_json::Value::from(text).to_string().into_bytes())
            }
        }
    }
}
