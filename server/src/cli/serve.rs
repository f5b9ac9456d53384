//! `headstart serve` and `headstart sample`: from settings to a running server, and back to nothing.
//!
//! Started in the order in which the parts need each other, stopped in reverse: the front drains first, while everything it
//! needs still runs. The main thread does nothing in between but wait for a signal.

use crate::cli::Failure;
use crate::cli::front;
use crate::cli::layers::{Effective, Origin};
use crate::cli::limits::{self, Demand};
use crate::cli::logging::Log;
use crate::cli::mistake::Mistake;
use crate::cli::probe;
use crate::cli::reload::LogReload;
use crate::cli::settings::Settings;
use crate::cli::signals::StopRequests;
use headstart::{Client, Crew, Error, Threads};
use headstart_server::api::Api;
use headstart_server::front::{Drained, FileLimit, Front, Handler, PlainServer, reachable};
use headstart_server::metrics::Metrics;
use headstart_server::sample::Sample;
use headstart_server::{Server, ServerSettings};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// How long the crew's threads may take to come home once everything is canceled.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The server: with an embedded sample when there is no upstream.
pub(super) fn serve(mut effective: Effective, log: Log) -> Result<(), Failure> {
    let mut stop = register_signals()?;
    let threads_are_given = effective.given_for("max_threads").is_some_and(|given| given.origin != Origin::Default);
    let Settings { server, api, client, crew, front, .. } = &mut effective.settings;
    if *front == front::Front::TinyHttp && !threads_are_given {
        *crew = crew.clone().max_threads(crew.bound().0 / 2); // tiny_http starts threads of its own, about one for each connection, and counts none
    }
    *crew = crew.clone().max_files(FileLimit::raise().for_calls());
    let attempts = client.schedule.offsets().len();
    server.max_connections = limits::fit(&Demand {
        max_connections: server.max_connections,
        max_in_flight: api.max_in_flight,
        attempts,
        threads: match client.threads {
            // A connection's thread runs the primary of its request.
            Threads::Crew => attempts - 1,
            Threads::Fresh => attempts,
        },
        thread_bound: crew.bound(),
    });
    let mut settings = effective.settings.clone();
    let crew = Crew::new(settings.crew.clone()).map_err(cannot_run)?;

    let embedded = match settings.client.upstreams.is_empty() {
        true => Some(start_sample(&crew, "127.0.0.1:0", &effective)?),
        false => None,
    };
    match &embedded {
        Some(sample) => {
            settings.client.upstreams = vec![work_url(sample)];
            log::info!("no --upstream given, so the embedded sample is called: {}", work_url(sample));
        }
        None => {
            settings.client.upstreams.iter().for_each(|upstream| log::info!("upstream: {upstream}"));
            probe::begin(&crew, &settings.client.upstreams);
        }
    }

    let metrics = Metrics::new();
    settings.client.observer = Some(metrics.clone());
    let client = Client::new(&crew, settings.client.clone()).map_err(|error| refused(error, &effective))?;
    let api = Api::new(&crew, settings.api, client, metrics.clone());
    let api = api.with_routes(settings.routes, &settings.client).map_err(|error| refused(error, &effective))?;
    let server: Arc<dyn Front> = match settings.front {
        front::Front::Own => Arc::new(start_server(&crew, settings.server, Arc::new(api), &effective)?),
        front::Front::TinyHttp => {
            let started = PlainServer::start(&crew, settings.server, Arc::new(api));
            Arc::new(started.map_err(|error| not_started(error, &effective))?)
        }
    };
    metrics.watch(&server);
    let secured = effective.settings.server.tls.is_some().then_some(&*server);
    let scheme = if secured.is_some() { "https" } else { "http" };
    say_where(&*server, scheme, "/api/smart?timeout=1000");

    let log = LogReload::new(&effective, log);
    drain(&mut stop, || reload(log.as_ref(), secured), settings.drain_timeout, &*server);
    if let Some(sample) = embedded {
        sample.shutdown(Duration::ZERO);
    }
    dismiss(&crew);
    Ok(())
}

/// The sample upstream alone.
pub(super) fn sample(effective: Effective, log: Log) -> Result<(), Failure> {
    let mut stop = register_signals()?;
    let crew = Crew::new(effective.settings.crew.clone()).map_err(cannot_run)?;
    let server = start_sample(&crew, &effective.settings.sample_listen, &effective)?;
    say_where(&server, "http", "/api/work");
    let log = LogReload::new(&effective, log);
    drain(&mut stop, || reload(log.as_ref(), None), effective.settings.drain_timeout, &server);
    dismiss(&crew);
    Ok(())
}

/// Builds what can be built without listening or calling anybody: finds what only the parts themselves know to be wrong.
pub(super) fn try_out(effective: &Effective) -> Result<(), Failure> {
    let Settings { server, crew, mut client, api, routes, sample, .. } = effective.settings.clone();
    if let Some(files) = server.tls {
        files.check().map_err(|error| refused(error, effective))?;
    }
    let crew = Crew::new(crew).map_err(cannot_run)?;
    Sample::new(sample).map_err(|error| refused(error, effective))?;
    if client.upstreams.is_empty() {
        // In place of the embedded sample, whose address is not known before it listens.
        client.upstreams = vec!["http://127.0.0.1/".to_owned()];
    }
    let upstreams = Client::new(&crew, client.clone()).map_err(|error| refused(error, effective))?;
    let api = Api::new(&crew, api, upstreams, Metrics::new());
    api.with_routes(routes, &client).map_err(|error| refused(error, effective))?;
    Ok(())
}

