//! The built binary as a process: started, read line by line, signalled, waited for. Every wait is bounded, and a process
//! that is dropped is killed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Generous: it only ends tests that have failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// `headstart` with these arguments, and without whatever settings the environment of the tests has.
pub(crate) fn headstart(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headstart"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("HEADSTART_") || name == "RUST_LOG" {
            command.env_remove(&*name);
        }
    }
    command.args(args);
    command
}

/// What a finished process left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end.
pub(crate) fn finish(command: Command) -> Finished {
    let mut process = Process::start(command);
    let status = process.wait();
    Finished { code: status.code(), stdout: process.stdout.concat(), stderr: process.stderr.concat() }
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<(Stream, String)>,
    /// What has been read so far, each line with its end.
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Process {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (sender, lines) = channel();
        forward(Stream::Out, child.stdout.take().expect("piped"), sender.clone());
        forward(Stream::Err, child.stderr.take().expect("piped"), sender);
        Process { child, lines, stdout: Vec::new(), stderr: Vec::new() }
    }

    /// Waits for a line on standard error that contains `part`, and returns the first, new or read before.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.stderr.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            if let Err(end) = self.read_line(until) {
                panic!("{end:?} before a line with {part:?}; standard error: {:#?}", self.stderr);
            }
        }
    }

    /// Where it says it listens, as `address:port`.
    pub(crate) fn address(&mut self) -> String {
        let line = self.wait_for("listening on http://");
        let address = line.split("listening on http://").nth(1).expect("found above");
        address.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect()
    }

    /// Closes our ends of the pipes: from here on its writes fail.
    pub(crate) fn stop_reading(&mut self) {
        let (_, nothing) = channel();
        self.lines = nothing;
    }

    /// Waits for the process to end, with all its output read.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        while self.read_line(until).is_ok() {}
        // Its pipes are closed, so it is ending or nobody reads them; how long that takes is asked for now and then.
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("still running; standard error: {:#?}", self.stderr);
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("it is still running");
    }

    fn read_line(&mut self, until: Instant) -> Result<(), RecvTimeoutError> {
        let (stream, line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now()))?;
        match stream {
            Stream::Out => self.stdout.push(line),
            Stream::Err => self.stderr.push(line),
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `pipe` to its end, on a thread that ends with it.
fn forward(stream: Stream, pipe: impl Read + Send + 'static, lines: Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if lines.send((stream, String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}
