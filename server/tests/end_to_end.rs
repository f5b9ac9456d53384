//! The built binary between a client and an upstream that are not ours: `curl`, and the HTTP server of Python's
//! standard library.

#![cfg(all(feature = "cli", unix))]

use crate::support::client::Client;
use crate::support::process::{Process, headstart};
use crate::support::python::{Python, curl, fetch, fetch_all};
use headstart_testing::needs;
use rustix::process::Signal;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A machine under load may be so late, and a promise kept at all is kept much sooner.
const GENEROUS: Duration = Duration::from_secs(5);

/// The binary in front of `upstream`, with these options besides.
struct Headstart {
    process: Process,
    address: SocketAddr,
}

impl Headstart {
    fn before(upstream: &str, options: &[&str]) -> Headstart {
        let mut command = headstart(&["--listen", "127.0.0.1:0", "--upstream", upstream]);
        command.args(options);
        let mut process = Process::start(command);
        let address = process.address().parse().unwrap();
        Headstart { process, address }
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The access lines with this status, once there are so many.
    fn access_lines(&mut self, status: u16, count: usize) -> Vec<String> {
        let status = format!(" status={status} ");
        let is_one = |line: &&String| line.contains("headstart::access") && line.contains(&status);
        self.process.read_until("the access lines", |lines| lines.iter().filter(is_one).count() >= count);
        self.process.stderr.iter().filter(is_one).cloned().collect()
    }
}

fn enveloped(body: &str) -> String {
    format!(r#"{{"success":true,"response":{body}}}"#)
}

#[needs("python3", "curl")]
#[test]
fn an_answer_before_the_first_hedge_is_due_costs_one_request() {
    let mut upstream = Python::start();
    let headstart = Headstart::before(&upstream.url("/answers-after/0.05"), &[]);
    let answer = fetch(&headstart.url("/api/smart?timeout=20000"));
    assert_eq!((answer.status, answer.body), (200, enveloped(&upstream.body)));

    // For longer than until the hedges would have been due.
    upstream.listen_for(Duration::from_millis(600));
    let [request] = upstream.requests.as_slice() else { panic!("{:#?}", upstream.requests) };
    assert_eq!(request.attempt(), 0);
    assert!((Duration::from_secs(10)..=Duration::from_secs(20)).contains(&request.left()), "{request:?}");
    let trace: Vec<&str> = request.field("traceparent").split('-').collect();
    assert_eq!(trace.iter().map(|field| field.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{trace:?}");
}

#[needs("python3", "curl")]
#[test]
fn attempts_that_hang_are_overtaken_by_a_hedge_and_ended() {
    let mut upstream = Python::start();
    let mut headstart = Headstart::before(&upstream.url("/last-wins"), &[]);
    let answer = fetch(&headstart.url("/api/smart?timeout=20000"));
    assert_eq!((answer.status, answer.body), (200, enveloped(&upstream.body)));
    // 300 ms until the hedges begin, and 200 that the last one takes.
    assert!(answer.elapsed >= Duration::from_millis(500), "{:?}", answer.elapsed);
    assert!(answer.elapsed < GENEROUS, "{:?}", answer.elapsed);
    let line = headstart.access_lines(200, 1).remove(0);
    assert!(line.contains(" winner=2") && line.contains(" attempts=3"), "{line}");

    upstream.until_requests(3);
    let attempts: HashSet<usize> = upstream.requests.iter().map(|request| request.attempt()).collect();
    assert_eq!(attempts, HashSet::from([0, 1, 2]));
    let traces: HashSet<&str> = upstream.requests.iter().map(|request| &request.field("traceparent")[3..35]).collect();
    assert_eq!(traces.len(), 1, "one trace for all attempts: {traces:?}");
    for hedge in upstream.requests.iter().filter(|request| request.attempt() > 0) {
        assert!(hedge.left() <= Duration::from_millis(19_700), "begun too early: {hedge:?}");
    }
    let (winner, losers): (Vec<_>, Vec<_>) = upstream.requests.clone().into_iter().partition(|it| it.attempt() == 2);
    upstream.until("the losers are closed", |upstream| losers.iter().all(|loser| upstream.gone(loser).is_some()));
    for loser in &losers {
        let outlived = upstream.gone(loser).unwrap() - winner[0].at;
        assert!(outlived < GENEROUS.as_secs_f64(), "{outlived} s: {loser:?}");
    }
    assert_eq!(upstream.gone(&winner[0]), None, "the winner's connection is kept");
}

#[needs("python3", "curl")]
#[test]
fn a_timeout_is_answered_when_it_is_over_and_all_attempts_are_ended() {
    let mut upstream = Python::start();
    let headstart = Headstart::before(&upstream.url("/hangs"), &[]);
    let answer = fetch(&headstart.url("/api/smart?timeout=700"));
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.elapsed >= Duration::from_millis(700) && answer.elapsed < GENEROUS, "{answer:?}");
    upstream.until_requests(3);
    upstream.until_all_gone();
    for request in &upstream.requests {
        let lasted = upstream.gone(request).unwrap() - request.at;
        assert!(lasted < GENEROUS.as_secs_f64(), "{lasted} s: {request:?}");
    }
}

#[needs("python3", "curl")]
#[test]
fn connections_to_the_upstream_are_used_again() {
    let mut upstream = Python::start();
    // Without hedges, which a machine under load might see.
    let headstart = Headstart::before(&upstream.url("/answers"), &["--schedule", "0"]);
    let url = headstart.url("/api/smart");
    let answers = fetch_all(&[url.as_str(); 40]);
    assert_eq!(answers.len(), 40);
    for answer in answers {
        assert_eq!((answer.status, answer.body), (200, enveloped(&upstream.body)));
    }
    upstream.until_requests(40);
    let connections: HashSet<u64> = upstream.requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 1, "{connections:?}");
}

#[needs("python3", "curl")]
#[test]
fn an_upstream_that_closes_idle_connections_costs_no_client_an_error() {
    let mut upstream = Python::start();
    let headstart = Headstart::before(&upstream.url("/closes-idle"), &["--schedule", "0"]);
    let url = headstart.url("/api/smart");
    // One right after the other: connections are closed before, while and after they are used again.
    let answers = fetch_all(&[url.as_str(); 200]);
    assert_eq!(answers.len(), 200);
    for answer in answers {
        assert_eq!((answer.status, answer.body), (200, enveloped(&upstream.body)));
    }
    upstream.until_requests(200);
    assert_eq!(upstream.requests.len(), 200, "none was sent twice");
}

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    CurlKilled,
    Closed,
    Reset,
}

#[needs("python3", "curl")]
#[test]
fn a_client_that_leaves_ends_its_race() {
    let mut upstream = Python::start();
    let mut headstart = Headstart::before(&upstream.url("/hangs"), &[]);
    let target = "/api/smart?timeout=60000";
    let mut left = 0;
    for leaving in [Leaving::CurlKilled, Leaving::Closed, Leaving::Reset] {
        let begun = upstream.requests.len();
        match leaving {
            Leaving::CurlKilled => {
                let mut curl = curl(&[&headstart.url(target)]).stdout(Stdio::null()).spawn().unwrap();
                upstream.until_requests(begun + 3);
                curl.kill().unwrap();
                curl.wait().unwrap();
            }
            Leaving::Closed | Leaving::Reset => {
                let mut client = Client::connect(headstart.address);
                client.get(target);
                upstream.until_requests(begun + 3);
                if matches!(leaving, Leaving::Reset) { client.reset() } else { drop(client) }
            }
        }
        let since = Instant::now();
        upstream.until_all_gone();
        assert!(since.elapsed() < GENEROUS, "{leaving:?}: {:?}", since.elapsed());
        left += 1;
        let line = headstart.access_lines(499, left).remove(left - 1);
        assert!(line.contains(target) && line.contains(" bytes=0 ") && line.contains(" attempts=3"), "{line}");
    }
    assert_eq!(upstream.requests.len(), 9);
}

/// Sends request after request, each with a trace of its own, until the server ends the connection. Returns the traces
/// of those that were answered.
fn ask_until_closed(address: SocketAddr, number: usize) -> Vec<String> {
    let mut client = Client::connect(address);
    let mut answered = Vec::new();
    for count in 1.. {
        let trace = format!("{number:016x}{count:016x}");
        client.send(format!(
            "GET /api/smart HTTP/1.1\r\nHost: localhost\r\ntraceparent: 00-{trace}-{number:015x}1-00\r\n\r\n"
        ));
        let Some(answer) = client.try_answer() else { break };
        assert_eq!(answer.status, 200, "{answer:?}");
        answered.push(trace);
        if answer.field("connection") == Some("close") {
            break;
        }
    }
    answered
}

#[needs("python3")]
#[test]
fn a_stop_under_load_answers_every_request_that_was_taken() {
    let mut upstream = Python::start();
    let mut headstart = Headstart::before(&upstream.url("/answers-after/0.1"), &["--schedule", "0"]);
    let address = headstart.address;
    let clients: Vec<_> = (0..32).map(|number| std::thread::spawn(move || ask_until_closed(address, number))).collect();
    upstream.until_requests(100);
    headstart.process.signal(Signal::TERM);
    assert_eq!(headstart.process.wait().0.code(), Some(0), "{:#?}", headstart.process.stderr);
    let answered: HashSet<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    upstream.until_all_gone();
    for request in &upstream.requests {
        let trace = &request.field("traceparent")[3..35];
        assert!(answered.contains(trace), "{trace} was taken and not answered");
    }
    let is_last = |line: &&String| line.contains("drained: ");
    let drained = headstart.process.stderr.iter().find(is_last).unwrap();
    assert!(!drained.contains(" 0 requests answered") && !drained.contains("cut"), "{drained}");
}

#[needs("python3")]
#[test]
fn what_hangs_when_the_drain_is_over_is_canceled() {
    let mut upstream = Python::start();
    let options = ["--schedule", "0", "--drain-timeout", "300ms"];
    let mut headstart = Headstart::before(&upstream.url("/hangs"), &options);
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(headstart.address)).collect();
    for client in &mut clients {
        client.get("/api/smart");
    }
    upstream.until_requests(8);
    let since = Instant::now();
    headstart.process.signal(Signal::TERM);
    for client in &mut clients {
        assert_eq!(client.answer().status, 503);
    }
    assert!(since.elapsed() >= Duration::from_millis(300), "canceled before its time: {:?}", since.elapsed());
    drop(clients);
    assert_eq!(headstart.process.wait().0.code(), Some(0), "{:#?}", headstart.process.stderr);
    assert!(since.elapsed() < GENEROUS, "{:?}", since.elapsed());
    upstream.until_all_gone();
    assert!(headstart.process.stderr.concat().contains("8 canceled as their time was over, 0 cut off"));
}

