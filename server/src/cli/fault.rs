//! `headstart fault`: the fault proxy as a process.
//!
//! The faults can be changed while it runs: SIGHUP reads all layers of settings again, of which the file is the one
//! that can have changed, and the proxy goes on with what they say now. Listening elsewhere takes a new start.
//!
//! What this does not do: take orders over the network, where everybody could give them.

use crate::cli::failure::Failure;
use crate::cli::layers::Effective;
use crate::cli::logging::Log;
use crate::cli::mistake::Mistake;
use crate::cli::reload::LogReload;
use crate::cli::run::{cannot_listen, cannot_run, dismiss, register_signals};
use crate::cli::settings::Settings;
use crate::cli::values::ADMISSIONS;
use headstart::Crew;
use headstart_fault::{Admission, Direction, Drip, Error, FaultProxy, Faults};
use std::time::Duration;

/// Runs the proxy until it is told to stop. `resolve` reads the settings again.
pub(super) fn run(
    effective: &Effective,
    log: Log,
    resolve: impl Fn() -> Result<Effective, Vec<Mistake>>,
) -> Result<(), Failure> {
    let mut stop = register_signals()?;
    let settings = &effective.settings;
    let to = target(settings)?;
    let crew = Crew::new(settings.crew.clone()).map_err(cannot_run)?;
    let proxy = FaultProxy::start(&crew, &settings.fault_listen, to, settings.fault).map_err(|error| match error {
        Error::Listen { at, source } => Failure::Run(cannot_listen("--listen", &at, &source)),
        error => cannot_run(error),
    })?;
    log::info!("listening on {}, passing on to {to}", proxy.address());
    say(&settings.fault);

    let log = LogReload::new(effective, log);
    let signal = stop.wait(|| {
        log.iter().for_each(LogReload::run);
        reload(&proxy, settings, resolve());
    });
    let at_most = humantime::format_duration(settings.drain_timeout);
    log::info!("{signal}: nothing more is accepted, open connections have {at_most}; a second signal ends at once");
    let stats = proxy.stats();
    let ended = proxy.shutdown(settings.drain_timeout);
    log::info!("{} connections since the start, {ended} ended now", stats.total);
    dismiss(&crew);
    Ok(())
}

/// The upstream, which has no default.
pub(super) fn target(settings: &Settings) -> Result<&str, Failure> {
    settings
        .fault_to
        .as_deref()
        .ok_or_else(|| Failure::Mistakes(vec![Mistake::Missing { key: "--to", example: "127.0.0.1:9000" }]))
}

/// A mistake costs nothing: the proxy goes on with the faults it has.
fn reload(proxy: &FaultProxy, started: &Settings, resolved: Result<Effective, Vec<Mistake>>) {
    match resolved {
        Ok(Effective { settings, .. }) => {
            if (&settings.fault_listen, &settings.fault_to) != (&started.fault_listen, &started.fault_to) {
                log::warn!("SIGHUP: where it listens and what it passes on to stay as they are until the next start");
            }
            proxy.set(settings.fault);
            say(&settings.fault);
        }
        Err(mistakes) => mistakes.iter().for_each(|mistake| log::error!("SIGHUP: the faults stay: {mistake}")),
    }
}

fn say(faults: &Faults) {
    let untouched = Faults { one_in: faults.one_in, ..Faults::default() };
    match *faults == untouched {
        true => log::info!("faults: none"),
        false => log::info!("faults: {}", described(faults)),
    }
}

/// As they would be typed.
fn described(faults: &Faults) -> String {
    let mut words = Vec::new();
    if let Some((name, _)) = ADMISSIONS.iter().find(|(_, admission)| *admission == faults.admission) {
        words.extend((faults.admission != Admission::Pass).then(|| format!("admission={name}")));
    }
    for (way, direction) in [("to-upstream", &faults.to_upstream), ("to-client", &faults.to_client)] {
        let Direction { delay, jitter, drip, stall_after, cut_after, reset_after } = direction;
        let mut add = |name: &str, value: String| words.push(format!("{name}={way}={value}"));
        for (name, time) in [("delay", delay), ("jitter", jitter)] {
            if *time > Duration::ZERO {
                add(name, humantime::format_duration(*time).to_string());
            }
        }
        if let Some(Drip { bytes, every }) = drip {
            add("drip", format!("{bytes}/{}", humantime::format_duration(*every)));
        }
        for (name, after) in [("stall-after", stall_after), ("cut-after", cut_after), ("reset-after", reset_after)] {
            if let Some(after) = after {
                add(name, after.to_string());
            }
        }
    }
    words.extend((faults.one_in > 1).then(|| format!("one-in={}", faults.one_in)));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_effect_is_said_as_it_would_be_typed() {
        let mut faults = Faults { admission: Admission::Silent, one_in: 3, ..Faults::default() };
        faults.to_client.delay = Duration::from_millis(100);
        faults.to_upstream.stall_after = Some(0);
        let said = "admission=silent stall-after=to-upstream=0 delay=to-client=100ms one-in=3";
        assert_eq!(described(&faults), said);
    }
}
