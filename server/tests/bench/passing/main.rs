//! The proxy's long trial: `cargo bench --bench passing [-- --requests 100000 --gib 2]`.
//!
//! The tests do the same for a moment; this takes as long as the promises say. A hundred thousand requests, a third of
//! them POSTs, over an upstream that closes its idle connections at random moments: no client sees an error, and no
//! POST arrives twice. Two gibibytes down and two up, every byte compared, while the proxy's memory stays as it is.
//!
//! What this does not do: measure. `compare` does.

#[cfg(target_os = "linux")]
#[macro_use]
#[path = "../../support/mod.rs"]
mod support;
#[cfg(target_os = "linux")]
#[path = "../trial/mod.rs"]
#[allow(dead_code)] // the other trials need more of it
mod trial;

#[cfg(target_os = "linux")]
mod run {
    use crate::support::closings::Closing;
    use crate::support::large::{download, upload};
    use crate::support::proxied::{Proxied, one};
    use crate::trial::Result;
    use crate::trial::asked::Asked;
    use std::time::Instant;

    pub(crate) const HELP: &str = "\
Usage: cargo bench --bench passing -- [OPTIONS]

  --requests N    over connections that close (default 100000)
  --gib N         down, and as many up (default 2)
  --seed N        other moments (default 1)
";

    /// By how much the memory may grow while bodies flow, in KiB.
    const GROWTH: u64 = 1 << 10;
    const CLIENTS: usize = 16;

    pub(crate) fn run(asked: Asked) -> Result<bool> {
        let (mut requests, mut bytes, mut seed) = (100_000, 2_usize << 30, 1);
        match asked {
            Asked::Smoke => (requests, bytes) = (2_000, 32 << 20),
            Asked::Bench(mut words) => {
                requests = words.take_value("--requests")?.unwrap_or(requests);
                bytes = words.take_value::<usize>("--gib")?.map_or(bytes, |gib| gib << 30);
                seed = words.take_value("--seed")?.unwrap_or(seed);
                words.end()?;
            }
        }
        Ok(closings(seed, requests) & memory(bytes))
    }

    fn closings(seed: u64, requests: usize) -> bool {
        let began = Instant::now();
        let upstream = Closing::start(seed);
        let proxy = Proxied::to(&[upstream.teller.url()], &[]);
        let wrong = upstream.judge(proxy.address, seed, requests, CLIENTS);
        wrong.iter().take(10).for_each(|wrong| println!("- {wrong}"));
        let seconds = began.elapsed().as_secs_f64();
        println!("{requests} requests over connections that close, in {seconds:.1} s: {} went wrong", wrong.len());
        wrong.is_empty()
    }

    fn memory(bytes: usize) -> bool {
        let (proxy, upstream) = one(&[]);
        // Once each way, so that everything is there that stays.
        download(proxy.address, &upstream, 1 << 20);
        upload(proxy.address, &upstream, 1 << 20);
        let before = proxy.peak_memory();
        let mebibytes = bytes as f64 / f64::from(1 << 20);
        let flow = |what: &str, pass: &dyn Fn()| {
            let began = Instant::now();
            pass();
            println!("{mebibytes} MiB {what}, {:.0} MiB/s", mebibytes / began.elapsed().as_secs_f64());
        };
        flow("down", &|| download(proxy.address, &upstream, bytes));
        flow("up", &|| upload(proxy.address, &upstream, bytes));
        let grown = proxy.peak_memory() - before;
        println!("the memory's peak grew by {grown} KiB from {before} KiB; {GROWTH} KiB are allowed");
        grown <= GROWTH
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    trial::asked::main(run::HELP, run::run)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the trial reads /proc, so it runs on Linux only");
}
