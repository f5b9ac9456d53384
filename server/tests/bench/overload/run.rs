//! The phases of an overload, and the verdict.

use crate::cpus::{Halves, list, pin};
use crate::load::{Load, Pace, Tally};
use crate::procfs::{Cpu, machine_busy};
use crate::trial::Result;
use crate::trial::asked::Asked;
use crate::trial::server::Server;
use crate::upstream::{self, TAKES};
use hdrhistogram::Histogram;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const HELP: &str = "\
Usage: cargo bench --bench overload -- [OPTIONS]

  --quick         5 s of overload instead of 60 s
  --in-flight N   the server's --max-in-flight (default 128)
";

/// How fast a refusal has to be, for 99 of 100.
const FAST: Duration = Duration::from_millis(5);
/// How long the server may take to recover.
const RECOVERY: Duration = Duration::from_secs(1);

/// Below the server's own limit of 4,096: a refused connection is another kind of overload.
const MAX_CONNECTIONS: usize = 4_000;

struct Course {
    in_flight: usize,
    at_capacity: Duration,
    over: Duration,
    after: Duration,
}

pub(crate) fn run(asked: Asked) -> Result<bool> {
    let second = Duration::from_secs(1);
    let full = Course { in_flight: 128, at_capacity: 10 * second, over: 60 * second, after: 5 * second };
    let (course, is_smoke) = match asked {
        Asked::Smoke => (Course { in_flight: 8, at_capacity: second, over: second, after: second }, true),
        Asked::Bench(mut words) => {
            let quick = words.take("--quick");
            let in_flight = words.take_value("--in-flight")?.unwrap_or(full.in_flight);
            words.end()?;
            let full = Course { in_flight, ..full };
            (
                if quick {
                    Course { at_capacity: 3 * second, over: 5 * second, after: 3 * second, ..full }
                } else {
                    full
                },
                false,
            )
        }
    };
    let cores = thread::available_parallelism()?.get() as f64;
    // The server inherits its cores; processes started later get the others.
    let halves = Halves::of_this_process()?;
    pin(&list(&halves.load))?;
    let upstream = upstream::start()?;
    pin(&list(&halves.contender))?;
    let url = format!("http://{upstream}/");
    let server = Server::start(&["--upstream", &url, "--max-in-flight", &course.in_flight.to_string()])?;
    pin(&list(&halves.load))?;
    let connections = (8 * course.in_flight).min(MAX_CONNECTIONS);
    let mut load = Load::open(server.address(), connections)?;
    println!(
        "{} requests in flight at most, {connections} connections, an upstream of {TAKES:?}; server on cores {}, load \
         and upstream on {}\n",
        course.in_flight,
        list(&halves.contender),
        list(&halves.load)
    );

    println!("| load | offered/s | answered/s | refused/s | answered p50, p99, max ms | refused p50, p99, max ms |");
    println!("|---|---|---|---|---|---|");
    let closed = Pace::Closed(course.in_flight);
    load.run(closed, second)?; // to start threads and open upstream connections
    let before = Spent::so_far(&server)?;
    let capacity = shown("what it carries", load.run(closed, course.at_capacity)?);
    let peak = capacity.rate(capacity.right.len());
    let over = shown("twice that", load.run(Pace::Open(2.0 * peak), course.over)?);
    let recovering = shown("half, the first second after", load.run(Pace::Open(peak / 2.0), RECOVERY)?);
    let after = shown("half, later", load.run(Pace::Open(peak / 2.0), course.after)?);
    println!();

    let phases = [&capacity, &over, &recovering, &after];
    let mut kept = phases.iter().all(|phase| phase.wrong.is_empty());
    for what in phases.iter().flat_map(|phase| &phase.wrong).take(5) {
        println!("wrong: {what}");
    }
    let p99 = |latencies: &Histogram<u64>| Duration::from_micros(latencies.value_at_quantile(0.99));
    let goodput = over.rate(over.right.len()) / peak;
    let promises = [
        (format!("goodput is {:.1} % of its peak", goodput * 100.0), goodput >= 0.9),
        (format!("99 of 100 refusals within {:?}", p99(&over.refused)), p99(&over.refused) < FAST),
        (format!("99 of 100 answers within {:?}", p99(&over.right)), p99(&over.right) < 2 * p99(&capacity.right)),
        (format!("{} refused a second after", after.refused.len()), after.refused.is_empty()),
        (
            format!("99 of 100 answers a second after within {:?}", p99(&after.right)),
            p99(&after.right) < 2 * p99(&capacity.right),
        ),
        (format!("{} of {} could not be offered", over.unsent, over.sent), over.unsent * 100 <= over.sent),
    ];
    for (what, holds) in &promises {
        println!("{} {what}", if *holds { "kept:  " } else { "BROKEN:" });
    }
    let others = Spent::so_far(&server)?.others_since(&before) / cores;
    if others > 0.1 {
        println!("\nothers used {:.0} % of the machine meanwhile: believe no time above", others * 100.0);
    }
    // A test of a second on a busy machine cannot judge times.
    kept &= is_smoke || promises.iter().all(|(_, holds)| *holds);
    Ok(kept)
}

/// CPU time spent up to a moment.
struct Spent {
    at: Instant,
    by_all: Duration,
    by_us: Duration,
}

impl Spent {
    fn so_far(server: &Server) -> Result<Spent> {
        let by_us = Cpu::of(server.id())?.total() + Cpu::of(std::process::id())?.total();
        Ok(Spent { at: Instant::now(), by_all: machine_busy()?, by_us })
    }

    /// How many cores other processes have kept busy.
    fn others_since(&self, before: &Spent) -> f64 {
        let others = (self.by_all - before.by_all).saturating_sub(self.by_us - before.by_us);
        others.as_secs_f64() / (self.at - before.at).as_secs_f64()
    }
}

fn shown(what: &str, tally: Tally) -> Tally {
    let millis = |latencies: &Histogram<u64>| match latencies.is_empty() {
        true => "-".to_owned(),
        false => {
            let at = |share| latencies.value_at_quantile(share) as f64 / 1_000.0;
            format!("{:.1}, {:.1}, {:.1}", at(0.5), at(0.99), at(1.0))
        }
    };
    let (offered, right, refused) = (tally.sent + tally.unsent, tally.right.len(), tally.refused.len());
    let [offered, answered, turned_away] = [offered, right, refused].map(|count| tally.rate(count));
    let (right, refused) = (millis(&tally.right), millis(&tally.refused));
    println!("| {what} | {offered:.0} | {answered:.0} | {turned_away:.0} | {right} | {refused} |");
    tally
}

impl Tally {
    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.lasted.as_secs_f64()
    }
}