#[cfg(feature = "tls")]
mod https {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// A directory with an authority (`ca.pem`) and a certificate for 127.0.0.1 that it has signed. Goes with the test.
    struct Certified(PathBuf);

    impl Certified {
        fn new(name: &str) -> Certified {
            let made = Certified(std::env::temp_dir().join(format!("headstart-{}-{name}", std::process::id())));
            fs::create_dir_all(&made.0).unwrap();
            let key = ["-newkey", "rsa:2048", "-nodes"];
            fs::write(made.0.join("leaf.cnf"), "basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n").unwrap();
            let subject =
                "[req]\ndistinguished_name=name\nx509_extensions=ca\n[name]\n[ca]\nbasicConstraints=critical,CA:TRUE\n";
            fs::write(made.0.join("ca.cnf"), subject).unwrap();
            made.openssl(&["req", "-x509", "-config", "ca.cnf", "-subj", "/CN=headstart tests"], &key, "ca");
            made.openssl(&["req", "-config", "ca.cnf", "-subj", "/CN=127.0.0.1"], &key, "leaf.request");
            let signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "leaf.cnf"];
            made.openssl(&["x509", "-req", "-days", "2", "-in", "leaf.request.pem"], &signer, "leaf");
            made
        }

        /// Runs openssl, which writes `NAME.pem` and, where it makes one, `NAME.key`.
        fn openssl(&self, what: &[&str], how: &[&str], name: &str) {
            let mut command = Command::new("openssl");
            command.args(what).args(how).args(["-out", &format!("{name}.pem")]).current_dir(&self.0);
            if what[0] == "req" {
                command.args(["-keyout", &format!("{name}.key")]);
            }
            let output = command.stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn upstream(&self) -> Python {
            Python::start_tls(self.file("leaf.pem").as_ref(), self.file("leaf.request.key").as_ref())
        }
    }

