//! What answers the requests of one prefix.

use super::settings::ProxySettings;
use crate::error::Error;
use crate::front::{Request, Response};
use crate::source::SourceSettings;
use headstart::crew::Crew;
use headstart::event::Observer;
use std::sync::Arc;

/// A prefix and its upstreams, ready to be asked.
pub(crate) struct ProxyRoute {}

impl ProxyRoute {
    /// A route whose attempts run on the calling threads and on those of `crew`, and are reported to `observer`.
    /// Connects nowhere yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the setting that cannot be used.
    pub(crate) fn new(
        _crew: &Crew,
        settings: &ProxySettings,
        sources: &SourceSettings,
        _observer: Arc<dyn Observer>,
    ) -> Result<ProxyRoute, Error> {
        settings.check(sources)?;
        Ok(ProxyRoute {})
    }

    /// The answer to `request`. `permit` is kept until all of it is sent.
    pub(crate) fn answer(&self, _request: &Request<'_>, permit: impl Send + 'static) -> Response {
        drop(permit);
        Response::problem(501, "requests are not passed on yet")
    }
}
