//! Which front serves, and what of the settings it cannot have.

use crate::cli::layers::{Given, Origin};
use crate::cli::mistake::Mistake;
use crate::cli::settings::Settings;
use headstart::Threads;
use std::str::FromStr;

/// The front of `headstart serve`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Front {
    /// The library's own server.
    #[default]
    Own,
    /// The plain one.
    TinyHttp,
}

impl Front {
    pub(super) const NAMES: &'static [&'static str] = &["own", "tiny_http"];
}

impl FromStr for Front {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "own" => Ok(Front::Own),
            "tiny_http" => Ok(Front::TinyHttp),
            _ => Err("allowed are own and tiny_http".to_owned()),
        }
    }
}

/// The names of [`Threads`].
pub(super) const THREADS: &[&str] = &["crew", "fresh"];

pub(super) fn threads(text: &str) -> Result<Threads, String> {
    match text {
        "crew" => Ok(Threads::Crew),
        "fresh" => Ok(Threads::Fresh),
        _ => Err("allowed are crew and fresh".to_owned()),
    }
}

/// What tiny_http has no means to keep; see `PlainServer`.
const NOT_KEPT: [&str; 8] = [
    "max-connections",
    "max-connections-per-client",
    "max-head",
    "handshake-timeout",
    "head-timeout",
    "body-timeout",
    "idle-timeout",
    "write-timeout",
];

/// Lets `plain` stand for what it stands for, in `settings` and in what `--check` prints.
pub(super) fn spell_out_plain(settings: &mut Settings, winners: &mut [Given], mistakes: &mut Vec<Mistake>) {
    if !settings.plain {
        return;
    }
    (settings.front, settings.client.threads) = (Front::TinyHttp, Threads::Fresh);
    let Some(plain) = winners.iter().find(|given| given.option.name == "plain").cloned() else { return };
    for (name, text) in [("front", "tiny_http"), ("threads", "fresh")] {
        let Some(given) = winners.iter_mut().find(|given| given.option.name == name) else { continue };
        if given.origin == Origin::Default {
            (given.text, given.origin) = (text.to_owned(), plain.origin.clone());
        } else if given.text != text {
            let why = format!("it stands for {name} = {text}");
            mistakes.push(Mistake::Together { key: plain.key(), other: given.key(), why });
        }
    }
}

/// What cannot be had with the front chosen: mistakes, and warnings where it changes nothing.
pub(super) fn check(front: Front, winners: &[Given], mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let chosen = winners.iter().find(|given| given.option.name == "front");
    let (Front::TinyHttp, Some(chosen)) = (front, chosen) else { return Vec::new() };
    let set = |given: &&Given| given.origin != Origin::Default && !given.text.is_empty();
    if let Some(cert) = winners.iter().filter(set).find(|given| given.option.name == "tls-cert") {
        let why = "tiny_http speaks no TLS here".to_owned();
        mistakes.push(Mistake::Together { key: chosen.key(), other: cert.key(), why });
    }
    winners
        .iter()
        .filter(set)
        .filter(|given| NOT_KEPT.contains(&given.option.name))
        .map(|given| format!("{} means nothing with {}: tiny_http has no means to keep it", given.key(), chosen.key()))
        .collect()
}
