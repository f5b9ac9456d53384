//! Many requests over an upstream that closes its idle connections at random moments.
//!
//! What comes over an idle connection just as it is closed is lost. The promise: no client sees an error for it, and
//! what must not be repeated arrives once.

use super::chance::Chance;
use super::client::Client;
use super::teller::{After, Teller};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An upstream that answers with the target, and how often each POST has arrived.
pub(crate) struct Closing {
    pub(crate) teller: Teller,
    posts: Arc<Mutex<HashMap<String, usize>>>,
}

impl Closing {
    pub(crate) fn start(seed: u64) -> Closing {
        let chance = Mutex::new(Chance::of(seed));
        let posts: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let teller = Teller::start({
            let posts = posts.clone();
            move |link, head, body| {
                let target = head.start.split(' ').nth(1).unwrap().to_owned();
                if head.start.starts_with("POST") {
                    assert_eq!(body, target.as_bytes());
                    *posts.lock().unwrap().entry(target.clone()).or_default() += 1;
                }
                link.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()));
                let mut chance = chance.lock().unwrap();
                match chance.below(4) {
                    0 => After::Close,
                    1 => After::Keep,
                    // About as long as the next request takes to come.
                    _ => After::CloseWithin(chance.up_to(Duration::from_millis(3))),
                }
            }
        });
        Closing { teller, posts }
    }

    /// Sends `requests` in all, a third of them POSTs, over `clients` connections to the proxy before this upstream.
    /// Returns what went wrong.
    pub(crate) fn judge(&self, proxy: SocketAddr, seed: u64, requests: usize, clients: usize) -> Vec<String> {
        let one = |number: usize| {
            let mut chance = Chance::of(seed ^ (number as u64 + 1) << 32);
            let mut wrong = Vec::new();
            let mut client = Client::connect(proxy);
            for request in 0..requests / clients {
                let target = format!("/{number}/{request}");
                match chance.one_in(3) {
                    true => client.send(format!(
                        "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{target}",
                        target.len()
                    )),
                    false => client.get(&target),
                };
                let (head, body) = client.response();
                if head.status() != 200 || body != target {
                    wrong.push(format!("{target}: {} {body}", head.start));
                }
                // So that some connections are met at their end.
                if chance.one_in(8) {
                    std::thread::sleep(chance.up_to(Duration::from_millis(3)));
                }
            }
            wrong
        };
        let one = &one;
        let mut wrong: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..clients).map(|number| scope.spawn(move || one(number))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let posts = self.posts.lock().unwrap();
        let repeated = posts.iter().filter(|(_, times)| **times != 1);
        wrong.extend(repeated.map(|(target, times)| format!("POST {target} arrived {times} times")));
        wrong
    }
}
