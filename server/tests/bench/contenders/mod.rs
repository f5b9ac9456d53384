//! The contenders, one file each.

mod floor;
mod headstart;
mod plain;

pub(crate) use floor::FLOOR;
pub(crate) use headstart::HEADSTART;
pub(crate) use plain::PLAIN;
