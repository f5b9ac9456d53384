//! What stands in for TLS in a build without the feature `https`: connections pass through, `https` URLs are refused.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::net::stream::Stream;
use std::net::TcpStream;
use std::sync::Arc;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Transport};

/// What a URL may begin with.
pub(super) const SCHEMES: &str = "a URL that begins with http:// (https:// needs a build with the feature `https`)";

/// Passes connections on.
#[derive(Clone, Debug)]
pub(super) struct TlsConnector;

impl TlsConnector {
    /// Nothing to trust without TLS.
    pub(super) fn new(trusted: &[Vec<u8>]) -> Result<TlsConnector, Error> {
        if trusted.is_empty() {
            return Ok(TlsConnector);
        }
        Err(Error::Setting {
            key: "trusted".to_owned(),
            value: format!("{} certificates", trusted.len()),
            allowed: "none: TLS needs a build with the feature `https`".to_owned(),
        })
    }

    /// Nothing: an `https` URL is refused before.
    pub(super) fn secure(&self, _: Arc<TcpStream>, (_, to): (&str, &str), _: Deadline) -> Result<Stream, Error> {
        Err(Error::setting("upstream", to, SCHEMES))
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = In;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<In>, ureq::Error> {
        Ok(chained)
    }
}
