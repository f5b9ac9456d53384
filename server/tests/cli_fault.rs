//! `headstart fault` as a process: its faults between real programs, changed while it runs, and its end.

#![cfg(feature = "cli")]

use crate::support::process::{Process, finish, headstart};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Generous: it only ends tests that have failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sample that answers at once and always, and its address.
fn sample() -> (Process, String) {
    let args = ["sample", "--listen", "127.0.0.1:0", "--min", "0", "--max", "0"];
    let mut command = headstart(&args);
    command.args(["--error-rate", "0", "--garbage-rate", "0", "--hang-rate", "0"]);
    let mut sample = Process::start(command);
    let address = sample.address();
    (sample, address)
}

/// The proxy before `to` with these arguments, and its address.
fn fault(to: &str, args: &[&str]) -> (Process, String) {
    let mut command = headstart(&["fault", "--listen", "127.0.0.1:0", "--to", to]);
    command.args(args);
    let mut fault = Process::start(command);
    let line = fault.wait_for("listening on ");
    let address = line.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    (fault, address)
}

fn connect(address: &str) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn ask(address: &str) -> TcpStream {
    let mut client = connect(address);
    write!(client, "GET /api/work HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    client
}

fn answer(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_delay_stands_between_a_client_and_the_sample() {
    let (_sample, upstream) = sample();
    let (mut fault, address) = fault(&upstream, &["--delay", "to-client=150ms,to-upstream=50ms"]);
    fault.wait_for("faults: delay=to-upstream=50ms delay=to-client=150ms");
    let began = Instant::now();
    let text = answer(ask(&address));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains(r#"{"time": 0}"#), "{text}");
    let line = fault.wait_for("end=closed");
    assert!(line.contains(&format!("to_client={}", text.len())), "{line}");
}

#[test]
fn an_answer_can_be_cut_and_reset() {
    let (_sample, upstream) = sample();
    let (_cuts, address) = fault(&upstream, &["--cut-after", "to-client=12"]);
    assert_eq!(answer(ask(&address)), "HTTP/1.1 200");
    let (mut resets, address) = fault(&upstream, &["--reset-after", "to-client=12"]);
    let error = ask(&address).read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    resets.wait_for("end=reset");
}

#[cfg(unix)]
mod signals {
    use super::*;
    use rustix::process::Signal;
    use std::fs;
    use std::path::PathBuf;

    /// A configuration file that goes with the test.
    struct File(PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> File {
            let file = File(std::env::temp_dir().join(format!("headstart-fault-{}-{name}.toml", std::process::id())));
            file.now_says(text);
            file
        }

        fn now_says(&self, text: &str) {
            fs::write(&self.0, text).unwrap();
        }

        fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_stalled_answer_goes_on_when_the_file_says_so() {
        let (_sample, upstream) = sample();
        let file = File::new("stall", "fault-stall-after = 'to-client=12'\n");
        let (mut fault, address) = fault(&upstream, &["--config", file.path()]);
        let mut client = ask(&address);
        let mut head = [0; 12];
        client.read_exact(&mut head).unwrap();
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();

        file.now_says("# nothing is wrong any more\n");
        fault.signal(Signal::HUP);
        fault.wait_for("faults: none");
        assert!(answer(client).contains(r#"{"time": 0}"#));
    }

    #[test]
    fn a_file_with_a_mistake_changes_nothing() {
        let (_sample, upstream) = sample();
        let file = File::new("mistake", "fault-reset-after = 'to-client=12'\n");
        let (mut fault, address) = fault(&upstream, &["--config", file.path()]);
        file.now_says("fault-delay = 'sideways=1s'\n");
        fault.signal(Signal::HUP);
        let line = fault.wait_for("SIGHUP: the faults stay: ");
        assert!(line.contains("fault-delay in") && line.contains("'sideways=1s'"), "{line}");
        assert!(ask(&address).read_to_end(&mut Vec::new()).is_err());

        file.now_says("fault-listen = '127.0.0.1:1'\n");
        fault.signal(Signal::HUP);
        fault.wait_for("faults: none"); // the flag goes before the file
        assert!(!fault.stderr.iter().any(|line| line.contains("until the next start")), "{:?}", fault.stderr);
        assert!(answer(ask(&address)).starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn told_to_stop_it_lets_connections_finish_and_exits_0() {
        let (_sample, upstream) = sample();
        let (mut fault, address) = fault(&upstream, &["--delay", "to-client=300ms"]);
        let client = ask(&address);
        fault.signal(Signal::TERM);
        assert!(answer(client).starts_with("HTTP/1.1 200"));
        let (status, stdout) = fault.wait();
        assert_eq!((status.code(), stdout.as_str()), (Some(0), ""));
        fault.wait_for("0 ended now");
        fault.wait_for("stopped");
    }

    #[test]
    fn what_does_not_finish_in_time_is_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = listener.local_addr().unwrap().to_string();
        let (mut fault, address) = fault(&upstream, &["--admission", "silent", "--drain-timeout", "50ms"]);
        let client = connect(&address);
        fault.signal(Signal::TERM);
        let (status, _) = fault.wait();
        assert_eq!(status.code(), Some(0));
        assert_eq!((&client).read(&mut [0; 1]).unwrap(), 0);
        fault.wait_for("1 ended now");
    }
}

#[test]
fn check_prints_the_faults_as_a_file_that_asks_for_them() {
    let args = ["fault", "--check", "--to", "a:1", "--delay", "to-client=1s,to-upstream=5", "--drip", "1/50ms"];
    let finished = finish(headstart(&args));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for part in
        [r#"fault-delay = ["to-client=1s", "to-upstream=5"]"#, r#"fault-drip = ["1/50ms"]"#, r#"fault-to = "a:1""#]
    {
        assert!(finished.stdout.contains(part), "{part} is missing: {}", finished.stdout);
    }
    assert!(!finished.stdout.contains("upstream-max-idle"), "{}", finished.stdout);
}

#[test]
fn a_mistake_exits_2_and_says_what_is_allowed() {
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["--to has to be given", "such as --to"]),
        (&["--check"], &["--to has to be given", "such as --to"]),
        (&["--to", "9000"], &["--to", "'9000'", "address:port"]),
        (&["--to", "a:1", "--delay", "sideways=1"], &["--delay", "to-client and to-upstream"]),
        (&["--to", "a:1", "--delay", "soon"], &["--delay", "'soon'", "from 0s to 1h"]),
        (&["--to", "a:1", "--drip", "1"], &["--drip", "1/50ms"]),
        (&["--to", "a:1", "--stall-after", "-1"], &["--stall-after", "'-1'", "size"]),
        (&["--to", "a:1", "--admission", "maybe"], &["--admission", "pass, silent, reset, never"]),
        (&["--to", "a:1", "--one-in", "0"], &["--one-in", "from 1 to"]),
        (&["--to", "a:1", "--schedule", "0"], &["--schedule"]),
    ];
    for (args, parts) in cases {
        let mut command = headstart(&["fault"]);
        command.args(*args);
        let finished = finish(command);
        assert_eq!(finished.code, Some(2), "{args:?}: {finished:?}");
        for part in *parts {
            assert!(finished.stderr.contains(part), "{args:?} lacks {part}: {}", finished.stderr);
        }
    }
}

#[test]
fn a_taken_port_exits_1_and_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = finish(headstart(&["fault", "--listen", &address, "--to", "127.0.0.1:9"]));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("another process has it"), "{finished:?}");
}
