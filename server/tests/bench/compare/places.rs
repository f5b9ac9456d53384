//! Paths.

use crate::harness::Result;
use std::path::{Path, PathBuf};

/// The package of the rivals in Rust.
pub(crate) const RIVALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/rivals/Cargo.toml");
/// The rivals in Python.
pub(crate) const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/rivals/python");

/// Cargo's target directory, as configured.
pub(crate) fn target() -> &'static Path {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    scratch.parent().unwrap_or(scratch)
}

/// A file under the target directory that `rivals/install.sh` puts there.
pub(crate) fn installed(file: &str) -> Result<PathBuf> {
    let path = target().join(file);
    if path.exists() { Ok(path) } else { Err("not installed: `server/tests/bench/rivals/install.sh`".into()) }
}
