//! The XML-RPC server of Python's standard library, as `xmlrpc.py` sets it up.

use crate::PATIENCE;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

pub struct Peer {
    process: Child,
    lines: Receiver<String>,
    port: u64,
    https: bool,
}

impl Peer {
    pub fn start() -> Peer {
        Peer::with(&[])
    }

    /// Speaks TLS with the certificate and the key of these files.
    pub fn start_tls(certificate: &OsStr, key: &OsStr) -> Peer {
        Peer::with(&[certificate, key])
    }

    fn with(arguments: &[&OsStr]) -> Peer {
        let mut command = Command::new("python3");
        command.args(["-I", "-c", include_str!("xmlrpc.py")]).args(arguments);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed");
        let (sender, lines) = channel();
        let pipe = BufReader::new(process.stdout.take().expect("piped"));
        std::thread::spawn(move || pipe.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut peer = Peer { process, lines, port: 0, https: !arguments.is_empty() };
        peer.port = peer.next("listening")["port"].as_u64().unwrap();
        peer
    }

    pub fn authority(&self) -> String {
        format!("{}:{}", if self.https { "localhost" } else { "127.0.0.1" }, self.port)
    }

    pub fn url(&self) -> String {
        format!("{}://{}/RPC2", if self.https { "https" } else { "http" }, self.authority())
    }

    /// The next event of this name. Others before it are skipped.
    #[track_caller]
    pub fn next(&self, name: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error} before '{name}'"));
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Waits for the next call of `hang`, and until its client has gone.
    #[track_caller]
    pub fn sees_hanging_then_left(&self) {
        let hanging = self.next("hanging")["connection"].clone();
        assert_eq!(self.next("left")["connection"], hanging);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
