//! What the tests of this package share. What those of other packages use too is in the package `headstart-testing`.

#![allow(dead_code, unused_macros)] // each target uses its part

#[cfg(all(feature = "memcached", feature = "mysql", feature = "xmlrpc", target_os = "linux"))]
pub(crate) mod closes_idle;
#[macro_use]
pub(crate) mod core;
pub(crate) mod hedging;
#[cfg(all(feature = "mysql", unix))]
pub(crate) mod mariadb;
#[cfg(all(feature = "command", target_os = "linux"))]
pub(crate) mod marked;
#[cfg(feature = "memcached")]
pub(crate) mod memcached;
#[cfg(all(feature = "http", unix))]
pub(crate) mod scripted;
