//! A server takes all the open files it may have, and says so when they are too few. One test, because limit and
//! logger belong to the whole process.
#![cfg(target_os = "linux")]

use crate::support::server::{settings, start_echo};
use log::{LevelFilter, Log, Metadata, Record};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Mutex;

/// Keeps the warnings.
struct Keeps(Mutex<Vec<String>>);

static LOG: Keeps = Keeps(Mutex::new(Vec::new()));

impl Log for Keeps {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.args().to_string().contains("max_connections") {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// What a server with room for so many connections warns of.
fn warnings(max_connections: usize) -> Vec<String> {
    let fixture = start_echo(settings().max_connections(max_connections));
    fixture.assert_serves();
    std::mem::take(&mut *LOG.0.lock().unwrap())
}

#[test]
fn a_server_takes_all_the_files_it_may_have_and_warns_of_too_few() {
    headstart_testing::alone!();
    log::set_logger(&LOG).unwrap();
    log::set_max_level(LevelFilter::Warn);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(150), maximum }).unwrap();
    assert_eq!(warnings(10), [""; 0]);
    assert_eq!(getrlimit(Resource::Nofile).current, maximum, "raised to the hard limit");

    setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: Some(200) }).unwrap();
    assert_eq!(warnings(68), [""; 0], "half of what 64 others leave");
    let warned = warnings(69);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("68 are admitted") && warned[0].contains("200 files") && warned[0].contains("to 202"));
}
