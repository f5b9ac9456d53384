//! Peers that are not ours: an upstream of Python's standard library, and `curl` as a client.

use headstart_testing::PATIENCE;
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The upstream of `python.py`.
pub(crate) struct Python {
    process: Child,
    lines: Receiver<String>,
    scheme: &'static str,
    port: u64,
    /// What it answers with.
    pub(crate) body: String,
    /// Requests reported so far, in order.
    pub(crate) requests: Vec<Seen>,
    /// When connections were closed by the client, by their number.
    gone: HashMap<u64, f64>,
}

/// A request as the upstream saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) connection: u64,
    /// In seconds, by the upstream's clock.
    pub(crate) at: f64,
    fields: Value,
}

impl Seen {
    /// The value of a header field, by its name in lower case.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub(crate) fn attempt(&self) -> usize {
        self.field("x-attempt").parse().unwrap()
    }

    /// The time left, as its header field says.
    pub(crate) fn left(&self) -> Duration {
        Duration::from_millis(self.field("x-request-timeout-ms").parse().unwrap())
    }
}

impl Python {
    pub(crate) fn start() -> Python {
        Python::with(&[] as &[&str], "http")
    }

    /// Speaks TLS with the certificate and the key of these files.
    pub(crate) fn start_tls(certificate: &OsStr, key: &OsStr) -> Python {
        Python::with(&[certificate, key], "https")
    }

    fn with(arguments: &[impl AsRef<OsStr>], scheme: &'static str) -> Python {
        let mut process = Command::new("python3")
            .args(["-I", "-c", include_str!("python.py")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let (sender, lines) = channel();
        let pipe = BufReader::new(process.stdout.take().expect("piped"));
        std::thread::spawn(move || pipe.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let gone = HashMap::new();
        let mut python = Python { process, lines, scheme, port: 0, body: String::new(), requests: Vec::new(), gone };
        python.until("it listens", |python| python.port > 0);
        python
    }

    /// The URL under which requests are treated as `path` says.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Waits until `is_so` holds of the reports.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&Python) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self) {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.note(&line),
                Err(error) => panic!("{error} before {what}: {:#?}, gone {:?}", self.requests, self.gone),
            }
        }
    }

    /// Waits until there have been this many requests in all.
    #[track_caller]
    pub(crate) fn until_requests(&mut self, count: usize) {
        self.until(&format!("{count} requests"), |python| python.requests.len() >= count);
    }

    /// Reads reports for this long: to see that something does not happen.
    pub(crate) fn listen_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.note(&line),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the upstream has ended"),
            }
        }
    }

    /// When the client closed the connection of `request`, if it did.
    pub(crate) fn gone(&self, request: &Seen) -> Option<f64> {
        self.gone.get(&request.connection).copied()
    }

    /// Waits until the clients have closed the connections of all requests so far.
    #[track_caller]
    pub(crate) fn until_all_gone(&mut self) {
        self.until("all are gone", |python| python.requests.iter().all(|request| python.gone(request).is_some()));
    }

    fn note(&mut self, line: &str) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let at = event["at"].as_f64().unwrap();
        match event["event"].as_str() {
            Some("listening") => {
                self.port = event["port"].as_u64().unwrap();
                self.body = event["body"].as_str().unwrap().to_owned();
            }
            Some("request") => {
                let connection = event["connection"].as_u64().unwrap();
                self.requests.push(Seen { connection, at, fields: event["fields"].clone() });
            }
            Some("gone") => drop(self.gone.insert(event["connection"].as_u64().unwrap(), at)),
            _ => panic!("{line}"),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `curl` with these arguments, quiet, without proxies and the user's settings.
pub(crate) fn curl(arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30"]).args(arguments);
    command
}

/// The answer that `curl` got.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    /// From the beginning of the call to the answer's last byte, as curl measured it.
    pub(crate) elapsed: Duration,
    pub(crate) body: String,
}

/// Fetches `url` over a connection of its own.
pub(crate) fn fetch(url: &str) -> Fetched {
    fetch_all(&[url]).remove(0)
}

/// Fetches one after the other over one connection.
pub(crate) fn fetch_all(urls: &[&str]) -> Vec<Fetched> {
    /// Ends each body; no body has it.
    const MARK: &str = "\u{1}";
    let output = curl(urls).args(["--write-out", &format!("{MARK}%{{http_code}} %{{time_total}}{MARK}")]).output();
    let output = output.expect("curl starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let parts: Vec<&str> = text.split(MARK).collect();
    let fetched = parts.chunks_exact(2).map(|pair| {
        let (status, seconds) = pair[1].split_once(' ').unwrap();
        let elapsed = Duration::from_secs_f64(seconds.parse().unwrap());
        Fetched { status: status.parse().unwrap(), elapsed, body: pair[0].to_owned() }
    });
    fetched.collect()
}
