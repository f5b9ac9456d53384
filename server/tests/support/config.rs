//! What the binary is given to be told off for, and what it says.

use super::process::{finish, headstart};
use std::fs;
use std::path::PathBuf;

/// A configuration file that goes with the test.
pub(crate) struct ConfigFile(PathBuf);

impl ConfigFile {
    /// `name` has to differ from that of every other one.
    pub(crate) fn new(name: &str, text: &str) -> ConfigFile {
        let path = std::env::temp_dir().join(format!("headstart-config-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        ConfigFile(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The one line that these arguments come to.
#[track_caller]
pub(crate) fn complaint(args: &[&str]) -> String {
    let finished = finish(headstart(args));
    assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{args:?}: {finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    finished.stderr
}
