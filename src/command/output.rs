//! What a program left: how it ended, what it wrote.

use crate::error::Error;
use crate::json::Json;
use std::fmt;

/// How much of standard error's last line is worth an error's message, in characters.
const SAID: usize = 200;

/// What a program that ran to its end left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// How it ended.
    pub status: Status,
    /// What it wrote to its standard output, complete.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, complete.
    pub stderr: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, which was not ours.
    Signaled(i32),
}

impl Status {
    /// Whether it exited with code 0.
    pub fn is_success(self) -> bool {
        self == Status::Exited(0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(code) => write!(f, "exit code {code}"),
            Status::Signaled(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl Output {
    /// The standard output of a program that succeeded.
    ///
    /// # Errors
    ///
    /// [`Error::ProgramFailed`] when the program did not exit with code 0, with the last line of its standard error.
    pub fn success(self) -> Result<Vec<u8>, Error> {
        if self.status.is_success() {
            return Ok(self.stdout);
        }
        let stderr = String::from_utf8_lossy(&self.stderr);
        let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
        let said = last.map(|line| line.chars().take(SAID).collect());
        Err(Error::ProgramFailed { how: self.status.to_string(), said })
    }

    /// The standard output of a program that succeeded and wrote JSON, as a source of a route has to.
    ///
    /// # Errors
    ///
    /// As [`success`](Output::success), and [`Error::Json`] when the output is not JSON.
    pub fn json(self) -> Result<Json, Error> {
        Json::parse(self.success()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(status: Status, stdout: &str, stderr: &str) -> Output {
        Output { status, stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn json_takes_code_0_and_json() {
        assert_eq!(output(Status::Exited(0), "{\"a\": 1}\n", "noise").json().unwrap().as_str(), "{\"a\": 1}\n");
        let garbage = output(Status::Exited(0), "a: 1", "").json();
        assert!(matches!(garbage, Err(Error::Json(_))), "{garbage:?}");
    }

    #[test]
    fn a_failure_says_how_and_what_the_program_said_last() {
        let failed = |status, stderr: &str| output(status, "{}", stderr).json().unwrap_err().to_string();
        assert_eq!(
            failed(Status::Exited(3), "a\n no such table \n\n"),
            "program ended with exit code 3: no such table"
        );
        assert_eq!(failed(Status::Signaled(9), ""), "program ended with signal 9");
        assert!(failed(Status::Exited(1), &"é".repeat(1_000)).ends_with(&format!(": {}", "é".repeat(SAID))));
    }
}
