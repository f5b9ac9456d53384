//! What is helped from outside of what tiny_http does not help itself.

#![cfg(feature = "tiny_http")]

use crate::support::client::Client;
use crossbeam_channel::unbounded;
use headstart::{Crew, CrewSettings};
use headstart_server::ServerSettings;
use headstart_server::front::{Front, PlainServer, Request, Response};
use headstart_testing::PATIENCE;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

fn start(
    crew: CrewSettings,
    handler: impl Fn(&Request<'_>) -> Response + Send + Sync + 'static,
) -> (Crew, PlainServer) {
    let crew = Crew::new(crew).unwrap();
    let settings = ServerSettings::new("127.0.0.1:0");
    let server = PlainServer::start(&crew, settings, Arc::new(handler)).unwrap();
    (crew, server)
}

fn hello(request: &Request<'_>) -> Response {
    match request.path() {
        "/panic" => panic!("as it was told"),
        path => Response::new(200, "text/plain", path.as_bytes().to_vec()),
    }
}

#[test]
fn a_burst_of_clients_that_stay_is_answered_to_the_last() {
    let (_crew, server) = start(CrewSettings::default(), hello);
    let mut clients: Vec<_> = (0..64).map(|_| Client::connect(server.local_addr())).collect();
    // All ask before anybody reads, and nobody leaves before the last one is answered.
    for client in &mut clients {
        client.get("/hello");
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_handler_that_panics_is_answered_for_and_its_connection_goes_on() {
    let (_crew, server) = start(CrewSettings::default(), hello);
    let mut client = Client::connect(server.local_addr());
    for _ in 0..20 {
        let answer = client.get("/panic").answer();
        assert_eq!(answer.status, 500);
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        assert_eq!(client.get("/hello").answer().text(), "/hello");
    }
}

#[test]
fn a_length_that_no_machine_has_ends_nothing() {
    let (_crew, server) = start(CrewSettings::default(), hello);
    let mut hostile = Client::connect(server.local_addr());
    hostile.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000000\r\n\r\n");
    let began = Instant::now();
    while server.stats().refused == 0 {
        assert!(began.elapsed() < PATIENCE, "the request has never come");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(Client::connect(server.local_addr()).get("/hello").answer().status, 200);
}

#[test]
fn a_head_that_says_two_things_is_refused() {
    let (_crew, server) = start(CrewSettings::default(), |_: &Request<'_>| panic!("nobody is to be asked"));
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /\u{1b}[31m HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(Client::connect(server.local_addr()).send(head).answer().status, 400, "{head:?}");
    }
}

#[test]
fn requests_wait_for_a_thread_when_there_is_none() {
    let ((there_tx, there), (release, released)) = (unbounded(), unbounded::<()>());
    let handler = move |_: &Request<'_>| {
        there_tx.send(()).unwrap();
        let _ = released.recv_timeout(PATIENCE);
        Response::new(200, "text/plain", b"done".as_slice())
    };
    let (_crew, server) = start(CrewSettings::default().max_threads(2), handler);
    let mut clients: Vec<_> = (0..6).map(|_| Client::connect(server.local_addr())).collect();
    for client in &mut clients {
        client.get("/");
    }
    (0..2).for_each(|_| there.recv_timeout(PATIENCE).unwrap());
    assert!(there.recv_timeout(Duration::from_millis(100)).is_err(), "a third thread of two");
    drop(release);
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_stop_answers_what_was_taken_and_listens_no_more() {
    let ((there_tx, there), (release, released)) = (unbounded(), unbounded::<()>());
    let handler = move |_: &Request<'_>| {
        there_tx.send(()).unwrap();
        let _ = released.recv_timeout(PATIENCE);
        Response::new(200, "text/plain", b"done".as_slice())
    };
    let (crew, server) = start(CrewSettings::default(), handler);
    let address = server.local_addr();
    let mut client = Client::connect(address);
    client.get("/");
    there.recv_timeout(PATIENCE).unwrap();
    thread::scope(|scope| {
        let stopping = scope.spawn(|| server.shutdown(PATIENCE));
        let began = Instant::now();
        while TcpStream::connect(address).is_ok() {
            assert!(began.elapsed() < PATIENCE, "it still listens");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!stopping.is_finished(), "the stop does not wait for the answer");
        drop(release);
        let drained = stopping.join().unwrap();
        assert_eq!((drained.canceled, drained.cut), (0, 0));
    });
    assert_eq!(client.answer().text(), "done");
    assert_eq!(crew.shutdown(PATIENCE), 0);
}

#[test]
fn what_is_under_way_when_the_time_is_over_is_canceled() {
    let (there_tx, there) = unbounded();
    let handler = move |request: &Request<'_>| {
        there_tx.send(()).unwrap();
        let reason = request.token().wait(headstart::Deadline::after(PATIENCE));
        Response::new(503, "text/plain", format!("{reason:?}").into_bytes())
    };
    let (_crew, server) = start(CrewSettings::default(), handler);
    let mut client = Client::connect(server.local_addr());
    client.get("/");
    there.recv_timeout(PATIENCE).unwrap();
    let drained = server.shutdown(Duration::from_millis(20));
    assert_eq!((drained.answered, drained.canceled, drained.cut), (1, 1, 0));
    assert_eq!(client.answer().text(), "Some(Shutdown)");
}

#[cfg(all(feature = "cli", unix))]
mod as_a_process {
    use super::*;
    use crate::support::process::{Process, finish, headstart};
    use headstart_testing::upstream::{Behavior, FakeUpstream};
    use rustix::process::Signal;
    use std::process::Command;

    #[test]
    fn a_start_that_others_can_reach_warns() {
        let mut process = Process::start(headstart(&["--front", "tiny_http", "--listen", "0.0.0.0:0"]));
        process.wait_for("keep it in a trusted network");
        process.wait_for("listening on http://0.0.0.0:");
        process.signal(Signal::TERM);
        assert_eq!(process.wait().0.code(), Some(0));
    }

    /// The answer of `/api/smart`, which is ureq's to take: see `tests/client_calls.rs`.
    fn answer_to_ureq_alone(options: &[&str]) -> String {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n";
        let upstream = FakeUpstream::start(Behavior::Says(
            format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        ));
        let always = ["--listen", "127.0.0.1:0", "--schedule", "0", "--upstream", &upstream.url()];
        let mut process = Process::start(headstart(&[&always, options].concat()));
        let answer = Client::connect(process.address().parse().unwrap()).get("/api/smart?timeout=20000").answer();
        process.signal(Signal::TERM);
        assert_eq!(process.wait().0.code(), Some(0));
        answer.text().to_owned()
    }

    #[test]
    fn the_plain_stack_calls_by_ureq_and_its_halves_do_not() {
        for options in [&["--plain"][..], &["--calls", "ureq"]] {
            let answer = answer_to_ureq_alone(options);
            assert_eq!(answer, r#"{"success":true,"response":{}}"#, "{options:?}");
        }
        for options in [&["--front", "tiny_http", "--threads", "fresh"][..], &["--plain=false"]] {
            let answer = answer_to_ureq_alone(options);
            assert_eq!(answer, r#"{"success":false,"response":{}}"#, "{options:?}");
        }
    }

    #[test]
    fn an_accept_loop_without_descriptors_is_replaced_and_its_connections_go_on() {
        let binary = headstart(&[]).get_program().to_owned();
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64; exec \"$0\" --plain --listen 127.0.0.1:0 --upstream http://127.0.0.1:1/"]);
        command.arg(binary).env_remove("RUST_LOG");
        let mut process = Process::start(command);
        let address = process.address().parse().unwrap();
        let mut old = Client::connect(address);
        assert_eq!(old.get("/healthz").answer().status, 200);
        let crowd: Vec<_> = (0..100).map_while(|_| TcpStream::connect(address).ok()).collect();
        process.wait_for("accepts no more connections");
        drop(crowd);
        process.wait_for("again");
        assert_eq!(Client::connect(address).get("/healthz").answer().status, 200);
        assert_eq!(old.get("/healthz").answer().status, 200);
        process.signal(Signal::TERM);
        assert_eq!(process.wait().0.code(), Some(0));
    }

    #[test]
    fn what_does_not_go_together_is_a_mistake_that_says_so() {
        for (options, said) in [
            (&["--front", "nginx"][..], "[possible values: own, tiny_http]"),
            (&["--threads", "green"], "[possible values: crew, fresh]"),
            (&["--plain", "--front", "own"], "--plain and --front do not go together"),
            (&["--calls", "curl"], "[possible values: wire, ureq]"),
            (&["--plain", "--calls", "wire"], "--plain and --calls do not go together"),
            (&["--plain", "--threads", "crew"], "--plain and --threads do not go together"),
            (
                &["--front", "tiny_http", "--tls-cert", "Cargo.toml", "--tls-key", "Cargo.toml"],
                "--front and --tls-cert do not go together: tiny_http speaks no TLS here",
            ),
        ] {
            let finished = finish(headstart(options));
            assert_eq!(finished.code, Some(2), "{options:?}");
            assert!(finished.stderr.contains(said), "{options:?}: {}", finished.stderr);
        }
    }

    #[test]
    fn check_spells_out_what_plain_means_and_warns_of_what_means_nothing() {
        let finished = finish(headstart(&["--check", "--plain", "--head-timeout", "3s"]));
        assert_eq!(finished.code, Some(0));
        for row in ["front = \"tiny_http\" ", "threads = \"fresh\" ", "calls = \"ureq\" ", "plain = true "] {
            let line = finished.stdout.lines().find(|line| line.starts_with(row)).expect(row);
            assert!(line.ends_with("# --plain"), "{line}");
        }
        assert!(finished.stderr.contains("--head-timeout means nothing with --plain"), "{}", finished.stderr);
    }
}
