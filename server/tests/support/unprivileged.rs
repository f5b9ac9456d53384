//! The built binary under a user to whom the limit of processes applies, and that limit, changed while it runs.
//!
//! `RLIMIT_NPROC` does not apply to root. So a test that runs as root starts a copy of the binary, which all users can
//! execute, under an unused user number.

use super::client::Client;
use super::process::{Process, headstart};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Very likely unused, and below the numbers that a container maps.
const USER: u32 = 61_872;

pub(crate) struct Unprivileged {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    copy: Option<PathBuf>,
}

impl Unprivileged {
    /// On a free port, with these arguments.
    pub(crate) fn start(args: &[&str]) -> Unprivileged {
        let mut command = headstart(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        let copy = is_root().then(|| {
            let copy = std::env::temp_dir().join(format!("headstart-unprivileged-{}", unique()));
            fs::copy(command.get_program(), &copy).unwrap();
            let mut copied = Command::new(&copy);
            copied.args(command.get_args()).current_dir("/");
            for (name, _) in command.get_envs() {
                copied.env_remove(name);
            }
            command = copied;
            copy
        });
        let mut process = Process::start(as_user(command));
        let address = process.address().parse().unwrap();
        Unprivileged { process, address, copy }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// From here on the system refuses it every thread: its user already has one.
    pub(crate) fn refuse_threads(&self) {
        self.limit("1");
    }

    /// From here on it may have threads again.
    pub(crate) fn allow_threads(&self) {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.process.id())).unwrap();
        let row = limits.lines().find(|line| line.starts_with("Max processes")).unwrap();
        self.limit(row.split_whitespace().nth(3).unwrap());
    }

    fn limit(&self, soft: &str) {
        let mut command = Command::new("prlimit");
        command.arg("--pid").arg(self.process.id().to_string()).arg(format!("--nproc={soft}:"));
        // A user may change the limits of its own processes. In some places root may not.
        let output = as_user(command).output().expect("prlimit is there (apt-get install util-linux)");
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        if let Some(copy) = &self.copy {
            let _ = fs::remove_file(copy);
        }
    }
}

fn as_user(mut command: Command) -> Command {
    if is_root() {
        command.uid(USER).gid(USER);
    }
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn unique() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
