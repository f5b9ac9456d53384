//! Which log lines are written: chosen at start in any layer, and while the server runs by SIGHUP.

#![cfg(feature = "cli")]

use crate::support::process::{Process, finish, headstart};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

/// A configuration file that changes, and goes with the test.
struct ConfigFile(PathBuf);

impl ConfigFile {
    fn new(name: &str, text: &str) -> ConfigFile {
        let path = std::env::temp_dir().join(format!("headstart-log-{}-{name}", std::process::id()));
        let file = ConfigFile(path);
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A GET whose answer has come.
fn ask(address: &str, path: &str) {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

/// The level that holds, and where it came from.
fn checked(args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = headstart(&["--check"]);
    command.args(args).envs(variables.iter().copied());
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let line = finished.stdout.lines().find(|line| line.starts_with("log = ")).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn rust_log_goes_before_the_file_and_behind_what_means_this_program_alone() {
    let file = ConfigFile::new("layers.toml", "log = 'warn'\n");
    let config = ["--config", file.path()];
    let both = [("HEADSTART_LOG", "debug"), ("RUST_LOG", "error")];
    assert_eq!(checked(&[], &[]), "log = \"info\" # default");
    assert_eq!(checked(&config, &[]), format!("log = \"warn\" # {}:1", file.path()));
    assert_eq!(checked(&config, &[("RUST_LOG", "")]), format!("log = \"warn\" # {}:1", file.path()));
    assert_eq!(checked(&config, &both[1..]), "log = \"error\" # RUST_LOG");
    assert_eq!(checked(&config, &both), "log = \"debug\" # HEADSTART_LOG");
    assert_eq!(checked(&["--log", "off"], &both), "log = \"off\" # --log");
}

#[test]
fn a_mistake_in_the_levels_is_found_at_start() {
    let file = ConfigFile::new("wrong.toml", "log = 'headstart=loud'\n");
    let finished = finish(headstart(&["--config", file.path()]));
    let start = format!(
        "headstart: log in {}:1 cannot be 'headstart=loud': 'loud' is not a level; expected a level",
        file.path()
    );
    assert!(finished.code == Some(2) && finished.stderr.starts_with(&start), "{finished:?}");
}

#[cfg(unix)]
mod signals {
    use super::*;
    use rustix::process::Signal;

    /// A request for `path` leaves its access line.
    fn assert_logged(process: &mut Process, address: &str, path: &str) {
        ask(address, path);
        process.wait_for(&format!("path={path} "));
    }

    #[test]
    fn sighup_lets_the_log_follow_the_file() {
        for verb in ["serve", "sample"] {
            let file = ConfigFile::new(&format!("follow-{verb}.toml"), "log = 'info'\n");
            let mut process = Process::start(headstart(&[verb, "--listen", "127.0.0.1:0", "--config", file.path()]));
            let address = process.address();
            assert_logged(&mut process, &address, "/one");

            // Said before it holds, as it would not be after. A second signal, whose complaint is, tells that it does.
            file.write("log = 'warn'\n");
            process.signal(Signal::HUP);
            process.wait_for("SIGHUP: log levels are now warn");
            file.write("log = 'headstart=loud'\n");
            process.signal(Signal::HUP);
            process.wait_for("SIGHUP: the log levels in use stay: ");
            ask(&address, "/silent");

            // By module, of which the highest level alone says nothing. It lets this be said, so it holds when it is.
            file.write("log = 'info,headstart::access=off'\n");
            process.signal(Signal::HUP);
            process.wait_for("SIGHUP: log levels are now info,headstart::access=off");
            ask(&address, "/silent-too");

            // Without the key the default holds again.
            file.write("");
            process.signal(Signal::HUP);
            process.wait_for("SIGHUP: log levels are now info\n");
            assert_logged(&mut process, &address, "/heard");
            process.signal(Signal::TERM);
            assert_eq!(process.wait().0.code(), Some(0));
            assert!(!process.stderr.iter().any(|line| line.contains("path=/silent")), "{:#?}", process.stderr);
        }
    }

    #[test]
    fn a_mistake_in_the_file_is_logged_and_what_was_there_stays() {
        let file = ConfigFile::new("stays.toml", "log = 'info'\n");
        let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0", "--config", file.path()]));
        let address = process.address();
        process.wait_for("try: curl");
        for (number, (text, complaint)) in [
            (
                "log = 'headstart=loud'\n",
                format!("log in {}:1 cannot be 'headstart=loud': 'loud' is not a level; expected a level", file.path()),
            ),
            ("log = 3\n", format!("log in {}:1 cannot be 3: expected text in quotes", file.path())),
            ("log = 'off'\nuptsream = 'http://a/'\n", format!("uptsream in {}:2 is not an option", file.path())),
            ("log = 'off\n", format!("{}:1: ", file.path())),
        ]
        .into_iter()
        .enumerate()
        {
            file.write(text);
            process.signal(Signal::HUP);
            let line = process.wait_for(&format!("SIGHUP: the log levels in use stay: {complaint}"));
            assert!(line.contains("ERROR"), "{line}");
            assert_logged(&mut process, &address, &format!("/{number}"));
        }
    }

    #[test]
    fn what_goes_before_the_file_still_does_after_sighup() {
        let file = ConfigFile::new("before.toml", "log = 'error'\n");
        let mut command = headstart(&["--listen", "127.0.0.1:0", "--config", file.path()]);
        command.env("RUST_LOG", "info");
        let mut process = Process::start(command);
        let address = process.address();
        process.wait_for("try: curl");
        process.signal(Signal::HUP);
        process.wait_for("SIGHUP: the log levels in use stay: RUST_LOG goes before the configuration file");
        assert_logged(&mut process, &address, "/one");
    }
}