pub(super) fn register_signals() -> Result<StopRequests, Failure> {
    StopRequests::register().map_err(|error| Failure::Run(format!("cannot wait for signals: {error}")))
}

fn start_sample(crew: &Crew, listen: &str, effective: &Effective) -> Result<Server, Failure> {
    let sample = Sample::new(effective.settings.sample.clone()).map_err(|error| refused(error, effective))?;
    let mut settings = effective.settings.server.clone();
    settings.listen = listen.to_owned();
    settings.tls = None; // certificates are for who calls the front
    start_server(crew, settings, Arc::new(sample), effective)
}

fn start_server(
    crew: &Crew,
    settings: ServerSettings,
    handler: Arc<dyn Handler>,
    effective: &Effective,
) -> Result<Server, Failure> {
    Server::start(crew, settings, handler).map_err(|error| not_started(error, effective))
}

fn not_started(error: Error, effective: &Effective) -> Failure {
    match error {
        Error::Listen { at, source } => Failure::Run(cannot_listen(&at, &source)),
        error => refused(error, effective),
    }
}

/// One line that says what to do about it.
pub(super) fn cannot_listen(at: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "; another process has it: stop that one, or listen elsewhere with --listen",
        ErrorKind::PermissionDenied => {
            "; ports below 1024 take privileges: use a higher one with --listen, or grant CAP_NET_BIND_SERVICE"
        }
        ErrorKind::AddrNotAvailable => {
            "; this machine does not have that address: --listen 0.0.0.0:PORT takes all it has"
        }
        _ => "",
    };
    format!("cannot listen on {at}: {error}{advice}")
}

/// A setting that its part does not take: a mistake like any other, found later.
fn refused(error: Error, effective: &Effective) -> Failure {
    match error {
        Error::Setting { key, value, allowed } => {
            // As it was typed, where that is known: a library sees durations and certificates, not texts and paths.
            // One route of several names itself.
            let given = effective.given_for(&key).map(|given| match key.as_str() {
                "route" => (given.key(), value.clone()),
                _ => (given.key(), given.text.clone()),
            });
            let (key, value) = given.unwrap_or((key, value));
            Failure::Mistakes(vec![Mistake::Value { key, value, allowed: format!("allowed is {allowed}") }])
        }
        error => cannot_run(error),
    }
}

pub(super) fn cannot_run(error: impl std::fmt::Display) -> Failure {
    Failure::Run(format!("cannot start: {error}"))
}

fn work_url(sample: &Server) -> String {
    format!("http://{}/api/work", sample.local_addr())
}

fn say_where(server: &dyn Front, scheme: &str, path: &str) {
    let address = server.local_addr();
    log::info!("listening on {scheme}://{address}");
    // By its address the server has no name that its certificate could be for.
    let curl = if scheme == "https" { "curl --insecure" } else { "curl" };
    log::info!("try: {curl} '{scheme}://{}{path}'", reachable(address));
}

/// Reads again what can be: the log's levels, and the certificate of a server that has one.
fn reload(log: Option<&LogReload>, secured: Option<&dyn Front>) {
    if log.is_none() && secured.is_none() {
        log::info!("SIGHUP ignored: there is neither a --config file nor a certificate to read again");
    }
    if let Some(log) = log {
        log.run();
    }
    if let Some(server) = secured {
        reload_certificate(server);
    }
}

/// A mistake in the files costs nothing: the server goes on with what it has.
fn reload_certificate(server: &dyn Front) {
    match server.reload_tls() {
        Ok(()) => log::info!("SIGHUP: new connections get what --tls-cert and --tls-key hold now"),
        Err(error) => log::error!("SIGHUP: the certificate in use stays: {error}"),
    }
}

/// Waits until told to stop, calling `reload` when told to do that, then lets `server` finish what it has begun.
fn drain(stop: &mut StopRequests, reload: impl Fn(), timeout: Duration, server: &dyn Front) {
    let signal = stop.wait(reload);
    let at_most = humantime::format_duration(timeout);
    log::info!("{signal}: no more requests are taken, those in flight have {at_most}; a second signal ends at once");
    let Drained { answered, canceled, cut, .. } = server.shutdown(timeout);
    if canceled + cut > 0 {
        log::warn!("drained: {answered} requests answered, {canceled} canceled as their time was over, {cut} cut off");
    } else {
        log::info!("drained: {answered} requests answered");
    }
}

pub(super) fn dismiss(crew: &Crew) {
    match crew.shutdown(LAST_WAIT) {
        0 => log::info!("stopped"),
        busy => log::warn!("stopped with {busy} threads in calls that could not be ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_address_comes_with_what_to_do_about_it() {
        for (kind, advice) in [
            (ErrorKind::AddrInUse, "another process"),
            (ErrorKind::PermissionDenied, "ports below 1024"),
            (ErrorKind::AddrNotAvailable, "--listen 0.0.0.0:PORT"),
        ] {
            let line = cannot_listen("192.0.2.1:80", &kind.into());
            assert!(line.starts_with("cannot listen on 192.0.2.1:80: ") && line.contains(advice), "{line}");
        }
    }

    #[test]
    fn the_hint_names_an_address_that_can_be_called() {
        for (listens, hint) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), hint);
        }
    }
}
