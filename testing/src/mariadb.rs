//! A real MariaDB, started by the tests in a directory of its own, and gone with them.

use crate::PATIENCE;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Row};
use rustix::process::{Pid, Signal, getuid, kill_process};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, OnceLock};

/// Outlives whoever started it by a moment: when its input ends, however that comes about, it ends the server and takes
/// the directory away.
const GUARD: &str = r#"dir=$1; shift; "$@" 2>&1 & echo "pid $!"; cat >/dev/null; kill -KILL $!; wait; rm -rf "$dir""#;

/// One server.
pub struct MariaDb {
    guard: Child,
    pid: Pid,
    pub port: u16,
    directory: PathBuf,
}

/// The program of this name, also where only the superuser's path leads.
fn program(name: &str) -> PathBuf {
    let elsewhere = Path::new("/usr/sbin").join(name);
    if elsewhere.exists() { elsewhere } else { name.into() }
}

/// Where an empty database was set up once, to be copied by every server.
fn template() -> &'static Path {
    static TEMPLATE: LazyLock<(MariaDbDirectory, PathBuf)> = LazyLock::new(|| {
        let root = std::env::temp_dir().join(format!("headstart-mariadb-{}-template", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let guard = MariaDbDirectory::watch(&root);
        let data = root.join("data");
        let done = Command::new(program("mariadb-install-db"))
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=4M",
            ])
            .args(as_user())
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        (guard, data)
    });
    &TEMPLATE.1
}

/// A port that nobody uses, below those that the system gives to whoever asks for any (from 32,768 on Linux), so that
/// it stays free unless it is asked for by its number.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(31).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + (number % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A directory that goes with this process.
struct MariaDbDirectory {
    _guard: Child,
}

impl MariaDbDirectory {
    fn watch(directory: &Path) -> MariaDbDirectory {
        let mut command = Command::new("sh");
        command.args(["-c", r#"cat >/dev/null; rm -rf "$1""#, "sh"]).arg(directory);
        MariaDbDirectory { _guard: command.stdin(Stdio::piped()).spawn().unwrap() }
    }
}

fn as_user() -> Option<&'static str> {
    getuid().is_root().then_some("--user=root")
}

impl MariaDb {
    /// The server that all tests of a file share.
    pub fn shared() -> &'static MariaDb {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(MariaDb::start)
    }

    /// A server of the test's own.
    pub fn start() -> MariaDb {
        // Somebody else may take a port between the look at it and the server's use of it.
        (0..20).find_map(|_| MariaDb::start_on(free_port())).expect("a port that stays free")
    }

    fn start_on(port: u16) -> Option<MariaDb> {
        let directory = std::env::temp_dir().join(format!("headstart-mariadb-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let copied = Command::new("cp").arg("-r").arg(template()).arg(&directory).status().unwrap();
        assert!(copied.success());
        MariaDb::run(port, directory)
    }

    /// Runs a server; `None` when its port is taken.
    fn run(port: u16, directory: PathBuf) -> Option<MariaDb> {
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh"]).arg(&directory).arg(program("mariadbd")).arg("--no-defaults").args(as_user());
        for (option, file) in [("--datadir", "data"), ("--socket", "socket"), ("--pid-file", "pid")] {
            command.arg(format!("{option}={}", directory.join(file).display()));
        }
        command
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=16M"])
            .args(["--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF"])
            .args(["--innodb-lock-wait-timeout=60", "--log-warnings=2"])
            .arg(format!("--port={port}"));
        let mut guard = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh starts");
        let lines = lines(&mut guard);
        let mut said = Vec::new();
        let mut pid = None;
        loop {
            let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no server: {said:#?}"));
            if let Some(number) = line.strip_prefix("pid ") {
                pid = Pid::from_raw(number.parse().unwrap());
            }
            if line.contains("Bind on TCP/IP port") {
                drop(guard.stdin.take());
                let _ = guard.wait();
                return None;
            }
            if line.contains("ready for connections") {
                break;
            }
            said.push(line);
        }
        Some(MariaDb { guard, pid: pid.expect("the first line"), port, directory })
    }

    /// Ends the server and starts another one in its place.
    pub fn restarted(mut self) -> MariaDb {
        let kept = self.directory.with_extension("kept");
        std::fs::rename(&self.directory, &kept).unwrap();
        self.end();
        std::fs::rename(&kept, &self.directory).unwrap();
        MariaDb::run(self.port, self.directory.clone()).expect("its port is still free")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// A connection of the superuser, past everything that is tested.
    pub fn admin(&self) -> Conn {
        let options = OptsBuilder::new().ip_or_hostname(Some("127.0.0.1")).tcp_port(self.port).user(Some("root"));
        Conn::new(options.prefer_socket(false)).unwrap()
    }

    /// A user with a database, both of this name.
    pub fn create_user(&self, name: &str) {
        let mut admin = self.admin();
        admin.query_drop(format!("CREATE DATABASE {name}")).unwrap();
        admin.query_drop(format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")).unwrap();
        admin.query_drop(format!("GRANT ALL ON {name}.* TO {name}@'127.0.0.1'")).unwrap();
    }

    /// The connections of a user: their numbers, and what they run.
    ///
    /// `SHOW` writes its rows to the client. The table `information_schema.processlist` takes a temporary one, over
    /// which MariaDB 10.11 ends with a segmentation fault now and then (`ha_maria::drop_table`).
    pub fn connections_of(&self, user: &str) -> Vec<(u64, Option<String>)> {
        let rows: Vec<Row> = self.admin().query("SHOW FULL PROCESSLIST").unwrap();
        let of_user = rows.iter().filter(|row| row.get::<String, _>("User").as_deref() == Some(user));
        let mut found: Vec<_> =
            of_user.map(|row| (row.get("Id").unwrap(), row.get::<Option<String>, _>("Info").flatten())).collect();
        found.sort();
        found
    }

    fn end(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Every user's.
pub const PASSWORD: &str = "pass:w@rd+%";

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.end();
    }
}

fn lines(guard: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    let pipe = BufReader::new(guard.stdout.take().expect("piped"));
    // Reads on to the end, so that the server never waits for its log.
    std::thread::spawn(move || pipe.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    lines
}
