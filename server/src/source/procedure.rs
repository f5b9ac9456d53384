//! A method of an XML-RPC server.

use super::Source;
use crate::crew::Crew;
use crate::error::Error;
use crate::http::{ClientSettings, Json, TraceContext};
use crate::race::Attempt;
use crate::xmlrpc::{Value, XmlRpc, XmlRpcSettings, XmlRpcUrl, to_json};

/// One method with its parameters; what it returns is answered as JSON.
pub(super) struct Procedure {
    client: XmlRpc,
    method: String,
    params: Vec<Value>,
}

impl Procedure {
    /// `xmlrpc://HOST:PORT/PATH?method=NAME&param=TEXT`, or `xmlrpcs:` for TLS.
    pub(super) fn new(crew: &Crew, text: &str, client: &ClientSettings) -> Result<Procedure, Error> {
        let call: XmlRpcUrl = text.parse()?;
        let mut settings = XmlRpcSettings::new(call.url.clone())
            .max_response(client.max_body)
            .connect_timeout(client.connect_timeout)
            .trusted(client.trusted.clone())
            .lookup(client.lookup.clone());
        if let Some(proxy) = &client.proxy {
            settings = settings.proxy(proxy);
        }
        Ok(Procedure { client: XmlRpc::new(crew, settings)?, params: call.values(), method: call.method })
    }
}

impl Source for Procedure {
    fn call(&self, _: usize, attempt: &Attempt, _: &TraceContext) -> Result<Json, Error> {
        let value = self.client.call(&self.method, self.params.as_slice(), attempt)?;
        Json::parse(to_json(&value).into_bytes())
    }
}
