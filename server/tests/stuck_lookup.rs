//! A name that the system's resolver never finds an answer for: requests end in time all the same, the lookups that
//! cannot be ended are counted and do not pile up, and their threads come home.
//!
//! The binary runs with a `resolv.conf` of its own, in a mount namespace of its own, whose name server is a socket of
//! this test on loopback that never answers. Where the system does not let a test do that, it is ignored.

#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::Client;
use crate::support::process::{Process, headstart};
use rustix::process::Signal;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Any loopback address that nobody else asks for names.
const NAME_SERVER: &str = "127.13.37.53";
/// How long the resolver waits before it gives up.
const RESOLVER_SECONDS: u64 = 4;
/// Enters a mount namespace, as somebody who may mount there, puts `$1` and `$2` in the system's files' places, and
/// becomes the rest of its arguments.
const ENTER: &str = "mount --bind \"$1\" /etc/resolv.conf; [ ! -e /etc/nsswitch.conf ] || \
                     mount --bind \"$2\" /etc/nsswitch.conf; shift 2; exec \"$@\"";

/// Two files that take the place of the system's. They go with the test.
struct ResolverFiles {
    directory: PathBuf,
}

impl ResolverFiles {
    fn new() -> ResolverFiles {
        let directory = std::env::temp_dir().join(format!("headstart-{}-resolver", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let options = format!("nameserver {NAME_SERVER}\noptions timeout:{RESOLVER_SECONDS} attempts:1\n");
        std::fs::write(directory.join("resolv.conf"), options).unwrap();
        std::fs::write(directory.join("nsswitch.conf"), "hosts: files dns\n").unwrap();
        ResolverFiles { directory }
    }

    /// `command` in a mount namespace where the files are the system's.
    fn around(&self, command: &Command) -> Command {
        let mut around = Command::new("unshare");
        // Root may do it as it is; others as root of a user namespace of their own.
        around.args(if rustix::process::geteuid().is_root() { &["-m"][..] } else { &["-U", "-r", "-m"] });
        around.args(["sh", "-e", "-c", ENTER, "enter"]);
        around.args([self.directory.join("resolv.conf"), self.directory.join("nsswitch.conf")]);
        around.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => around.env(name, value),
                None => around.env_remove(name),
            };
        }
        around
    }
}

impl Drop for ResolverFiles {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// How many stuck lookups the status page lists. Attempts on their way home are listed for a moment too.
fn stuck_lookups(address: SocketAddr) -> usize {
    Client::connect(address).get("/").answer().text().matches("<td>lookup upstream.example</td>").count()
}

/// Waits until so many lookups are stuck; it is never more than one.
fn until_stuck(address: SocketAddr, count: usize) {
    let deadline = Instant::now() + headstart_testing::PATIENCE;
    loop {
        let stuck = stuck_lookups(address);
        assert!(stuck <= 1, "{stuck} lookups are stuck");
        if stuck == count {
            return;
        }
        assert!(Instant::now() < deadline, "never {count} lookups stuck");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[headstart_testing::needs("unshare")]
#[test]
fn a_lookup_that_hangs_holds_up_nobody_and_comes_home() {
    let name_server = UdpSocket::bind((NAME_SERVER, 53)).unwrap();
    let files = ResolverFiles::new();

    let upstream = "http://upstream.example:8080/";
    let options = ["--listen", "127.0.0.1:0", "--upstream", upstream];
    let mut process = Process::start(files.around(&headstart(&options)));
    let address: SocketAddr = process.address().parse().unwrap();

    let clients: Vec<_> = (0..50)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                let sent_at = Instant::now();
                let answer = client.get("/api/smart?timeout=500").answer();
                (answer.status, sent_at.elapsed())
            })
        })
        .collect();
    for (status, elapsed) in clients.into_iter().map(|client| client.join().unwrap()) {
        assert_eq!(status, 408);
        // In time by far: the resolver still waits.
        assert!(elapsed >= Duration::from_millis(500), "{elapsed:?}");
        assert!(elapsed < Duration::from_secs(RESOLVER_SECONDS - 1), "{elapsed:?}");
    }
    name_server.set_read_timeout(Some(headstart_testing::PATIENCE)).unwrap();
    name_server.recv(&mut [0; 512]).expect("the name server was asked");

    // All of them waited for one lookup, which runs on. Then it comes home.
    until_stuck(address, 1);
    until_stuck(address, 0);
    // And what it found, nothing, is the upstream's failure.
    process.wait_for("cannot be reached");
    process.signal(Signal::TERM);
    assert_eq!(process.wait().0.code(), Some(0), "{:#?}", process.stderr);
}
