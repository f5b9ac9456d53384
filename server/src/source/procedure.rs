//! A method of an XML-RPC server.

use super::call::{Asked, Source};
use super::settings::SourceSettings;
use crate::error::Error;
use headstart::crew::Crew;
use headstart::http::Json;
use headstart::race::Attempt;
use headstart::xmlrpc::{Value, XmlRpc, XmlRpcSettings, XmlRpcUrl, to_json};

/// One method with its parameters; what it returns is answered as JSON.
pub(super) struct Procedure {
    client: XmlRpc,
    method: String,
    params: Vec<Value>,
}

impl Procedure {
    /// `xmlrpc://HOST:PORT/PATH?method=NAME&param=TEXT`, or `xmlrpcs:` for TLS.
    pub(super) fn new(crew: &Crew, text: &str, settings: &SourceSettings) -> Result<Procedure, Error> {
        let call: XmlRpcUrl = text.parse()?;
        let mut xmlrpc = XmlRpcSettings::new(call.url.clone())
            .max_response(settings.max_body)
            .connect_timeout(settings.connect_timeout)
            .trusted(settings.trusted.clone())
            .lookup(settings.lookup.clone());
        if let Some(proxy) = &settings.proxy {
            xmlrpc = xmlrpc.proxy(proxy);
        }
        Ok(Procedure { client: XmlRpc::new(crew, xmlrpc)?, params: call.values(), method: call.method })
    }
}

impl Source for Procedure {
    fn call(&self, _: usize, attempt: &Attempt, _: &Asked) -> Result<Json, headstart::Error> {
        let value = self.client.call(&self.method, self.params.as_slice(), attempt)?;
        Json::parse(to_json(&value).into_bytes())
    }
}
