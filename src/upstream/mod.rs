//! Blocking clients that can be ended.

use crate::crew::Crew;
use crate::error::Error;
use crate::race::Attempt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// Finds the addresses of host names.
pub trait Lookup: Send + Sync {
    /// The addresses of `host`, in order of preference. May block.
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own way to look names up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

#[allow(dead_code)]
pub(crate) struct UpstreamSettings {
    pub(crate) urls: Vec<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_body: u64,
    pub(crate) max_idle: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) timeout_header: String,
    pub(crate) max_redirects: u32,
    pub(crate) proxy: Option<String>,
    pub(crate) trusted: Vec<Vec<u8>>,
    pub(crate) lookup: Arc<dyn Lookup>,
}

#[derive(Debug)]
pub(crate) struct Upstreams {}
impl Upstreams {
    pub(crate) fn new(_crew: &Crew, _settings: UpstreamSettings) -> Result<Upstreams, Error> {
        todo!("client")
    }
    pub(crate) fn get(&self, _turn: usize, _attempt: &Attempt, _trace: &TraceContext) -> Result<String, Error> {
        todo!("client")
    }
    pub(crate) fn idle_connections(&self) -> usize {
        todo!("client")
    }
}
pub(crate) struct TraceContext {}
impl TraceContext {
    pub(crate) fn continuing(_traceparent: Option<&str>) -> TraceContext {
        todo!("client")
    }
}
