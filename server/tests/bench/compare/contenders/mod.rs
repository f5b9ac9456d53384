//! The contenders, one file for each kind.

mod envoy;
mod ours;
mod proxies;
mod python;
mod rust;

use crate::floor::FLOOR;
use crate::harness::contender::{Contender, Launch};

/// Ours first. `direct` is not a contender: the latency of the others is added to it.
pub(crate) const ALL: [Contender; 14] = [
    ours::HEADSTART,
    ours::PLAIN,
    ours::FRONT,
    ours::THREADS,
    FLOOR,
    rust::HYPER,
    rust::AXUM,
    python::FASTAPI,
    python::ASYNCIO,
    envoy::ENVOY,
    proxies::PROXY,
    proxies::NGINX,
    proxies::HAPROXY,
    DIRECT,
];

pub(crate) const DIRECT: Contender =
    Contender::new("direct", "no contender: the load asks the upstream itself", Launch::Direct).without_wrapper();

/// Those that a test of the bench can use: they need nothing but Cargo's registry.
pub(crate) const SMOKE: [&str; 5] = ["headstart", "floor", "hyper", "proxy", "direct"];
