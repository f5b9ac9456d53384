//! Servers that change, and servers that have too much to do.

use crate::scenario::{Change, Hedging, Load, Replica, Scenario, Size};
use crate::service::{LogNormal, Service};
use std::time::Duration;

const NEVER: Duration = Duration::from_secs(3_600);

pub(super) fn all(size: Size) -> Vec<Scenario> {
    let mut all = vec![slower(size), dead(size, Change::Hangs), dead(size, Change::Refuses), fails_fast(size)];
    let shares: &[u32] = size.of(&[10, 20, 30, 40, 50, 60, 70, 80], &[20, 50, 80], &[50]);
    all.extend(shares.iter().map(|share| queue(size, *share, false)));
    let shares: &[u32] = size.of(&[20, 40, 60, 80], &[80], &[50]);
    all.extend(shares.iter().map(|share| queue(size, *share, true)));
    all.extend([drift(size), rare(size), blip(size)]);
    all
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn log_normal(mean_ms: f64, slow: f64) -> Service {
    Service::LogNormal(LogNormal { mean_ms, deviation_ms: mean_ms * 0.4, slow })
}

/// What most of them have in common.
fn scenario(number: u32, title: &str, lasts: Duration, rate: f64) -> Scenario {
    Scenario {
        id: number.to_string(),
        number,
        title: title.to_owned(),
        seed: u64::from(number),
        load: Load::Open { rate, lasts },
        uncounted: 0,
        timeout: ms(5_000),
        replicas: Vec::new(),
        hedging: Hedging { fixed: ms(20), attempts: 1, budget: 10.0 },
        is_steady: false,
        lanes: usize::MAX,
        reads_of: 1,
        trouble: None,
    }
}

/// As seen by Loki's developers: everything is slow at once, so hedges are no faster.
fn slower(size: Size) -> Scenario {
    let (from, to) = (ms(size.of(20_000, 3_000, 100)), ms(size.of(40_000, 6_000, 200)));
    let lasts = ms(size.of(60_000, 9_000, 300));
    Scenario {
        replicas: vec![Replica::of(log_normal(20.0, 0.0)).with(Change::Slower(ms(200)), from, to)],
        hedging: Hedging { fixed: ms(50), attempts: 1, budget: 10.0 },
        trouble: Some((from, to)),
        ..scenario(4, "everything gets 200 ms slower at once, then is as before", lasts, 200.0)
    }
}

/// One replica of three dies, and lives again (ScyllaDB issue 7342).
fn dead(size: Size, how: Change) -> Scenario {
    let (from, to) = (ms(size.of(15_000, 2_000, 100)), ms(size.of(35_000, 9_000, 200)));
    let lasts = ms(size.of(80_000, 12_000, 300));
    let usual = Replica::of(log_normal(5.0, 0.02));
    let word = if how == Change::Hangs { "hangs" } else { "refuses" };
    Scenario {
        id: format!("5-{word}"),
        timeout: ms(1_000),
        replicas: vec![usual.clone().with(how, from, to), usual.clone(), usual],
        trouble: Some((from, to)),
        ..scenario(5, &format!("one replica of three {word}, then lives again"), lasts, 150.0)
    }
}

fn fails_fast(size: Size) -> Scenario {
    let usual = Replica::of(log_normal(5.0, 0.02));
    Scenario {
        replicas: vec![usual.clone().with(Change::Fails, ms(0), NEVER), usual.clone(), usual],
        ..scenario(6, "one replica of three answers 500 at once", ms(size.of(30_000, 4_000, 300)), 150.0)
    }
}

/// Two queues, each before one server. When nobody notices closed connections, this is what Vulimiri and others (2013)
/// computed, where a second request for all begins to hurt at 25 to 50 % load. A single queue could not show it: there
/// a hedge comes after its primary, and never helps.
fn queue(size: Size, percent: u32, notices: bool) -> Scenario {
    const MEAN_MS: f64 = 4.0;
    const SLOW: f64 = 0.05;
    let replica = Replica::of(log_normal(MEAN_MS / (1.0 + 9.0 * SLOW), SLOW)).with_workers(1).that_notices(notices);
    let replicas = vec![replica.clone(), replica];
    let rate = f64::from(percent) / 100.0 * replicas.len() as f64 * 1_000.0 / MEAN_MS;
    let word = if notices { ", losers end" } else { "" };
    let title = format!("two queues with one server each, {percent} % load{word}");
    Scenario {
        id: format!("7-{}{percent}", if notices { "ends-" } else { "" }),
        replicas,
        hedging: Hedging { fixed: ms(10), attempts: 1, budget: 10.0 },
        uncounted: size.of(500, 50, 0),
        ..scenario(7, &title, ms(size.of(25_000, 2_500, 300)), rate)
    }
}

fn drift(size: Size) -> Scenario {
    let (from, to) = (ms(size.of(15_000, 2_000, 100)), ms(size.of(75_000, 8_000, 200)));
    // A mean of 5.385 ms, that is a median of 5.
    let replica = Replica::of(log_normal(5.385, 0.02)).with(Change::Grows(10.0), from, to);
    Scenario {
        replicas: vec![replica],
        trouble: Some((from, to)),
        ..scenario(8, "the median moves from 5 to 50 ms", ms(size.of(90_000, 10_000, 300)), 200.0)
    }
}

/// Ten in a minute, when the run is a full one. The quick one has one in a second: the windows of the budget and of the
/// latencies are as long as ever, so it meets more in them.
fn rare(size: Size) -> Scenario {
    const STEPS: &[(f64, Duration)] = &[(0.2, Duration::from_secs(2)), (1.0, Duration::from_millis(100))];
    let every = ms(size.of(6_000, 1_000, 100));
    let lasts = ms(size.of(300_000, 8_000, 300));
    Scenario {
        load: Load::Even { every, lasts },
        replicas: vec![Replica::of(Service::Steps(STEPS))],
        hedging: Hedging { fixed: ms(300), attempts: 1, budget: 10.0 },
        ..scenario(9, "ten requests a minute, one in five takes 2 s", lasts, 0.0)
    }
}

/// Ten workers that take 50 ms for a request stop for 2 s. Clients leave after a second; the workers do what they left.
fn blip(size: Size) -> Scenario {
    let (from, to) = (ms(size.of(15_000, 2_000, 100)), ms(size.of(17_000, 4_000, 200)));
    let replica = Replica::of(Service::Constant(ms(50))).with_workers(10).with(Change::Stalls, from, to);
    Scenario {
        timeout: ms(1_000),
        replicas: vec![replica],
        hedging: Hedging { fixed: ms(100), attempts: 1, budget: 10.0 },
        trouble: Some((from, to)),
        ..scenario(10, "a pool at 60 % load does nothing for 2 s", ms(size.of(45_000, 9_000, 300)), 120.0)
    }
}
