//! The loads, and the figures that are measured under each.

use crate::asked::Options;
use crate::harness::Result;
use crate::harness::contender::{Contender, Launch};
use crate::harness::cpus::Halves;
use crate::harness::measure::number;
use crate::harness::role;
use crate::harness::stage::{Seen, Stage};
use crate::harness::used::Busy;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Saturation {
        connections: usize,
    },
    Rate,
    Tail,
    InFlight {
        requests: usize,
    },
    Burst {
        connections: usize,
    },
    /// Like `Saturation`, passed through.
    ProxySmall {
        connections: usize,
    },
    /// A body of 100 MiB.
    ProxyLarge,
}

/// The results of a contender under a load, in one round.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) numbers: BTreeMap<&'static str, f64>,
    /// Shares of the requests, and the most milliseconds that each share took.
    pub(crate) percentiles: Vec<(f64, f64)>,
    pub(crate) busy: Busy,
    /// Wrong answers.
    pub(crate) wrong: u64,
    /// The first answer that was wrong or missing.
    pub(crate) first_bad: Option<String>,
}

/// A figure in a table: its key, its title, its decimals.
pub(crate) type Column = (&'static str, &'static str, usize);

const RATE: f64 = 500.0;
const TAIL_RATE: f64 = 300.0;
/// The seed of the upstream's delays.
const TAIL_SEED: u32 = 20;
/// Clients of an open loop; more are opened when all are busy.
const CLIENTS: usize = 64;
const HELD: Duration = Duration::from_secs(1);
/// All requests of `InFlight` are sent within this time. It is half of the upstream's delay, so that all are in flight
/// in the other half.
const RAMP: Duration = Duration::from_millis(500);
const MIB: f64 = 1_048_576.0;

impl Load {
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Load::Saturation { .. } => "a",
            Load::Rate => "b",
            Load::Tail => "c",
            Load::InFlight { .. } => "d",
            Load::Burst { .. } => "e",
            Load::ProxySmall { .. } => "proxy-small",
            Load::ProxyLarge => "proxy-large",
        }
    }

    /// The connections or requests at a time, for a load that varies them.
    pub(crate) fn size(self) -> Option<usize> {
        match self {
            Load::Saturation { connections: size } | Load::InFlight { requests: size } => Some(size),
            Load::Rate | Load::Tail | Load::Burst { .. } | Load::ProxySmall { .. } | Load::ProxyLarge => None,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Load::Saturation { .. } => "(a) Saturation: keep-alive connections in a closed loop, upstream at 0 ms",
            Load::Rate => "(b) 500 requests a second, upstream at 0 ms, latency from the moment a request was due",
            Load::Tail => {
                "(c) Heavy tail: 300 requests a second, upstream at 20 ms (median), one in twenty 400 to 1,500 ms"
            }
            Load::InFlight { .. } => "(d) Requests in flight, all sent within 500 ms to an upstream that takes 1 s",
            Load::Burst { .. } => "(e) Burst: 500 new connections at once, a request on each, upstream at 0 ms",
            Load::ProxySmall { .. } => {
                "(proxy-small) A GET of 10 bytes passed through, 64 keep-alive connections in a closed loop, upstream \
                 at 0 ms; `headstart` answers it on `/api/smart`"
            }
            Load::ProxyLarge => "(proxy-large) A body of 100 MiB passed through, over and over on one connection",
        }
    }

    /// Whom the others are compared with.
    pub(crate) fn base(self) -> &'static str {
        match self {
            Load::ProxySmall { .. } | Load::ProxyLarge => "proxy",
            _ => "headstart",
        }
    }

    /// Whether this contender takes part. Ten thousand at a time are for ours only.
    pub(crate) fn suits(self, contender: &Contender) -> bool {
        match self {
            Load::ProxySmall { .. } => contender.passes || contender.name == "headstart",
            Load::ProxyLarge => contender.passes,
            _ if contender.passes => false,
            Load::Rate | Load::Tail => true,
            Load::InFlight { requests: 10_000 } => contender.name == "headstart",
            _ => !matches!(contender.launch, Launch::Direct),
        }
    }

    /// Contenders are compared by the first.
    pub(crate) fn columns(self) -> &'static [Column] {
        match self {
            Load::Saturation { .. } | Load::ProxySmall { .. } => &[
                ("cpu_us", "CPU µs/request", 1),
                ("user_us", "of it user", 1),
                ("system_us", "system", 1),
                ("per_second", "requests/s", 0),
                ("p50", "p50 ms", 2),
                ("p99", "p99 ms", 2),
                ("p999", "p99.9 ms", 2),
                ("threads", "threads", 0),
                ("memory", "RSS MiB", 1),
            ],
            Load::Rate => &[
                ("p99", "p99 ms", 2),
                ("p50", "p50 ms", 2),
                ("p999", "p99.9 ms", 2),
                ("added_p50", "added p50 ms", 3),
                ("added_p99", "added p99 ms", 3),
                ("cpu_us", "CPU µs/request", 0),
                ("answered", "answered %", 2),
                ("late_p99", "sent late, p99 ms", 2),
            ],
            Load::Tail => &[
                ("p99", "p99 ms", 0),
                ("p50", "p50 ms", 1),
                ("p999", "p99.9 ms", 0),
                ("extra", "extra upstream requests %", 1),
                ("ended", "losers ended %", 1),
                ("left", "left running", 0),
                ("answered", "answered %", 2),
            ],
            Load::InFlight { .. } => &[
                ("memory", "RSS MiB", 1),
                ("answered", "answered %", 1),
                ("refused", "refused %", 1),
                ("failed", "failed %", 1),
                ("refused_p99", "refusal p99 ms", 1),
                ("p50", "p50 ms", 0),
                ("p99", "p99 ms", 0),
                ("per_request", "KiB/request", 1),
                ("threads", "threads", 0),
                ("attempts", "attempts per answer", 2),
                ("again", "the next request, ms", 1),
            ],
            Load::Burst { .. } => &[
                ("took", "until the last answer ms", 1),
                ("p50", "p50 ms", 1),
                ("p99", "p99 ms", 1),
                ("answered", "answered %", 1),
            ],
            Load::ProxyLarge => &[
                ("mib_per_second", "MiB/s", 0),
                ("cpu_ms_per_gib", "CPU ms/GiB", 0),
                ("memory", "RSS MiB", 1),
                ("threads", "threads", 0),
            ],
        }
    }

    /// Starts the contender and puts it under this load.
    pub(crate) fn measure(self, contender: &Contender, options: &Options, halves: &Halves) -> Result<Figures> {
        let upstream = if self == Load::ProxyLarge { role::SOURCE } else { role::UPSTREAM };
        let mut stage = Stage::set_over(upstream, contender, halves)?;
        match self {
            Load::ProxyLarge => large(&mut stage, options),
            Load::Saturation { connections } | Load::ProxySmall { connections } => {
                saturation(&mut stage, options, connections)
            }
            Load::Rate => rate(&mut stage, options),
            Load::Tail => tail(&mut stage, options),
            Load::InFlight { requests } => in_flight(&mut stage, requests),
            Load::Burst { connections } => burst(&mut stage, connections),
        }
    }
}

