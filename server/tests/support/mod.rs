//! What the tests of this package share. What those of other packages use too is in the package `headstart-testing`.

#![allow(dead_code, unreachable_pub, unused_macros)] // each target uses its part

pub(crate) mod chance;
pub(crate) mod client;
#[cfg(target_os = "linux")]
pub(crate) mod closings;
#[cfg(feature = "cli")]
pub(crate) mod config;
#[cfg(all(feature = "cli", target_os = "linux"))]
pub(crate) mod hostile;
pub(crate) mod http;
#[cfg(target_os = "linux")]
pub(crate) mod large;
pub(crate) mod message;
#[cfg(feature = "cli")]
pub(crate) mod process;
#[cfg(all(feature = "cli", target_os = "linux"))]
pub(crate) mod proxied;
#[cfg(all(feature = "cli", unix))]
pub(crate) mod python;
#[cfg(target_os = "linux")]
pub(crate) mod queues;
#[cfg(target_os = "linux")]
pub(crate) mod script;
pub(crate) mod served;
pub(crate) mod server;
#[cfg(target_os = "linux")]
pub(crate) mod site;
#[macro_use]
pub(crate) mod stack;
pub(crate) mod teller;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(all(feature = "cli", target_os = "linux"))]
pub(crate) mod unprivileged;
