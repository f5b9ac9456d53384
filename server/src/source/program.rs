//! A program that writes JSON.

use super::call::{Asked, Source};
use super::settings::SourceSettings;
use crate::error::Error;
use headstart::command::Program;
use headstart::crew::Crew;
use headstart::http::Json;
use headstart::race::Attempt;

/// One command line, run for each attempt.
pub(super) struct Command {
    crew: Crew,
    program: Program,
}

impl Command {
    /// `command:PROGRAM ARGUMENT...`; at most as much output is taken as of a body.
    pub(super) fn new(crew: &Crew, text: &str, settings: &SourceSettings) -> Result<Command, Error> {
        let most = usize::try_from(settings.max_body).unwrap_or(usize::MAX);
        Ok(Command { crew: crew.clone(), program: text.parse::<Program>()?.max_output(most) })
    }
}

impl Source for Command {
    fn call(&self, _: usize, attempt: &Attempt, _: &Asked) -> Result<Json, headstart::Error> {
        self.program.run(&self.crew, attempt)?.json()
    }
}
