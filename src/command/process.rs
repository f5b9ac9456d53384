//! A running program and its group, until the last of it is gone.

use super::exit;
use super::output::{Output, Status};
use super::pipes::{Captured, Input, Pipes, failed};
use crate::cancel::{CancelReason, CancelToken};
use crate::crew::{Claim, Crew, Job};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::limit::TimeLimit;
use crate::ready::wait;
use crate::timeout::GRACE;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

/// A child with a group of its own. Dropping it kills what the group has, waits for the child's exit and collects its
/// status, so it is dropped where that may take a moment.
pub(super) struct Process {
    child: Child,
    /// The child's number and its group's, ours to signal as long as the status is not collected.
    id: Pid,
    exit: OwnedFd,
    /// Where somebody of the group, or of those who left it, may still write.
    outputs: [Option<OwnedFd>; 2],
}

impl Process {
    /// Starts `command`, which has to ask for a group of its own.
    pub(super) fn start(mut command: Command, name: &str, crew: &Crew) -> Result<Process, Error> {
        let started = command.spawn();
        let mut child = started.map_err(|source| Error::ProgramStart { program: name.to_owned(), source })?;
        let id = Pid::from_child(&child);
        match exit::of(id, name, crew) {
            Ok(exit) => Ok(Process { child, id, exit, outputs: [None, None] }),
            Err(error) => {
                signal(id, Signal::KILL);
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Takes our ends of the child's pipes.
    pub(super) fn pipes(&mut self, stdin: Arc<[u8]>, max_output: usize) -> Result<Pipes, Error> {
        Ok(Pipes {
            input: Input::new(self.child.stdin.take().map(OwnedFd::from), stdin)?,
            stdout: Captured::new(self.child.stdout.take().map(OwnedFd::from), max_output)?,
            stderr: Captured::new(self.child.stderr.take().map(OwnedFd::from), max_output)?,
        })
    }

    /// Waits for the child's exit, passing on what it reads and writes, until `limit` ends that.
    pub(super) fn run(&mut self, mut pipes: Pipes, limit: &TimeLimit) -> Result<Output, Error> {
        let result = self.converse(&mut pipes, limit);
        self.outputs = [pipes.stdout.pipe, pipes.stderr.pipe];
        result?;
        Ok(Output { status: self.status()?, stdout: pipes.stdout.bytes, stderr: pipes.stderr.bytes })
    }

    fn converse(&self, pipes: &mut Pipes, limit: &TimeLimit) -> Result<(), Error> {
        let (wake, awake) = io::pipe()?;
        let _canceled = limit.token().on_cancel(move |_| drop(awake));
        loop {
            limit.check(pipes.phase())?;
            let mut interests = vec![PollFd::new(&self.exit, PollFlags::IN), PollFd::new(&wake, PollFlags::IN)];
            interests.extend(pipes.interests());
            wait(&mut interests, limit.deadline())?;
            if has_happened(&interests[0]) {
                pipes.stdout.take_the_rest()?;
                return pipes.stderr.take_the_rest();
            }
            pipes.exchange()?;
        }
    }

    fn status(&self) -> Result<Status, Error> {
        let status = exit::status(self.id)?;
        let ended = status.and_then(|status| match status.terminating_signal() {
            Some(signal) => Some(Status::Signaled(signal)),
            None => status.exit_status().map(Status::Exited),
        });
        ended.ok_or_else(|| failed(Errno::CHILD))
    }

    /// Ends the group: here, when that is a matter of [`GRACE`], else on a thread of the crew.
    pub(super) fn end(self, name: &str, crew: &Crew, grace: Duration) {
        if self.is_over_by(Deadline::after(Duration::ZERO)) {
            return;
        }
        signal(self.id, Signal::TERM);
        let until = Deadline::after(grace);
        if self.is_over_by(until.earlier(Deadline::after(GRACE))) {
            return;
        }
        // Canceled from the start, so that it is listed for as long as it takes.
        let token = CancelToken::new();
        token.cancel(CancelReason::DeadlineExceeded);
        let run = move || {
            self.is_over_by(until);
            drop(self);
        };
        let job = Job { label: format!("ending {name}").into(), token: Some(token), run: Box::new(run) };
        if let Err(error) = crew.spawn(Claim::Request, job) {
            // The job was dropped, and with it the process.
            log::warn!("{name} was killed without its grace: {error}");
        }
    }

    /// Waits, until `until`, for the child's exit and the end of its outputs: the one sign there is that its children
    /// are gone too.
    fn is_over_by(&self, until: Deadline) -> bool {
        // Asked for nothing, a pipe still reports that its last writer is gone.
        let outputs = self.outputs.iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::empty()));
        let mut awaited = vec![PollFd::new(&self.exit, PollFlags::IN)];
        awaited.extend(outputs);
        while !awaited.is_empty() {
            let waited = wait(&mut awaited, until);
            awaited.retain(|descriptor| !has_happened(descriptor));
            if waited.is_err() || (until.has_passed() && !awaited.is_empty()) {
                return false;
            }
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        signal(self.id, Signal::KILL);
        // Another thread may wait for the exit by the number, which must not be given away before.
        let mut exit = [PollFd::new(&self.exit, PollFlags::IN)];
        while wait(&mut exit, Deadline::Never).is_ok() && !has_happened(&exit[0]) {}
        let _ = self.child.wait();
    }
}

fn has_happened(descriptor: &PollFd<'_>) -> bool {
    !descriptor.revents().is_empty()
}

/// Signals the group of the process `id`, whose status nobody has collected yet.
fn signal(id: Pid, signal: Signal) {
    let group = kill_process_group(id, signal);
    // A program may have joined another group, and is to end all the same.
    if group.is_err() || signal == Signal::KILL {
        let _ = kill_process(id, signal);
    }
}
