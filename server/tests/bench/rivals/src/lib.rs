//! What the rivals share: the race, and what counts as a success. Both as an expert in async Rust would write them.

use bytes::Bytes;
use serde::de::IgnoredAny;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// When the hedges start.
const HEDGES_AT: Duration = Duration::from_millis(300);
const HEDGES: usize = 2;
/// The timeout of a request that names none.
const CEILING: Duration = Duration::from_secs(60);

/// How a race ended.
pub enum Outcome {
    Won(Bytes),
    AllFailed,
    TimedOut,
}

/// Runs `attempt` once, twice more when 300 ms have passed without success; the first success wins, and the others are
/// dropped, which cancels them.
pub async fn race<F: Future<Output = Option<Bytes>>>(timeout: Duration, attempt: impl Fn() -> F) -> Outcome {
    let began = Instant::now();
    timeout_at(began + timeout, first_success(began, attempt)).await.unwrap_or(Outcome::TimedOut)
}

async fn first_success<F: Future<Output = Option<Bytes>>>(began: Instant, attempt: impl Fn() -> F) -> Outcome {
    let mut primary = std::pin::pin!(attempt());
    // Most races end here, without a list of futures.
    let failed = tokio::select! {
        biased;
        result = &mut primary => match result {
            Some(body) => return Outcome::Won(body),
            None => true,
        },
        () = sleep_until(began + HEDGES_AT) => false,
    };
    if failed {
        sleep_until(began + HEDGES_AT).await;
    }
    let mut hedges: [_; HEDGES] = std::array::from_fn(|_| Some(Box::pin(attempt())));
    let mut primary = (!failed).then_some(primary);
    std::future::poll_fn(|context| {
        let mut pending = false;
        if let Some(running) = &mut primary {
            match running.as_mut().poll(context) {
                std::task::Poll::Ready(Some(body)) => return std::task::Poll::Ready(Outcome::Won(body)),
                std::task::Poll::Ready(None) => primary = None,
                std::task::Poll::Pending => pending = true,
            }
        }
        for hedge in &mut hedges {
            let Some(running) = hedge else { continue };
            match running.as_mut().poll(context) {
                std::task::Poll::Ready(Some(body)) => return std::task::Poll::Ready(Outcome::Won(body)),
                std::task::Poll::Ready(None) => *hedge = None,
                std::task::Poll::Pending => pending = true,
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(Outcome::AllFailed) }
    })
    .await
}

/// The timeout of a query, or `None` when it is malformed.
pub fn timeout(query: Option<&str>) -> Option<Duration> {
    let given = query.and_then(|query| form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "timeout"));
    match given {
        None => Some(CEILING),
        Some((_, millis)) => millis
            .parse()
            .ok()
            .filter(|millis| *millis > 0)
            .map(Duration::from_millis)
            .filter(|given| *given <= CEILING),
    }
}

/// A body that counts: status 200, a JSON type, JSON that parses.
pub fn success(status: u16, content_type: Option<&[u8]>, body: Bytes) -> Option<Bytes> {
    let is_json = content_type.is_some_and(|value| value.starts_with(b"application/json"));
    (status == 200 && is_json && serde_json::from_slice::<IgnoredAny>(&body).is_ok()).then_some(body)
}

/// The answer's status and body.
pub fn answer(outcome: Outcome) -> (u16, Bytes) {
    match outcome {
        Outcome::Won(body) => {
            let mut wrapped = Vec::with_capacity(body.len() + 40);
            wrapped.extend_from_slice(br#"{"success":true,"response":"#);
            wrapped.extend_from_slice(&body);
            wrapped.push(b'}');
            (200, wrapped.into())
        }
        Outcome::AllFailed => (200, Bytes::from_static(br#"{"success":false,"response":{}}"#)),
        Outcome::TimedOut => (408, Bytes::from_static(br#"{"title":"Request Timeout","status":408}"#)),
    }
}

/// Listens with a queue for a burst of connections. Tokio's default is too short.
pub fn listen(address: std::net::SocketAddr) -> tokio::net::TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an open socket");
    socket.bind(address).expect("an address of ours");
    socket.listen(16_384).expect("a bound socket")
}

/// `--listen ADDRESS --upstream URL --threads N`, in this order and nothing else: a contender, not a product.
pub fn arguments() -> (std::net::SocketAddr, String, usize) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [_, listen, _, upstream, _, threads] => {
            (listen.parse().expect("an address"), upstream.clone(), threads.parse().expect("a number"))
        }
        _ => panic!("usage: --listen ADDRESS --upstream URL --threads N"),
    }
}
