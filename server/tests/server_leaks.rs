//! Nothing leaks. One test, because it counts what belongs to the whole process.
#![cfg(target_os = "linux")]

use crate::support::client::Client;
use crate::support::server::{eventually, settings, start, taking};
use headstart::Deadline;
use headstart_server::Conversation;
use headstart_server::front::{Passed, Request, Response};
use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

fn count(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

fn threads_and_descriptors() -> (usize, usize) {
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn threads_and_descriptors_come_back_whatever_clients_do() {
    headstart_testing::alone!();
    let before = threads_and_descriptors();
    let fixture = start(
        settings(),
        taking(|request: &Request<'_>| match request.path() {
            "/stream" => Response::streaming(200, "text/plain", None, |conversation| {
                loop {
                    conversation.write_all(&[b'a'; 10_000])?;
                }
            }),
            "/echo" => Response::streaming(200, "text/plain", None, |conversation| {
                let mut room = [0; 1_000];
                loop {
                    match conversation.read(&mut room)? {
                        0 => return Ok(()),
                        read => conversation.write_all(&room[..read])?,
                    }
                }
            }),
            "/tunnel" => {
                let run = Box::new(|tunnel: &mut Conversation<'_>| tunnel.read_to_end(&mut Vec::new()).map(drop));
                Response::passed(101, Vec::new(), b"Upgrade: a\r\n".to_vec(), Passed::Tunnel(run))
            }
            path => {
                if path == "/slow" {
                    request.token().wait(Deadline::after(Duration::from_millis(30)));
                }
                let _ = request.body().read_to_end(&mut Vec::new());
                Response::new(200, "text/plain", &b"fine"[..])
            }
        }),
    );
    fixture.assert_serves();
    let no_connections = || fixture.server.stats().connections == 0 && fixture.crew.stats().threads == 0;
    eventually("the first client is gone", no_connections);
    let baseline = threads_and_descriptors();

    // Gone before the first byte is read, with and without a reset.
    for number in 0..1_000 {
        let client = fixture.connect();
        if number % 2 == 0 { client.reset() } else { drop(client) }
    }
    // Gone in the middle of a head, of a body, of an answer, of a slow request, of a stream, of a tunnel.
    for beginning in [
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na",
        "bad\r\n\r\n",
        "GET /slow HTTP/1.0\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /stream HTTP/1.0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na",
        "GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\nabc",
    ] {
        for _ in 0..50 {
            let mut client = fixture.connect();
            client.send(beginning);
            client.reset();
            fixture.connect().send(beginning);
        }
    }
    // And those who behave.
    let mut clients: Vec<Client> = (0..100).map(|_| fixture.connect()).collect();
    for _ in 0..20 {
        for client in &mut clients {
            client.get("/");
        }
        for client in &mut clients {
            assert_eq!(client.answer().status, 200);
        }
    }
    drop(clients);
    fixture.assert_serves();
    eventually("all threads have left", no_connections);
    // The first client's thread may not have been quite over when it was counted.
    let are_closed = || {
        let (threads, descriptors) = threads_and_descriptors();
        threads <= baseline.0 && descriptors <= baseline.1
    };
    eventually("all descriptors are closed", are_closed);

    fixture.server.shutdown(Duration::from_secs(5));
    drop(fixture);
    eventually("nothing is left of the server", || threads_and_descriptors() == before);
}
