//! Programs whose processes are recognised by a variable in their environment, which children inherit.

use headstart::command::Program;
use std::fs;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

static MARKS: AtomicUsize = AtomicUsize::new(0);

/// The mark of a test's processes. When it is dropped, those that still run are killed.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Mark {
        let number = MARKS.fetch_add(1, Ordering::Relaxed);
        Mark(format!("{}-{number}", process::id()))
    }

    /// A program with the mark.
    pub(crate) fn program(&self, program: &str) -> Program {
        Program::new(program).env("HEADSTART_MARK", &self.0)
    }

    /// A shell's script with the mark.
    pub(crate) fn sh(&self, script: &str) -> Program {
        self.program("sh").args(["-c", script])
    }

    /// The processes with the mark that run now. A zombie has no environment any more.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = format!("HEADSTART_MARK={}", self.0);
        processes()
            .filter(|process| {
                let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
            })
            .collect()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        for process in self.processes() {
            let process = rustix::process::Pid::from_raw(process as i32).unwrap();
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether the system knows this process, even as a zombie.
pub(crate) fn is_known(process: u32) -> bool {
    fs::exists(format!("/proc/{process}")).unwrap()
}

/// Our children, zombies among them.
pub(crate) fn children() -> Vec<u32> {
    let parent = |process: &u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before it, in brackets, may contain anything.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    processes().filter(|process| parent(process) == Some(process::id())).collect()
}
