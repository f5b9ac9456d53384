//! A process of the bench: started, read line by line, ended.

use super::{Result, cpus, role};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The contenders' standard error. It has a file of its own, so that warnings and progress do not mix.
pub(crate) const LOG: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/contenders.log");

/// Begins it anew.
pub(crate) fn clear_log() -> Result<()> {
    File::create(LOG)?;
    Ok(())
}

/// A process in one of the bench's roles, ended when this is dropped.
///
/// The children always end with the bench: the kernel ends them when the thread that started them is gone (see
/// `role`). That is why the main thread starts all of them.
pub(crate) struct Child {
    role: &'static str,
    process: std::process::Child,
    lines: Receiver<String>,
    /// Reads the process's output into `lines`; ends with it.
    reader: Option<JoinHandle<()>>,
}

impl Child {
    pub(crate) fn start(role: &'static str, cores: &[usize], arguments: &[(&str, String)]) -> Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", role, "--cpus", &cpus::list(cores)]);
        for (key, value) in arguments {
            command.arg(format!("--{key}")).arg(value);
        }
        // An empty environment: no proxies, no settings of other programs.
        command.env_clear().env("RUST_LOG", "warn");
        // And a process group, so that its children can be counted and ended with it.
        command.process_group(0);
        if role == role::CONTENDER {
            command.stderr(File::options().create(true).append(true).open(LOG)?);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let (tx, lines) = channel();
        let reader = thread::Builder::new().name(format!("{role}-output")).spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                if tx.send(line).is_err() {
                    break;
                }
            }
        });
        // The guard comes first: if the reader does not start, the process is still ended.
        let mut child = Child { role, process, lines, reader: None };
        child.reader = Some(reader?);
        Ok(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next line it writes, or `None` when it writes nothing for this long.
    pub(crate) fn line_within(&mut self, patience: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(format!("the {} ended: {}", self.role, self.process.wait()?).into())
            }
        }
    }

    /// The next line it writes.
    pub(crate) fn line(&mut self, patience: Duration) -> Result<String> {
        self.line_within(patience)?.ok_or_else(|| format!("the {} says nothing for {patience:?}", self.role).into())
    }

    /// Its answer to a line.
    pub(crate) fn ask(&mut self, question: &str, patience: Duration) -> Result<String> {
        let input = self.process.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{question}")?;
        self.line(patience)
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // These only fail for a process that has ended and been waited for.
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
