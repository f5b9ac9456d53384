//! In place of proxy routes where there is no `poll`: they cannot be made.

use super::settings::ProxySettings;
use crate::error::Error;
use crate::front::{Request, Response};
use crate::source::SourceSettings;
use headstart::crew::Crew;
use headstart::event::Observer;
use std::sync::Arc;

pub(crate) enum ProxyRoute {}

impl ProxyRoute {
    /// # Errors
    ///
    /// [`Error::Setting`] in any case.
    pub(crate) fn new(
        _: &Crew,
        settings: &ProxySettings,
        _: &SourceSettings,
        _: Arc<dyn Observer>,
    ) -> Result<ProxyRoute, Error> {
        Err(Error::setting("route", &settings.path, "a path without a star: proxy routes need Unix"))
    }

    pub(crate) fn answer(&self, _: &Request<'_>, _: impl Send + 'static) -> Response {
        match *self {}
    }
}