fn saturation(stage: &mut Stage<'_>, options: &Options, connections: usize) -> Result<Figures> {
    let arguments = [
        ("connections", connections.to_string()),
        ("warm-up-ms", options.warm_up.as_millis().to_string()),
        ("measured-ms", options.measured.as_millis().to_string()),
    ];
    let seen = stage.play(role::LOAD, &arguments, options.warm_up + options.measured)?;
    let measured = number(&seen.load, "measured")?;
    if measured == 0.0 {
        return Err(format!("no right answer: {}", seen.load["first_wrong"]).into());
    }
    let mut figures = Figures::of(&seen)?;
    figures.cpu(&seen, measured);
    figures.first_bad = seen.load["first_wrong"].as_str().map(str::to_owned);
    figures.set("per_second", measured / number(&seen.load, "seconds")?);
    Ok(figures)
}

fn large(stage: &mut Stage<'_>, options: &Options) -> Result<Figures> {
    let arguments = [
        ("warm-up-ms", options.warm_up.as_millis().to_string()),
        ("measured-ms", options.measured.as_millis().to_string()),
    ];
    let seen = stage.play(role::FETCH, &arguments, options.warm_up + options.measured)?;
    let mebibytes = number(&seen.load, "bytes")? / MIB;
    if mebibytes == 0.0 {
        return Err("nothing came".into());
    }
    let mut figures = Figures { busy: seen.busy, ..Figures::default() };
    figures.set("mib_per_second", mebibytes / number(&seen.load, "seconds")?);
    figures.set("cpu_ms_per_gib", seen.used.server.total().as_secs_f64() * 1e3 / (mebibytes / 1_024.0));
    figures.set("threads", seen.threads as f64);
    figures.set("memory", seen.memory as f64 / MIB);
    Ok(figures)
}

fn rate(stage: &mut Stage<'_>, options: &Options) -> Result<Figures> {
    let seen = steady(stage, options.warm_up, options.measured, RATE)?;
    let mut figures = Figures::paced(&seen)?;
    figures.cpu(&seen, number(&seen.load, "right")?);
    Ok(figures)
}

