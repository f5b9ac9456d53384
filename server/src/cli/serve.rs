//! `headstart serve`, `headstart proxy` and `headstart sample`: from settings to a running server, and back to nothing.
//!
//! Started in the order in which the parts need each other, stopped in reverse: the front drains first, while
//! everything it needs still runs. The main thread does nothing in between but wait for a signal.

use crate::cli::failure::Failure;
use crate::cli::given::Given;
use crate::cli::layers::Effective;
use crate::cli::logging::Log;
use crate::cli::mistake::Mistake;
use crate::cli::probe;
use crate::cli::reload::LogReload;
use crate::cli::run::{cannot_listen, cannot_run, dismiss, register_signals};
use crate::cli::settings::{FrontKind, Settings};
use crate::cli::shown::without_secrets;
use crate::cli::signals::StopRequests;
use headstart::Crew;
use headstart_server::api::{Admin, Api};
use headstart_server::front::{Drained, Front, Handler, PlainServer};
use headstart_server::metrics::Metrics;
use headstart_server::sample::Sample;
use headstart_server::{Error, Server, ServerSettings};
use std::sync::Arc;
use std::time::Duration;

/// Client connections of the front for operators.
const ADMIN_CONNECTIONS: usize = 64;

/// How long an answer to an operator may take that is under way when everything else has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The server: with an embedded sample when there is no upstream.
///
/// `resolve` reads the settings again.
pub(super) fn serve(
    mut effective: Effective,
    log: Log,
    resolve: impl Fn() -> Result<Effective, Vec<Mistake>>,
) -> Result<(), Failure> {
    let mut stop = register_signals()?;
    let threads_are_given = effective.given_for("max_threads").is_some_and(Given::is_given);
    let settings = &mut effective.settings;
    if settings.front == FrontKind::TinyHttp && !threads_are_given {
        // tiny_http starts threads of its own, about one for each connection, and counts none.
        settings.crew = settings.crew.clone().max_threads(settings.crew.bound().0 / 2);
    }
    (settings.server, settings.crew) = settings.api().fit(settings.server.clone(), settings.crew.clone());
    let mut settings = effective.settings.clone();
    let crew = Crew::new(settings.crew.clone()).map_err(cannot_run)?;

    // `headstart proxy` has no endpoints that would call it.
    let embedded = match settings.upstreams.is_empty() && settings.to.is_empty() {
        true => Some(start_sample(&crew, "127.0.0.1:0", &effective)?),
        false => None,
    };
    match &embedded {
        Some(sample) => {
            settings.upstreams = vec![work_url(sample)];
            log::info!("no --upstream given, so the embedded sample is called: {}", work_url(sample));
        }
        None => {
            settings.upstreams.iter().for_each(|upstream| log::info!("upstream: {}", without_secrets(upstream)));
            probe::begin(&crew, &settings.upstreams);
        }
    }
    for (path, to) in settings.passed() {
        log::info!("{path} is passed through to {}", to.join(", "));
        probe::begin(&crew, to);
    }

    let metrics = Metrics::new();
    let api = Api::new(&crew, settings.api(), metrics.clone()).map_err(|error| refused(error, &effective))?;
    let api = Arc::new(api);
    let server: Arc<dyn Front> = match settings.front {
        FrontKind::Own => Arc::new(start_server(&crew, settings.server(), api.clone(), &effective)?),
        FrontKind::TinyHttp => {
            let started = PlainServer::start(&crew, settings.server(), api.clone());
            Arc::new(started.map_err(|error| not_started(error, &effective))?)
        }
    };
    metrics.watch(&server);
    let secured = settings.tls().is_some().then_some(&*server);
    let scheme = if secured.is_some() { "https" } else { "http" };
    say_where(&*server, scheme, if settings.to.is_empty() { "/api/smart?timeout=1000" } else { "/" });
    let admin = match &settings.admin {
        Some(listen) => Some(start_admin(&crew, listen, Admin::new(api.clone(), server.clone()), &effective)?),
        None => None,
    };

    let log = LogReload::new(&effective, log);
    let reload = || {
        reload(log.as_ref(), secured);
        if log.is_some() {
            reload_hedging(&api, resolve());
        }
    };
    drain(&mut stop, reload, settings.drain_timeout, &*server);
    if let Some(admin) = admin {
        // Whoever watches has seen the drain to its end.
        admin.shutdown(LAST_ANSWERS);
    }
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

/// Builds what can be built without listening or calling anybody: finds what only the parts themselves know to be
/// wrong.
pub(super) fn try_out(effective: &Effective) -> Result<(), Failure> {
    let Settings { crew, sample, .. } = effective.settings.clone();
    if let Some(files) = effective.settings.tls() {
        files.check().map_err(|error| refused(error, effective))?;
    }
    let crew = Crew::new(crew).map_err(cannot_run)?;
    Sample::new(sample).map_err(|error| refused(error, effective))?;
    let mut settings = effective.settings.clone();
    if settings.upstreams.is_empty() && settings.to.is_empty() {
        // In place of the embedded sample, whose address is not known before it listens.
        settings.upstreams = vec!["http://127.0.0.1/".to_owned()];
    }
    Api::new(&crew, settings.api(), Metrics::new()).map_err(|error| refused(error, effective))?;
    Ok(())
}

fn start_sample(crew: &Crew, listen: &str, effective: &Effective) -> Result<Server, Failure> {
    let sample = Sample::new(effective.settings.sample.clone()).map_err(|error| refused(error, effective))?;
    // In the clear: certificates are for the front's clients.
    let settings = effective.settings.server().listen(listen).tls(None);
    start_server(crew, settings, Arc::new(sample), effective)
}

/// The endpoints for operators, in the clear.
fn start_admin(crew: &Crew, listen: &str, admin: Admin, effective: &Effective) -> Result<Server, Failure> {
    let settings = ServerSettings::new(listen).max_connections(ADMIN_CONNECTIONS);
    let server = Server::start(crew, settings, Arc::new(admin)).map_err(|error| match error {
        Error::Listen { at, source } => Failure::Run(cannot_listen("--admin", &at, &source)),
        error => refused(error, effective),
    })?;
    log::info!("page, metrics and health are on http://{}", server.local_addr());
    Ok(server)
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
        Error::Listen { at, source } => Failure::Run(cannot_listen("--listen", &at, &source)),
        error => refused(error, effective),
    }
}

