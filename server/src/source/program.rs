//! A program that writes JSON.

use super::Source;
use crate::command::Program;
use crate::crew::Crew;
use crate::error::Error;
use crate::http::{ClientSettings, Json, TraceContext};
use crate::race::Attempt;

/// One command line, run for each attempt.
pub(super) struct Command {
    crew: Crew,
    program: Program,
}

impl Command {
    /// `command:PROGRAM ARGUMENT...`; at most as much output is taken as of a body.
    pub(super) fn new(crew: &Crew, text: &str, client: &ClientSettings) -> Result<Command, Error> {
        let most = usize::try_from(client.max_body).unwrap_or(usize::MAX);
        Ok(Command { crew: crew.clone(), program: text.parse::<Program>()?.max_output(most) })
    }
}

impl Source for Command {
    fn call(&self, _: usize, attempt: &Attempt, _: &TraceContext) -> Result<Json, Error> {
        self.program.run(&self.crew, attempt)?.json()
    }
}
