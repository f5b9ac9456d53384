//! The roles of this binary when it is started by itself.
//!
//! The command line of a role is `--role NAME --cpus LIST` and pairs of `--key value`. Every role first puts itself on
//! its cores and ties its life to the parent's: the kernel ends it when the bench ends, even by Ctrl-C or `kill -9`.

use super::contender::{Contender, Launch, Site};
use super::{Result, cpus, large, load, paced, upstream};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::os::unix::process::CommandExt;
use std::str::FromStr;

pub(crate) const CONTENDER: &str = "contender";
/// Takes large bodies.
pub(crate) const FETCH: &str = "fetch";
pub(crate) const LOAD: &str = "load";
pub(crate) const PACED: &str = "paced";
/// An upstream with a large body.
pub(crate) const SOURCE: &str = "source";
pub(crate) const UPSTREAM: &str = "upstream";

/// Pairs of `--key value`.
pub(crate) struct Arguments(Vec<(String, String)>);

impl Arguments {
    pub(crate) fn parse(typed: &[String]) -> Result<Arguments> {
        let pair = |pair: &[String]| match pair {
            [key, value] => Some((key.strip_prefix("--")?.to_owned(), value.clone())),
            _ => None,
        };
        let pairs: Option<Vec<_>> = typed.chunks(2).map(pair).collect();
        pairs.map(Arguments).ok_or_else(|| format!("not pairs of --key value: {typed:?}").into())
    }

    pub(crate) fn get<T: FromStr>(&self, key: &str) -> Result<T> {
        let value = self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        let value = value.ok_or_else(|| format!("--{key} is missing"))?;
        value.parse().map_err(|_| format!("--{key} cannot be '{value}'").into())
    }
}

/// Puts the process in its place: on its cores, and ended when the bench ends.
pub(crate) fn settle(arguments: &Arguments) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    cpus::pin(&arguments.get::<String>("cpus")?)
}

pub(crate) fn take(arguments: &Arguments, contenders: &[Contender]) -> Result<()> {
    settle(arguments)?;
    match arguments.get::<String>("role")?.as_str() {
        SOURCE => large::serve(arguments),
        UPSTREAM => upstream::serve(arguments),
        FETCH => large::fetch(arguments),
        LOAD => load::run(arguments),
        PACED => paced::run(arguments),
        CONTENDER => contend(arguments, contenders),
        other => Err(format!("no role is called '{other}'").into()),
    }
}

fn contend(arguments: &Arguments, contenders: &[Contender]) -> Result<()> {
    let name: String = arguments.get("name")?;
    let contender = contenders.iter().find(|known| known.name == name).ok_or("no such contender")?;
    let site = Site { listen: arguments.get("listen")?, upstream: arguments.get("upstream")? };
    match contender.launch {
        Launch::Function(serve) => serve(&site),
        Launch::Direct => Err(format!("{name} has no process").into()),
        // The program replaces this process, and keeps its number, its cores and its tie to the parent.
        Launch::Program(command) => {
            let mut command = command(&site)?;
            let error = command.exec();
            Err(format!("{}: {error}", command.get_program().display()).into())
        }
    }
}