/// A setting that its part does not take: a mistake like any other, found later.
fn refused(error: Error, effective: &Effective) -> Failure {
    match error {
        Error::Setting { key, value, allowed } => {
            // As it was typed, where that is known: a library sees durations and certificates, not texts and paths.
            // One route of several names itself.
            let option = if is_of_all(&key, &value, effective) { "to" } else { &key };
            let given = effective.given_for(option).map(|given| match option {
                "route" => (given.key(), value.clone()),
                _ => (given.key(), given.written.to_string()),
            });
            let (key, value) = given.unwrap_or((key, value));
            Failure::Mistakes(vec![Mistake::Value { key, value, why: format!("expected {allowed}") }])
        }
        error => cannot_run(error),
    }
}

/// Whether a mistake in a route is one in what `headstart proxy` passes everything through to.
fn is_of_all(key: &str, value: &str, effective: &Effective) -> bool {
    !effective.settings.to.is_empty() && (key == "upstream" || (key == "route" && value.starts_with("/*=")))
}

fn work_url(sample: &Server) -> String {
    format!("http://{}/api/work", sample.local_addr())
}

fn say_where(server: &dyn Front, scheme: &str, path: &str) {
    log::info!("listening on {scheme}://{}", server.local_addr());
    // By its address the server has no name that its certificate could be for.
    let curl = if scheme == "https" { "curl --insecure" } else { "curl" };
    log::info!("try: {curl} '{scheme}://{}{path}'", server.reachable_addr());
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

/// A mistake costs nothing: the policies stay as they are.
fn reload_hedging(api: &Api, resolved: Result<Effective, Vec<Mistake>>) {
    match resolved {
        Ok(Effective { settings, .. }) => {
            let changed = api.change_policies(&settings.api());
            changed.iter().for_each(|(path, delay)| log::info!("SIGHUP: {path} is hedged after {delay} now"));
        }
        Err(mistakes) => mistakes.iter().for_each(|mistake| log::error!("SIGHUP: hedging stays as it is: {mistake}")),
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
    let total = server.stats().answered;
    if canceled + cut > 0 {
        log::warn!(
            "drained: of the requests in flight {answered} were answered, {canceled} canceled as their time was over, \
             {cut} cut off; {total} answered since the start"
        );
    } else {
        log::info!("drained: all {answered} requests in flight were answered; {total} since the start");
    }
}
