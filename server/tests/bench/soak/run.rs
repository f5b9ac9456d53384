//! The phases of a soak: a baseline, the load with a sample every second, the end, the verdict.

use crate::clients::{HEAD_TIMEOUT, KINDS, Soak, WRITE_TIMEOUT};
use crate::deed::{Deed, Endpoint, Fates, request};
use crate::trial::Result;
use crate::trial::asked::Asked;
use crate::trial::server::{Figures, Server};
use crate::trial::talk::Talk;
use crate::upstream::Upstream;
use crate::{chance::Chance, judge};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const HELP: &str = "\
Usage: cargo bench --bench soak -- [OPTIONS]

  --minutes N     how long the load lasts (default: 20 seconds)
  --seconds N     the same in seconds
";

/// Idle threads leave after 5 s, idle upstream connections after 4 s; the rest is for a busy machine.
const RETURN: Duration = Duration::from_secs(30);

pub(crate) fn run(asked: Asked) -> Result<bool> {
    let lasts = match asked {
        Asked::Smoke => Duration::from_secs(4),
        Asked::Bench(mut words) => {
            let minutes: Option<u64> = words.take_value("--minutes")?;
            let seconds: Option<u64> = words.take_value("--seconds")?;
            words.end()?;
            Duration::from_secs(minutes.map(|minutes| minutes * 60).or(seconds).unwrap_or(20))
        }
    };
    let (upstream_address, upstream) = Upstream::start()?;
    let millis = |duration: Duration| duration.as_millis().to_string();
    let url = format!("http://{upstream_address}/api/work");
    let (head, write) = (millis(HEAD_TIMEOUT), millis(WRITE_TIMEOUT));
    let server = Server::start(&[
        "--upstream",
        &url,
        "--head-timeout",
        &head,
        "--body-timeout",
        &head,
        "--write-timeout",
        &write,
    ])?;
    let baseline = settled(&server)?;
    println!("baseline: {}", shown(&baseline));

    let soak = Arc::new(Soak::new(server.address()));
    let mut clients = Vec::new();
    for (kind, what) in KINDS.iter().enumerate() {
        for number in 0..what.count {
            let (soak, seed) = (soak.clone(), (kind * 1_000 + number) as u64);
            let name = format!("{}-{number}", what.name);
            clients.push(thread::Builder::new().name(name).spawn(move || soak.run(kind, seed))?);
        }
    }
    let samples = watch(&server, &soak, &upstream, lasts)?;
    soak.enough.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().map_err(|_| "a client panicked")?;
    }

    println!();
    for (kind, right) in KINDS.iter().zip(&soak.right) {
        println!("{:<16} {:>9} turns", kind.name, right.load(Ordering::Relaxed));
    }
    println!("{:<16} {:>9} attempts", "upstream", upstream.seen.load(Ordering::Relaxed));
    let wrong = soak.wrong.load(Ordering::Relaxed);
    println!("wrong answers: {wrong}");
    for what in soak.wrongs.lock().expect("nobody panics with it").iter() {
        println!("  {what}");
    }
    let is_flat = judge::is_flat(&samples);
    let is_back = is_back(&server, baseline, &upstream)?;
    let answers = is_healthy(&server)?;
    let kept = wrong == 0 && is_flat && is_back && answers;
    println!("{}", if kept { "soak: every promise kept" } else { "soak: BROKEN" });
    Ok(kept)
}

/// A sample every second, a line every tenth of the time, but at most every two seconds.
fn watch(server: &Server, soak: &Soak, upstream: &Upstream, lasts: Duration) -> Result<Vec<Figures>> {
    let (began, every) = (Instant::now(), (lasts.as_secs() / 20).max(2));
    let mut samples = Vec::new();
    while began.elapsed() < lasts {
        let next = Duration::from_secs(samples.len() as u64 + 1).min(lasts);
        thread::sleep(next.saturating_sub(began.elapsed()));
        let figures = server.figures()?;
        samples.push(figures);
        if (samples.len() as u64).is_multiple_of(every) {
            let (seen, busy) = (upstream.seen.load(Ordering::Relaxed), upstream.busy.load(Ordering::Relaxed));
            let wrong = soak.wrong.load(Ordering::Relaxed);
            println!("{:>5} s: {}, {seen} attempts, {busy} under way, {wrong} wrong", next.as_secs(), shown(&figures));
        }
    }
    Ok(samples)
}

fn shown(figures: &Figures) -> String {
    let Figures { memory, threads, descriptors } = figures;
    format!("{memory} KiB, {threads} threads, {descriptors} descriptors")
}

/// The figures of a fresh server, after its start.
fn settled(server: &Server) -> Result<Figures> {
    is_healthy(server)?;
    let mut last = server.figures()?;
    let until = Instant::now() + RETURN;
    // Its threads have left when nothing has changed for longer than their idle timeout.
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(6) && Instant::now() < until {
        thread::sleep(Duration::from_millis(200));
        let now = server.figures()?;
        if (now.threads, now.descriptors) != (last.threads, last.descriptors) {
            since = Instant::now();
        }
        last = now;
    }
    Ok(last)
}

/// Whether threads, descriptors and upstream connections are those of the beginning again, soon.
fn is_back(server: &Server, baseline: Figures, upstream: &Upstream) -> Result<bool> {
    let began = Instant::now();
    loop {
        let now = server.figures()?;
        let (open, busy) = (upstream.open.load(Ordering::Relaxed), upstream.busy.load(Ordering::Relaxed));
        let back = now.threads <= baseline.threads && now.descriptors <= baseline.descriptors && open + busy == 0;
        if back || began.elapsed() > RETURN {
            let after = began.elapsed().as_secs_f64();
            println!("after {after:.1} s: {}, {open} upstream connections, {busy} attempts", shown(&now));
            if !back {
                println!("NOT BACK at the baseline: {}", shown(&baseline));
            }
            return Ok(back);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a healthy client gets its answer.
fn is_healthy(server: &Server) -> io::Result<bool> {
    let fates = Fates::of([Deed::Answers; 3], &mut Chance::of(u64::MAX));
    let mut talk = Talk::open(server.address())?;
    talk.say(request(Endpoint::Smart, &fates, "Connection: close\r\n"))?;
    let answer = talk.hear()?;
    Ok(answer.is_some_and(|answer| fates.judge(Endpoint::Smart, answer.status, &answer.body).is_ok()))
}