    impl Drop for Certified {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn trusting(ca: &Path) -> [&str; 2] {
        ["--upstream-ca", ca.to_str().unwrap()]
    }

    #[needs("python3", "curl", "openssl")]
    #[test]
    fn an_https_upstream_is_raced_and_its_connection_used_again() {
        let certified = Certified::new("trusted");
        let ca = certified.file("ca.pem");
        let mut upstream = certified.upstream();
        let [flag, file] = trusting(&ca);
        let headstart = Headstart::before(&upstream.url("/answers"), &[flag, file, "--schedule", "0"]);
        let url = headstart.url("/api/smart");
        for answer in fetch_all(&[url.as_str(); 20]) {
            assert_eq!((answer.status, answer.body), (200, enveloped(&upstream.body)));
        }
        upstream.until_requests(20);
        let connections: HashSet<u64> = upstream.requests.iter().map(|request| request.connection).collect();
        assert_eq!(connections.len(), 1, "{connections:?}");
    }

    #[needs("python3", "curl", "openssl")]
    #[test]
    fn attempts_that_hang_are_ended_beneath_tls_too() {
        let certified = Certified::new("hangs");
        let ca = certified.file("ca.pem");
        let mut upstream = certified.upstream();
        let headstart = Headstart::before(&upstream.url("/last-wins"), &trusting(&ca));
        let answer = fetch(&headstart.url("/api/smart?timeout=20000"));
        assert_eq!((answer.status, answer.body), (200, enveloped(&upstream.body)));
        assert!(answer.elapsed >= Duration::from_millis(500), "{:?}", answer.elapsed);
        upstream.until_requests(3);
        let losers: Vec<_> = upstream.requests.iter().filter(|seen| seen.attempt() < 2).cloned().collect();
        upstream.until("the losers are closed", |upstream| losers.iter().all(|loser| upstream.gone(loser).is_some()));
    }

