//! `--plain`, and what cannot be had with the front chosen.

use crate::cli::given::{Given, Origin, Written};
use crate::cli::mistake::Mistake;
use crate::cli::settings::{FrontKind, Settings};
use headstart::Threads;
use headstart::http::Calls;

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
    (settings.front, settings.threads) = (FrontKind::TinyHttp, Threads::Fresh);
    settings.sources = settings.sources.clone().calls(Calls::Ureq);
    let Some(plain) = winners.iter().find(|given| given.option.name == "plain").cloned() else { return };
    for (name, text) in [("front", "tiny_http"), ("threads", "fresh"), ("calls", "ureq")] {
        let Some(given) = winners.iter_mut().find(|given| given.option.name == name) else { continue };
        let spelled_out = Written::Text(text.to_owned());
        if given.origin == Origin::Default {
            (given.written, given.origin) = (spelled_out, plain.origin.clone());
        } else if given.written != spelled_out {
            let why = format!("it stands for {name} = {text}");
            mistakes.push(Mistake::Together { key: plain.key(), other: given.key(), why });
        }
    }
}

/// What cannot be had with the front chosen: mistakes, and warnings where it changes nothing.
pub(super) fn check(front: FrontKind, winners: &[Given], mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let chosen = winners.iter().find(|given| given.option.name == "front");
    let (FrontKind::TinyHttp, Some(chosen)) = (front, chosen) else { return Vec::new() };
    let given = || winners.iter().filter(|given| given.is_given());
    if let Some(cert) = given().find(|given| given.option.name == "tls-cert") {
        let why = "tiny_http speaks no TLS here".to_owned();
        mistakes.push(Mistake::Together { key: chosen.key(), other: cert.key(), why });
    }
    given()
        .filter(|given| NOT_KEPT.contains(&given.option.name))
        .map(|given| format!("{} means nothing with {}: tiny_http has no means to keep it", given.key(), chosen.key()))
        .collect()
}
