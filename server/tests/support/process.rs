//! The built binary as a process: started, read line by line, signalled, waited for. Every wait is bounded, and
//! dropping a process kills it.

use headstart_testing::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

/// `headstart` with these arguments, and without settings from the environment of the tests.
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

/// The status and output of a finished process.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end.
pub(crate) fn finish(command: Command) -> Finished {
    let mut process = Process::start(command);
    let (status, stdout) = process.wait();
    Finished { code: status.code(), stdout, stderr: process.stderr.concat() }
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// The lines of standard error read so far, each with its end.
    pub(crate) stderr: Vec<String>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let out = lines(child.stdout.take().expect("piped"));
        let err = lines(child.stderr.take().expect("piped"));
        Process { child, out, err, stderr: Vec::new() }
    }

    /// Waits for a line on standard error that contains `part`, and returns the first, new or read before.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.stderr.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            match self.err.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.stderr.push(line),
                Err(end) => panic!("{end:?} before a line with {part:?}; standard error: {:#?}", self.stderr),
            }
        }
    }

    /// The address it reports to listen on, as `address:port`.
    pub(crate) fn address(&mut self) -> String {
        let line = self.wait_for("listening on http://");
        let address = line.split("listening on http://").nth(1).expect("found above");
        address.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect()
    }

    /// Closes our end of its standard error: its writes fail from the second next line on.
    pub(crate) fn stop_reading(&mut self) {
        self.err = channel().1;
    }

    /// Waits for the process to end, and returns how, and its standard output.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        self.stderr.append(&mut rest(&self.err, until));
        let stdout = rest(&self.out, until).concat();
        // It has closed both pipes, so it is ending.
        (self.child.wait().expect("it is our child"), stdout)
    }

    /// Its number in the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads lines from standard error until `is_enough` holds of all read so far.
    pub(crate) fn read_until(&mut self, what: &str, is_enough: impl Fn(&[String]) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_enough(&self.stderr) {
            match self.err.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.stderr.push(line),
                Err(end) => panic!("{end:?} before {what}; standard error: {:#?}", self.stderr),
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("it is still running");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of `pipe`, read on a thread that ends with it, or when the receiver is gone.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    lines
}

/// The remaining `lines`, until their end.
fn rest(lines: &Receiver<String>, until: Instant) -> Vec<String> {
    let mut rest = Vec::new();
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => rest.push(line),
            Err(RecvTimeoutError::Disconnected) => return rest,
            Err(RecvTimeoutError::Timeout) => panic!("still running after {rest:#?}"),
        }
    }
}