fn tail(stage: &mut Stage<'_>, options: &Options) -> Result<Figures> {
    stage.delay(&format!("tail {TAIL_SEED}"))?;
    let before = stage.counts()?;
    // This load is about rare events, so it lasts twice as long as the others.
    let seen = steady(stage, options.warm_up, options.measured * 2, TAIL_RATE)?;
    let after = stage.counts_at_rest(Duration::from_secs(3))?;
    let counted = |key| -> Result<f64> { Ok(number(&after, key)? - number(&before, key)?) };
    let answers = number(&seen.load, "right_of_all")?;
    let losers = counted("requests")? - answers;
    let mut figures = Figures::paced(&seen)?;
    figures.set("extra", losers / answers * 100.0);
    figures.set("left", losers - counted("ended")?);
    if losers > 0.0 {
        figures.set("ended", counted("ended")? / losers * 100.0);
    }
    Ok(figures)
}

/// An open loop at this many requests per second.
fn steady(stage: &mut Stage<'_>, warm_up: Duration, measured: Duration, per_second: f64) -> Result<Seen> {
    let requests = |time: Duration| (time.as_secs_f64() * per_second).round().max(1.0) as usize;
    let (uncounted, counted) = (requests(warm_up), requests(measured));
    paced(stage, Paced { uncounted, counted, over: measured, connected: CLIENTS })
}

fn in_flight(stage: &mut Stage<'_>, requests: usize) -> Result<Figures> {
    stage.delay(&format!("fixed {}", HELD.as_millis()))?;
    let before = stage.counts()?;
    let seen = paced(stage, Paced { uncounted: 0, counted: requests, over: RAMP, connected: requests })?;
    let attempts = number(&stage.counts()?, "requests")? - number(&before, "requests")?;
    stage.delay("none")?;
    let asked_again = Instant::now();
    let again = stage.target.ask().map(|()| asked_again.elapsed());
    let mut figures = Figures::paced(&seen)?;
    let growth = seen.memory.saturating_sub(seen.memory_before) as f64;
    figures.set("per_request", growth / 1_024.0 / requests as f64);
    figures.set("attempts", attempts / number(&seen.load, "right")?.max(1.0));
    figures.set("refused", number(&seen.load, "refused")? / requests as f64 * 100.0);
    figures.set("failed", number(&seen.load, "failed")? / requests as f64 * 100.0);
    figures.set("refused_p99", number(&seen.load, "refused_p99")?);
    if let Ok(again) = again {
        figures.set("again", again.as_secs_f64() * 1_000.0);
    }
    Ok(figures)
}

fn burst(stage: &mut Stage<'_>, connections: usize) -> Result<Figures> {
    let seen = paced(stage, Paced { uncounted: 0, counted: connections, over: Duration::ZERO, connected: 0 })?;
    let mut figures = Figures::paced(&seen)?;
    figures.set("took", number(&seen.load, "took_ms")?);
    Ok(figures)
}

/// Requests that are due at fixed moments.
struct Paced {
    uncounted: usize,
    counted: usize,
    /// How long the counted requests last, evenly spaced.
    over: Duration,
    /// Open before.
    connected: usize,
}

fn paced(stage: &mut Stage<'_>, paced: Paced) -> Result<Seen> {
    let arguments = [
        ("requests", paced.counted.to_string()),
        ("uncounted", paced.uncounted.to_string()),
        ("over-ms", paced.over.as_millis().to_string()),
        ("connected", paced.connected.to_string()),
    ];
    stage.play(role::PACED, &arguments, paced.over * 2)
}

impl Figures {
    /// The figures of every load.
    fn of(seen: &Seen) -> Result<Figures> {
        let mut figures = Figures { busy: seen.busy, ..Figures::default() };
        for key in ["p50", "p99", "p999"] {
            figures.set(key, number(&seen.load, key)?);
        }
        let points = seen.load["percentiles"].as_array().ok_or("no percentiles")?;
        figures.percentiles =
            points.iter().filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?))).collect();
        figures.wrong = seen.load["wrong"].as_u64().unwrap_or(0);
        figures.set("threads", seen.threads as f64);
        figures.set("memory", seen.memory as f64 / MIB);
        Ok(figures)
    }

    /// The figures of the load at a fixed rate.
    fn paced(seen: &Seen) -> Result<Figures> {
        let mut figures = Figures::of(seen)?;
        let told: &Value = &seen.load;
        if number(told, "right")? == 0.0 {
            return Err(format!("no right answer: {}", told["first_bad"]).into());
        }
        figures.set("answered", number(told, "right")? / number(told, "asked")? * 100.0);
        figures.set("late_p99", number(told, "late_p99")?);
        figures.first_bad = told["first_bad"].as_str().map(str::to_owned);
        Ok(figures)
    }

    fn cpu(&mut self, seen: &Seen, answers: f64) {
        let per_answer = |time: Duration| time.as_secs_f64() * 1e6 / answers.max(1.0);
        self.set("cpu_us", per_answer(seen.used.server.total()));
        self.set("user_us", per_answer(seen.used.server.user));
        self.set("system_us", per_answer(seen.used.server.system));
    }

    pub(crate) fn set(&mut self, key: &'static str, value: f64) {
        self.numbers.insert(key, value);
    }
}
