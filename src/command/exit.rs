//! A descriptor that `poll` reports once a child process has exited, and that does not collect its status.
//!
//! Linux has one for that (`pidfd`, since 5.3). Elsewhere, and where a sandbox forbids it, a thread of the crew waits
//! for the exit and then closes a pipe.

use super::pipes::failed;
use crate::crew::{Claim, Crew, Job};
use crate::error::Error;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};
use std::io;
use std::os::fd::OwnedFd;

/// The descriptor for `child`, which `name` calls.
pub(super) fn of(child: Pid, name: &str, crew: &Crew) -> Result<OwnedFd, Error> {
    #[cfg(target_os = "linux")]
    if let Ok(descriptor) = rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty()) {
        return Ok(descriptor);
    }
    by_thread(child, name, crew)
}

fn by_thread(child: Pid, name: &str, crew: &Crew) -> Result<OwnedFd, Error> {
    let (exited, running) = io::pipe()?;
    let wait = move || {
        let _ = retry_on_intr(|| waitid(WaitId::Pid(child), EXITED));
        drop(running);
    };
    // Without a token: it is the program that is ended, and this ends with it.
    crew.spawn(Claim::Request, Job { label: format!("exit of {name}").into(), token: None, run: Box::new(wait) })?;
    Ok(exited.into())
}

/// Leaves the status where it is, so that the number remains the child's.
const EXITED: WaitIdOptions = WaitIdOptions::EXITED.union(WaitIdOptions::NOWAIT);

/// How `child`, which has exited, did so.
pub(super) fn status(child: Pid) -> Result<Option<WaitIdStatus>, Error> {
    waitid(WaitId::Pid(child), EXITED | WaitIdOptions::NOHANG).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crew::CrewSettings;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::process::{Command, Stdio};

    #[test]
    fn a_thread_stands_in_where_the_system_has_no_descriptor() {
        let crew = Crew::new(CrewSettings::default()).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let exit = by_thread(Pid::from_child(&child), "cat", &crew).unwrap();
        let is_over = |seconds| {
            let patience = Timespec { tv_sec: seconds, tv_nsec: 0 };
            poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&patience)).unwrap() == 1
        };
        assert!(!is_over(0));
        drop(child.stdin.take());
        assert!(is_over(20));
        let status = status(Pid::from_child(&child)).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(0));
        assert!(child.wait().unwrap().success(), "the status was still there");
    }
}
