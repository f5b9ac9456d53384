//! A hedged request in its plainest form, without this crate: a worker thread for each request starts three more. One
//! calls at once, two sleep 300 ms first; the first success is the answer. The form to read first. What it leaves out
//! is what `headstart` is for: a loser is not ended but runs on to its timeout, and every request pays for four
//! threads.
//!
//! ```sh
//! cargo run --example plain -- http://127.0.0.1:9000/api/work 127.0.0.1:8081
//! curl -i 'http://127.0.0.1:8081/api/smart?timeout=1000'
//! ```

use crossbeam_channel::{RecvTimeoutError, bounded};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tiny_http::{Header, Request, Response, Server};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long each attempt sleeps before it calls.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(300), Duration::from_millis(300)];
/// The time of a request that names none.
const LONGEST: Duration = Duration::from_secs(30);

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let upstream: Arc<str> = args.next().ok_or("usage: plain UPSTREAM-URL [LISTEN-ADDRESS]")?.into();
    let server = Server::http(args.next().as_deref().unwrap_or("127.0.0.1:8081"))?;
    println!("listening on http://{}", server.server_addr());
    for request in server.incoming_requests() {
        let upstream = upstream.clone();
        thread::spawn(move || work(request, &upstream));
    }
    Ok(())
}

/// The worker: one request, from its target to its answer.
fn work(request: Request, upstream: &Arc<str>) {
    let (status, body) = match timeout(request.url()) {
        Some(timeout) => race(upstream, Instant::now() + timeout),
        None => (400, json!({ "error": "timeout is a positive number of milliseconds" })),
    };
    let json = Header::from_bytes("Content-Type", "application/json").expect("a valid header");
    let response = Response::from_string(body.to_string()).with_status_code(status).with_header(json);
    let _client_may_have_left = request.respond(response);
}

fn timeout(target: &str) -> Option<Duration> {
    let Some((_, millis)) = target.split_once("?timeout=") else { return Some(LONGEST) };
    millis.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// Three attempts, one inbox, one place to wait.
fn race(upstream: &Arc<str>, deadline: Instant) -> (u16, Value) {
    let over = Arc::new(AtomicBool::new(false));
    // Room for every result, so that a late one blocks nobody. It is dropped with the channel.
    let (results, inbox) = bounded(PAUSES.len());
    for pause in PAUSES {
        let (upstream, over, results) = (upstream.clone(), over.clone(), results.clone());
        thread::spawn(move || {
            thread::sleep(pause);
            if !over.load(Ordering::Acquire) {
                let _late = results.try_send(call(&upstream, deadline));
            }
        });
    }
    drop(results); // the attempts hold the others: the inbox is closed when all have ended
    let mut failure = String::new();
    let answer = loop {
        match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(json)) => break (200, json!({ "success": true, "response": json })),
            Ok(Err(error)) => failure = error.to_string(),
            Err(RecvTimeoutError::Disconnected) if Instant::now() < deadline => {
                break (502, json!({ "error": failure }));
            }
            Err(_) => break (408, json!({ "error": "no attempt succeeded in time" })),
        }
    };
    over.store(true, Ordering::Release); // what still sleeps does not call any more
    answer
}

/// A blocking call that may take what is left until `deadline`.
fn call(url: &str, deadline: Instant) -> Result<Value, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut response = ureq::get(url).config().timeout_global(Some(left)).build().call()?;
    Ok(serde_json::from_str(&response.body_mut().read_to_string()?)?)
}
