//! A proxy route before it is known what holds for all of them.

use headstart_server::api::ProxySettings;
use std::rc::Rc;

/// Sets what a proxy route says of its own.
pub(super) type SetOwn = Rc<dyn Fn(ProxySettings) -> ProxySettings>;

/// A prefix that is passed through, with what it says of its own.
#[derive(Clone)]
pub(crate) struct Passed {
    pub(crate) path: String,
    pub(crate) to: Vec<String>,
    pub(super) rest: Vec<SetOwn>,
}

impl Passed {
    /// Its settings, where `common` are those of every proxy route that does not say otherwise.
    pub(crate) fn settings(&self, common: &ProxySettings) -> ProxySettings {
        let route = common.clone().path(&self.path).to(&self.to);
        self.rest.iter().fold(route, |route, set| set(route))
    }
}
