//! Servers that are as they are: three workloads with published figures.

use crate::scenario::{Hedging, Load, Replica, Scenario, Size};
use crate::service::{LogNormal, Service};
use std::time::Duration;

pub(super) fn all(size: Size) -> Vec<Scenario> {
    vec![log_normal(size), hello(size), keys(size)]
}

/// The simulation of github.com/bhope/hedge: 5 and 2 ms are mean and deviation of the times, a slow one is ten times as
/// slow. Published: without hedging 64.3 and 104.5 ms (p99, p99.9); fixed 10 ms 17.4 and 46.5 for 7.4 % more requests;
/// p90 with a budget of 10 % 17.0 and 59.4 for 8.9 %.
fn log_normal(size: Size) -> Scenario {
    let service = Service::LogNormal(LogNormal { mean_ms: 5.0, deviation_ms: 2.0, slow: 0.05 });
    Scenario {
        id: "1".to_owned(),
        number: 1,
        title: "log-normal, 5 ms ± 2, 5 % ten times as slow, 20 workers".to_owned(),
        seed: 1,
        load: Load::Closed { workers: 20, requests: size.of(55_000, 7_000, 100) },
        uncounted: size.of(5_000, 3_500, 10),
        timeout: Duration::from_secs(5),
        replicas: vec![Replica::of(service)],
        hedging: Hedging { fixed: Duration::from_millis(10), attempts: 1, budget: 7.4 },
        is_steady: true,
        lanes: size.of(1, 2, 2),
        reads_of: 1,
        trouble: None,
    }
}

/// A tenth of the times of grpc-java's hedging example. Its server's shares lie within each other: 10 % take at least
/// 2 s, of these 5 % at least 5 s, and 1 % 10 s. Published for 2,000 requests: p99 10,004 ms, with a hedge after 1 s,
/// three attempts in all, 2,002. Both lie on an edge: one per cent takes 10 s, and one per cent loses twice.
fn hello(size: Size) -> Scenario {
    const MS: fn(u64) -> Duration = Duration::from_millis;
    const STEPS: &[(f64, Duration)] =
        &[(0.01, Duration::from_millis(1_000)), (0.04, Duration::from_millis(500)), (0.05, Duration::from_millis(200))];
    Scenario {
        id: "2".to_owned(),
        number: 2,
        title: "at once, 5 % 200 ms, 4 % 500 ms, 1 % 1 s".to_owned(),
        seed: 306,
        load: Load::Open { rate: size.of(250.0, 200.0, 200.0), lasts: MS(size.of(40_000, 3_000, 300)) },
        uncounted: size.of(500, 200, 10),
        timeout: MS(10_000),
        replicas: vec![Replica::of(Service::Steps(STEPS))],
        hedging: Hedging { fixed: MS(100), attempts: 2, budget: 11.0 },
        is_steady: true,
        lanes: size.of(3, 10, 2),
        reads_of: 1,
        trouble: None,
    }
}

/// The table of "The Tail at Scale" (Dean and Barroso 2013) about BigTable: reads of 1,000 keys from 100 servers, p99.9
/// 1,800 ms; 74 ms with a hedge after 10 ms, for 2 % more requests. A read here is a hundred requests, done with the
/// last one. The distribution of the single requests is the one that gives the table's figures: 2 % take longer than
/// 10 ms, one in 100,000 longer than 1,800 ms, and two that both take longer than about 70 ms meet as rarely.
fn keys(size: Size) -> Scenario {
    const POINTS: &[(f64, f64)] = &[(0.5, 1.0), (10.0, 0.02), (70.0, 0.0032), (1_800.0, 1e-5), (3_000.0, 1e-7)];
    Scenario {
        id: "3".to_owned(),
        number: 3,
        title: "reads of a hundred requests, 2 % longer than 10 ms".to_owned(),
        seed: 3,
        load: Load::Open {
            rate: size.of(2_000.0, 1_000.0, 1_000.0),
            lasts: Duration::from_millis(size.of(52_000, 3_500, 300)),
        },
        uncounted: size.of(4_000, 1_000, 10),
        timeout: Duration::from_secs(10),
        replicas: vec![Replica::of(Service::Through(POINTS))],
        hedging: Hedging { fixed: Duration::from_millis(10), attempts: 1, budget: 2.0 },
        is_steady: true,
        lanes: 2,
        reads_of: 100,
        trouble: None,
    }
}
