//! The contenders, one file for each kind.

mod envoy;
mod ours;
mod python;
mod rust;

use crate::floor::FLOOR;
use crate::harness::contender::{Contender, Launch};

/// Ours first. `direct` is not a contender: the latency of the others is added to it.
pub(crate) const ALL: [Contender; 11] = [
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
    DIRECT,
];

pub(crate) const DIRECT: Contender =
    Contender::new("direct", "no contender: the load asks the upstream itself", Launch::Direct).without_wrapper();

/// Those that a test of the bench can use: they need nothing but Cargo's registry.
pub(crate) const SMOKE: [&str; 4] = ["headstart", "floor", "hyper", "direct"];
