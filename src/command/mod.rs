//! An external program with a deadline.
//!
//! The problem: a program that hangs has to be killed, and killing it is not enough. Its children live on and hold its
//! output open, so a reader that reads to the end hangs in their place; a pipe that nobody empties stops a program that
//! would have finished; a killed program stays a zombie until somebody asks for its status; and a signal sent after
//! that may hit a stranger who was given the number.
//!
//! The answer: a [`Program`] runs in a process group of its own, and one `poll` on the calling thread waits for all
//! there is: its output, room in its input, its exit, the deadline, the cancel token. However that ends, the whole
//! group is ended:
//!
//! 1. `SIGTERM` to the group, and the standard input closed.
//! 2. A [grace](Program::grace), which is over early when the program has exited and nobody holds its output any more.
//! 3. `SIGKILL` to whatever the group still has, and only then the program's status is collected, so that no signal is
//!    ever sent to a number that was given away.
//!
//! The caller does not wait for that. It is told by its deadline, or up to 5 ms later when the group ends as fast as
//! that, as most do. What takes longer goes on as a job of the crew, named `ending …` and listed in
//! [`CrewStats::stuck`](crate::CrewStats::stuck) meanwhile.
//!
//! A program that exits by itself has a result at that moment: what it wrote until then. Nobody waits for children that
//! still hold the output; they are ended like the rest. One that has let go of it was told nothing but `SIGKILL`.
//!
//! What this does not do:
//!
//! - End a process that left the group (`setsid`, a daemon). It lives on; our side of the output it may hold is closed
//!   after the grace.
//! - End what the system does not let us signal (a program of another user) or does not end (one in an uninterruptible
//!   wait). It keeps a thread of the crew and is listed as stuck.
//! - Bound the start: the calling thread waits in `exec` for a file system that hangs.
//! - Interpret anything: there is no shell unless the program is one.
//!
//! The embedding process has to leave our children to us (no `SIGCHLD` ignored, no waiting for any child) and, as every
//! Rust program does by default, to ignore `SIGPIPE`. When it is about to exit itself, [`Crew::shutdown`] lets the
//! endings finish.

mod exit;
mod output;
mod pipes;
mod process;

pub use output::{Output, Status};

use crate::crew::Crew;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use process::Process;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A program to be run: what is set here. It may be run many times, also at once.
///
/// ```
/// use headstart::command::{Program, Status};
/// use headstart::{Crew, CrewSettings, Error};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let sorted = Program::new("sort").arg("-r").stdin("1\n3\n2\n").run(&crew, Duration::from_secs(5))?;
/// assert_eq!((sorted.status, sorted.stdout.as_slice()), (Status::Exited(0), b"3\n2\n1\n".as_slice()));
///
/// let late = Program::new("sleep").arg("1000").run(&crew, Duration::from_millis(20));
/// assert!(matches!(late, Err(Error::TimedOut { .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is started before `run`"]
pub struct Program {
    program: OsString,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    inherits: Inherits,
    directory: Option<PathBuf>,
    stdin: Arc<[u8]>,
    max_output: usize,
    grace: Duration,
}

/// Which variables a program finds beside those it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inherits {
    Everything,
    Nothing,
}

impl Program {
    /// The program of this name, looked up in `PATH`, or at this path. Without arguments or input, in our environment
    /// and directory.
    pub fn new(program: impl AsRef<OsStr>) -> Program {
        Program {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            environment: Vec::new(),
            inherits: Inherits::Everything,
            directory: None,
            stdin: Arc::from([]),
            max_output: 1 << 20,
            grace: Duration::from_secs(2),
        }
    }

    /// One more argument, as it is.
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Program {
        self.args([arg])
    }

    /// More arguments, as they are.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable of the program's environment: the place for a password, since arguments are for all to see.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Program {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Gives the program only the variables given with [`env`](Program::env), and none of ours.
    pub fn without_our_env(mut self) -> Program {
        self.inherits = Inherits::Nothing;
        self
    }

    /// The directory the program runs in. Defaults to ours.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Program {
        self.directory = Some(directory.into());
        self
    }

    /// What the program finds on its standard input. Defaults to nothing. One that does not read it is not waited for.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Program {
        self.stdin = Arc::from(bytes.as_ref());
        self
    }

    /// The most taken of each of standard output and standard error, in bytes. Defaults to 1 MiB. A program that writes
    /// more is ended, and there is no result: half an output is none.
    pub fn max_output(mut self, bytes: usize) -> Program {
        self.max_output = bytes;
        self
    }

    /// How long the program and its children may take to end after `SIGTERM`, before `SIGKILL`. Defaults to 2 s. The
    /// caller does not wait for it.
    pub fn grace(mut self, grace: Duration) -> Program {
        self.grace = grace;
        self
    }

    /// Runs the program to its end, on the calling thread, and returns its output, whatever its status.
    ///
    /// `crew` lends a thread to what takes longer than 5 ms to end, and, where the system has no descriptor for a
    /// process (other than Linux, or before Linux 5.3), one to wait for the exit.
    ///
    /// # Errors
    ///
    /// - [`Error::TimedOut`] when the time is over, [`Error::Canceled`] when the limit's token was canceled.
    /// - [`Error::OutputTooLarge`] above [`max_output`](Program::max_output).
    /// - [`Error::ProgramStart`] with what the system said: not found, not permitted, out of descriptors.
    /// - [`Error::TooManyStuck`], [`Error::NoThread`] and [`Error::ThreadStart`]: the program did not run, or was ended
    ///   at once.
    pub fn run(&self, crew: &Crew, limit: impl Into<TimeLimit>) -> Result<Output, Error> {
        let limit = limit.into();
        limit.check(Phase::Wait)?;
        if let Some(most) = crew.is_full_of_stuck_calls() {
            return Err(Error::TooManyStuck { most });
        }
        let name = self.program.to_string_lossy();
        let mut process = Process::start(self.command(), &name, crew)?;
        let result = process.pipes(self.stdin.clone(), self.max_output).and_then(|pipes| process.run(pipes, &limit));
        process.end(&name, crew, self.grace);
        result
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if self.inherits == Inherits::Nothing {
            command.env_clear();
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let stdin = if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        command
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }
}

/// From `PROGRAM ARG…`, or `command:PROGRAM ARG…` as a route names it. Split into words as a shell does it, with
/// quotes, backslashes and comments; nothing is expanded, and no shell is run.
///
/// ```
/// use headstart::command::Program;
///
/// let program: Program = "command:python3 -c 'print(1 + 1)'".parse()?;
/// # Ok::<(), headstart::Error>(())
/// ```
impl FromStr for Program {
    type Err = Error;

    fn from_str(text: &str) -> Result<Program, Error> {
        let mistake = |allowed: &str| Error::Setting {
            key: "command".to_owned(),
            value: text.to_owned(),
            allowed: allowed.to_owned(),
        };
        let line = text.strip_prefix("command:").unwrap_or(text);
        let words = shlex::split(line).ok_or_else(|| mistake("a quote is not closed, or a backslash comes last"))?;
        match words.split_first() {
            Some((program, _)) if program.is_empty() => Err(mistake("a program's name or path comes first")),
            Some((program, args)) => Ok(Program::new(program).args(args)),
            None => Err(mistake("a program and its arguments")),
        }
    }
}

/// Without arguments and environment, which may hold what is not for logs.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("program", &self.program).finish_non_exhaustive()
    }
}
