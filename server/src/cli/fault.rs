//! `headstart fault`: the fault proxy as a process, and how its faults are written.
//!
//! The faults can be changed while it runs: SIGHUP reads all layers of settings again, of which the file is the one that can have
//! changed, and the proxy goes on with what they say now. Listening elsewhere takes a new start.
//!
//! What this does not do: take orders over the network, where everybody could give them.

use crate::cli::Failure;
use crate::cli::layers::Effective;
use crate::cli::logging::Log;
use crate::cli::mistake::Mistake;
use crate::cli::reload::LogReload;
use crate::cli::serve::{cannot_listen, cannot_run, dismiss, register_signals};
use crate::cli::settings::Settings;
use crate::cli::values::{duration, size};
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
        Error::Listen { at, source } => Failure::Run(cannot_listen(&at, &source)),
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
    settings.fault_to.as_deref().ok_or_else(|| {
        Failure::Mistakes(vec![Mistake::Value {
            key: "--to".to_owned(),
            value: String::new(),
            allowed: "it has to be given, such as 127.0.0.1:9000".to_owned(),
        }])
    })
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
    if let Some((name, _)) = NAMED.iter().find(|(_, admission)| *admission == faults.admission) {
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

/// One value for both directions, or `to-client=` and `to-upstream=` with one each. What is not named has none, whatever a
/// lower layer says.
pub(super) fn each_way<T: Copy + Default>(
    faults: &mut Faults,
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    put: impl Fn(&mut Direction, T),
) -> Result<(), String> {
    let (mut to_client, mut to_upstream) = (None, None);
    for part in text.split(',').map(str::trim) {
        let (way, value) = part.split_once('=').unwrap_or(("", part));
        let value = parse(value.trim())?;
        let taken = match way.trim() {
            "" => to_client.replace(value).or(to_upstream.replace(value)),
            "to-client" => to_client.replace(value),
            "to-upstream" => to_upstream.replace(value),
            _ => return Err("allowed before the '=' are to-client and to-upstream".to_owned()),
        };
        if taken.is_some() {
            return Err("allowed is one value for each direction".to_owned());
        }
    }
    put(&mut faults.to_client, to_client.unwrap_or_default());
    put(&mut faults.to_upstream, to_upstream.unwrap_or_default());
    Ok(())
}

/// `SIZE/DURATION`.
pub(super) fn drip(text: &str) -> Result<Option<Drip>, String> {
    let parsed = text.split_once('/').and_then(|(bytes, every)| {
        Some(Drip { bytes: size(1..=1 << 30, bytes.trim()).ok()?, every: duration(every.trim()).ok()? })
    });
    parsed.map(Some).ok_or_else(|| {
        "allowed is a size and a duration with a slash between them, such as 1/50ms or 64KiB/1s".to_owned()
    })
}

/// A count of bytes.
pub(super) fn bytes(text: &str) -> Result<Option<u64>, String> {
    size(0..=1 << 40, text).map(Some)
}

const NAMED: [(&str, Admission); 4] = [
    ("pass", Admission::Pass),
    ("silent", Admission::Silent),
    ("reset", Admission::Reset),
    ("never", Admission::Never),
];

/// The names of what can become of a connection.
pub(super) const ADMISSIONS: &[&str] = &[NAMED[0].0, NAMED[1].0, NAMED[2].0, NAMED[3].0];

/// What becomes of a connection.
pub(super) fn admission(text: &str) -> Result<Admission, String> {
    let named = NAMED.iter().find(|(name, _)| *name == text);
    named.map(|(_, admission)| *admission).ok_or_else(|| format!("allowed are {}", ADMISSIONS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::values::duration_or_zero;

    fn delays(text: &str) -> Result<(u128, u128), String> {
        let mut faults = Faults::both_ways(Direction { delay: Duration::from_secs(9), ..Direction::default() });
        each_way(&mut faults, text, duration_or_zero, |way, delay| way.delay = delay)?;
        Ok((faults.to_client.delay.as_millis(), faults.to_upstream.delay.as_millis()))
    }

    #[test]
    fn a_fault_is_for_both_directions_or_for_those_that_are_named() {
        assert_eq!(delays("100ms"), Ok((100, 100)));
        assert_eq!(delays("to-client=1s"), Ok((1_000, 0)));
        assert_eq!(delays("to-upstream=5, to-client = 1s"), Ok((1_000, 5)));
        for (text, why) in [
            ("5,6", "one value for each"),
            ("5,to-client=6", "one value for each"),
            ("to-client=5,to-client=6", "one value for each"),
            ("client=5", "to-client and to-upstream"),
            ("to-client", "duration"),
            ("", "duration"),
            ("5,", "duration"),
        ] {
            assert!(delays(text).unwrap_err().contains(why), "{text}: {:?}", delays(text));
        }
    }

    #[test]
    fn a_drip_is_a_size_and_a_duration() {
        let taken = |bytes, millis| Ok(Some(Drip { bytes, every: Duration::from_millis(millis) }));
        assert_eq!(drip("1/50ms"), taken(1, 50));
        assert_eq!(drip("64KiB / 1s"), taken(65_536, 1_000));
        for text in ["", "1", "1/", "/50ms", "0/50ms", "1/0", "1/50ms/2", "-1/50ms"] {
            assert!(drip(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_in_effect_is_said_as_it_would_be_typed() {
        let mut faults = Faults { admission: Admission::Silent, one_in: 3, ..Faults::default() };
        faults.to_client.delay = Duration::from_millis(100);
        faults.to_upstream.stall_after = Some(0);
        let said = "admission=silent stall-after=to-upstream=0 delay=to-client=100ms one-in=3";
        assert_eq!(described(&faults), said);
    }
}
