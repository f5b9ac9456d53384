//! The plain way of doing the same, as somebody would write it with tiny_http and ureq in an afternoon.
//!
//! A pool of workers takes requests from tiny_http. Each request starts three threads: the first calls the upstream at
//! once, the other two sleep their 300 ms and call it unless the request is answered by then. The worker waits on a channel for
//! the first success; late results go nowhere.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch, Site};
use crossbeam_channel::bounded;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tiny_http::{Header, Request, Response, Server};
use ureq::Agent;

pub(crate) const PLAIN: Contender = Contender {
    name: "plain",
    what: "tiny_http, three fresh threads per request of which two sleep 300 ms, one shared default ureq agent",
    launch: Launch::Function(serve),
};

/// One for each connection of the load, so that no request waits for a worker.
const WORKERS: usize = 64;
const HEDGE_DELAY: Duration = Duration::from_millis(300);

fn serve(site: &Site) -> Result<()> {
    let server = Arc::new(Server::http(site.listen)?);
    let agent = Agent::new_with_defaults();
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let (server, agent, url) = (server.clone(), agent.clone(), site.upstream_url());
        let worker = thread::Builder::new().name(format!("worker-{number}"));
        workers
            .push(worker.spawn(move || server.incoming_requests().for_each(|request| answer(request, &agent, &url)))?);
    }
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")?;
    }
    Ok(())
}

fn answer(request: Request, agent: &Agent, url: &str) {
    let (status, body) = match timeout(request.url()) {
        None => (400, r#"{"title":"timeout must be a positive integer"}"#.to_owned()),
        Some(timeout) => match race(agent, url, Instant::now() + timeout) {
            Ok(body) => (200, format!(r#"{{"success":true,"response":{body}}}"#)),
            Err(Lost::Failed) => (200, r#"{"success":false,"response":{}}"#.to_owned()),
            Err(Lost::TooLate) => (408, r#"{"title":"no success in time"}"#.to_owned()),
        },
    };
    let json = Header::from_bytes("Content-Type", "application/json").expect("a valid field");
    // An error means that the client has gone: nobody is left to tell.
    let _ = request.respond(Response::from_string(body).with_status_code(status).with_header(json));
}

fn timeout(url: &str) -> Option<Duration> {
    let millis = url.strip_prefix("/api/smart?timeout=")?.parse().ok().filter(|millis| *millis > 0)?;
    Some(Duration::from_millis(millis))
}

enum Lost {
    Failed,
    TooLate,
}

/// Three attempts on three threads; the first success wins.
fn race(agent: &Agent, url: &str, deadline: Instant) -> std::result::Result<Value, Lost> {
    let (tx, arrivals) = bounded(3);
    let decided = Arc::new(AtomicBool::new(false));
    for attempt in 0..3 {
        let (tx, decided, agent, url) = (tx.clone(), decided.clone(), agent.clone(), url.to_owned());
        thread::spawn(move || {
            if attempt > 0 {
                thread::sleep(HEDGE_DELAY);
            }
            if !decided.load(Ordering::Relaxed) {
                // Fails when the worker waits no more; the channel has room for all three.
                let _ = tx.send(fetch(&agent, &url, deadline));
            }
        });
    }
    drop(tx);
    let outcome = loop {
        match arrivals.recv_deadline(deadline) {
            Ok(Some(body)) => break Ok(body),
            Ok(None) => continue,
            Err(error) if error.is_timeout() => break Err(Lost::TooLate),
            Err(_) => break Err(Lost::Failed),
        }
    };
    decided.store(true, Ordering::Relaxed);
    outcome
}

/// One call of the upstream: its body, when that is a success.
fn fetch(agent: &Agent, url: &str, deadline: Instant) -> Option<Value> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut response = agent.get(url).config().timeout_global(Some(left)).build().call().ok()?;
    let is_json = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes() == b"application/json");
    if response.status() != 200 || !is_json {
        return None;
    }
    serde_json::from_slice(&response.body_mut().read_to_vec().ok()?).ok()
}