    #[needs("python3", "curl", "openssl")]
    #[test]
    fn an_upstream_that_nobody_vouches_for_is_not_asked() {
        let certified = Certified::new("unknown");
        let mut upstream = certified.upstream();
        let headstart = Headstart::before(&upstream.url("/answers"), &[]);
        let answer = fetch(&headstart.url("/api/smart?timeout=20000"));
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":false,"response":{}}"#));
        upstream.listen_for(Duration::from_millis(100));
        assert!(upstream.requests.is_empty(), "{:#?}", upstream.requests);
    }

    #[needs("curl")]
    #[test]
    fn a_handshake_that_is_never_answered_ends_with_the_timeout() {
        // The system takes the connections in; nobody ever accepts, reads or says anything.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let headstart = Headstart::before(&format!("https://{}/", silent.local_addr().unwrap()), &[]);
        let answer = fetch(&headstart.url("/api/smart?timeout=600"));
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(answer.elapsed >= Duration::from_millis(600) && answer.elapsed < GENEROUS, "{answer:?}");
        // The greetings of all attempts have come, and after each the end.
        let mut greetings = 0;
        while greetings < 3 {
            let (mut connection, _) = silent.accept().unwrap();
            connection.set_read_timeout(Some(GENEROUS)).unwrap();
            let mut received = Vec::new();
            let ended = std::io::Read::read_to_end(&mut connection, &mut received);
            assert!(!matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "still open");
            greetings += usize::from(received.first() == Some(&22)); // a handshake record; the probe sends nothing
        }
    }
}
