//! What the binary promises: its options in all their layers, its messages, its output, its end.

#![cfg(feature = "cli")]

use crate::support::process::{Finished, Process, finish, headstart};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A file that goes with the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> TempFile {
        let path = std::env::temp_dir().join(format!("headstart-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        TempFile(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Generous: it only ends tests that have failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A GET on a connection of its own, with the answer yet to be read.
fn ask(address: &str, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    client
}

/// The whole answer, head included.
fn answer(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

/// An upstream that takes requests and leaves the answer to the test.
struct AnswersWhenTold(TcpListener);

impl AnswersWhenTold {
    fn start() -> (AnswersWhenTold, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        (AnswersWhenTold(listener), url)
    }

    /// The next connection on which a request arrives, its head read. The probe's, which brings none, is passed over.
    fn next_request(&self) -> TcpStream {
        loop {
            let (stream, _) = self.0.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while head.read_line(&mut line).unwrap() > 0 {
                if line == "\r\n" {
                    return stream;
                }
                line.clear();
            }
        }
    }
}

fn check(command: Command) -> String {
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout
}

/// The line of `--check` output that sets `key`, with its spaces made one.
fn line_of(output: &str, key: &str) -> String {
    let start = format!("{key} = ");
    let line = output.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {key} in {output}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let file = TempFile::new("layers.toml", "# ours\nmax-in-flight = 11\n\nconnect-timeout = 11\nschedule = [0, 11]\n");
    let mut command = headstart(&["--check", "--config", file.path(), "--max-in-flight", "33"]);
    command.env("HEADSTART_MAX_IN_FLIGHT", "22").env("HEADSTART_CONNECT_TIMEOUT", "22ms");
    let output = check(command);
    assert_eq!(line_of(&output, "max-in-flight"), "max-in-flight = 33 # --max-in-flight");
    assert_eq!(line_of(&output, "connect-timeout"), "connect-timeout = \"22ms\" # HEADSTART_CONNECT_TIMEOUT");
    assert_eq!(line_of(&output, "schedule"), format!("schedule = [0, 11] # {}:5", file.path()));
    assert_eq!(line_of(&output, "drain-timeout"), "drain-timeout = \"10s\" # default");
}

#[test]
fn a_flag_can_take_back_what_the_file_switches_on() {
    let file = TempFile::new("switch.toml", "hedge-on-failure = true\n");
    let with = |flags: &[&str]| {
        let mut command = headstart(&["--check", "--config", file.path()]);
        command.args(flags);
        line_of(&check(command), "hedge-on-failure").split(" #").next().unwrap().to_owned()
    };
    assert_eq!(with(&[]), "hedge-on-failure = true");
    assert_eq!(with(&["--hedge-on-failure=false"]), "hedge-on-failure = false");
    assert_eq!(with(&["--hedge-on-failure"]), "hedge-on-failure = true");
}

#[test]
fn the_file_can_be_named_by_a_variable_and_an_empty_variable_is_not_set() {
    let file = TempFile::new("named.toml", "listen = '127.0.0.1:0'\n");
    let mut command = headstart(&["--check"]);
    command.env("HEADSTART_CONFIG", file.path()).env("HEADSTART_LISTEN", "");
    assert_eq!(line_of(&check(command), "listen"), format!("listen = \"127.0.0.1:0\" # {}:1", file.path()));
}

#[test]
fn check_prints_a_file_that_sets_the_same() {
    let mut command = headstart(&["--check", "--upstream", "http://a:1/x%20,z", "--upstream", "https://b/"]);
    command.args([
        "--schedule",
        "0,250ms,1s",
        "--hedge-on-failure",
        "--sample-hang-rate",
        "1e-2",
        "--max-body",
        "64KiB",
    ]);
    let first = check(command);
    let file = TempFile::new("round.toml", &first);
    let second = check(headstart(&["--check", "--config", file.path()]));
    let values = |output: &str| -> Vec<String> {
        let lines = output.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(values(&first), values(&second));
    assert!(values(&first).contains(&"upstream = [\"http://a:1/x%20,z\", \"https://b/\"]".to_owned()), "{first}");
    assert!(values(&first).contains(&"schedule = [0, \"250ms\", \"1s\"]".to_owned()), "{first}");
}

#[test]
fn a_mistake_exits_2_and_names_key_value_and_what_is_allowed() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--listen", "8081"], &["--listen", "'8081'", "address:port"]),
        (&["--listen", "127.0.0.1:99999"], &["--listen", "'127.0.0.1:99999'", "address:port"]),
        (&["--upstream", "ftp://a/"], &["--upstream", "'ftp://a/'", "http or https"]),
        (&["--upstream", "nonsense"], &["--upstream", "'nonsense'", "http://127.0.0.1:9000/"]),
        (&["--schedule", "0,300,200"], &["--schedule", "'0,300,200'", "1 to 16"]),
        (&["--schedule", "300"], &["--schedule", "'300'", "the first 0"]),
        (&["--schedule", "0,soon"], &["--schedule", "'0,soon'", "milliseconds"]),
        (&["--timeout-ceiling", "0"], &["--timeout-ceiling", "'0'", "from 1ms to 1h"]),
        (&["--max-in-flight", "-1"], &["--max-in-flight", "'-1'", "from 1 to"]),
        (&["--hedge-on-failure=maybe"], &["--hedge-on-failure", "'maybe'", "true, false"]),
        (&["--max-body", "10XB"], &["--max-body", "'10XB'", "10MiB"]),
        (&["--timeout-header", "a b"], &["--timeout-header", "'a b'", "header field"]),
        (&["--upstream-ca", "/nowhere.pem"], &["--upstream-ca", "'/nowhere.pem'", "PEM"]),
        (&["--log-format", "xml"], &["--log-format", "'xml'", "text, json"]),
        (&["--sample-error-rate", "1.5"], &["--sample-error-rate", "'1.5'", "from 0 to 1"]),
        (&["--sample-min", "2s"], &["--sample-min", "'2s'", "at most"]),
        (&["sample", "--error-rate", "NaN"], &["--error-rate", "'NaN'", "from 0 to 1"]),
        (&["--config", "/nowhere.toml"], &["--config", "'/nowhere.toml'", "TOML"]),
        (&["--listen"], &["--listen", "value is required"]),
        (&["--listen", "a:1", "--listen", "b:1"], &["--listen", "multiple times"]),
        (&["--lissten", "a:1"], &["--lissten", "--listen"]),
        (&["--listen", "a:1", "sample"], &["sample", "--listen"]),
        (&["sample", "--schedule", "0"], &["--schedule"]),
        (&["completions", "tcsh"], &["'tcsh'", "fish"]),
    ];
    for (args, parts) in cases {
        let finished = finish(headstart(args));
        assert_eq!(finished.code, Some(2), "{args:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{args:?}");
        for part in *parts {
            assert!(finished.stderr.contains(part), "{args:?} lacks {part}: {}", finished.stderr);
        }
    }
}

#[test]
fn a_mistake_in_a_variable_or_the_file_is_named_as_it_was_given() {
    let mut command = headstart(&[]);
    command.env("HEADSTART_SCHEDULE", "5").env("RUST_LOG", "headstart=loud");
    let Finished { code, stderr, .. } = finish(command);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("HEADSTART_SCHEDULE cannot be '5'"), "{stderr}");
    assert!(stderr.contains("RUST_LOG cannot be 'headstart=loud'"), "{stderr}");

    let source = "listen = '127.0.0.1:0'\nmax-in-flight = 'many'\nuptsream = 'http://a/'\n\nschedule = [1]\n";
    let file = TempFile::new("wrong.toml", source);
    let Finished { code, stderr, .. } = finish(headstart(&["--config", file.path()]));
    assert_eq!(code, Some(2));
    let path = file.path();
    for part in [
        format!("max-in-flight in {path}:2 cannot be 'many': expected an integer"),
        format!("uptsream in {path}:3 is not an option: did you mean upstream?\n"),
        format!("schedule in {path}:5 cannot be '1'"),
    ] {
        assert!(stderr.contains(&part), "{stderr}");
    }

    let file = TempFile::new("syntax.toml", "listen = '127.0.0.1:0'\nschedule = [1\n");
    let Finished { code, stderr, .. } = finish(headstart(&["--config", file.path()]));
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains(&format!("{}:2", file.path())) || stderr.contains(&format!("{}:3", file.path())),
        "{stderr}"
    );
}

#[test]
fn a_mistake_in_a_layer_is_found_although_a_higher_one_hides_it() {
    let mut command = headstart(&["--check", "--schedule", "0"]);
    command.env("HEADSTART_SCHEDULE", "5");
    let finished = finish(command);
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("HEADSTART_SCHEDULE cannot be '5'"), "{finished:?}");
}

#[test]
fn a_misspelt_variable_is_not_silent_and_those_of_kubernetes_are() {
    let mut command = headstart(&["--check"]);
    command.env("HEADSTART_UPSTREEM", "http://a/").env("HEADSTART_PORT_8081_TCP", "tcp://10.0.0.1:8081");
    let finished = finish(command);
    assert_eq!(finished.code, Some(0));
    let said = "HEADSTART_UPSTREEM is set and means nothing, did you mean HEADSTART_UPSTREAM?";
    assert!(finished.stderr.contains(said), "{finished:?}");
    assert!(!finished.stderr.contains("8081"), "{finished:?}");
}

#[cfg(feature = "tls")]
#[test]
fn a_mistake_that_only_the_client_can_find_is_named_as_it_was_given() {
    let file = TempFile::new("ca.pem", "no certificate");
    for args in
        [&["--check", "--upstream-ca", file.path()][..], &["--listen", "127.0.0.1:0", "--upstream-ca", file.path()]]
    {
        let finished = finish(headstart(args));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        let said = format!("--upstream-ca cannot be '{}': expected ", file.path());
        assert!(finished.stderr.contains(&said), "{finished:?}");
    }
}

#[test]
fn passwords_are_not_shown() {
    let finished = finish(headstart(&["--upstream", "http://user:hunter2@a/"]));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("http://***@a/") && !finished.stderr.contains("hunter2"), "{finished:?}");
}

#[test]
fn check_neither_listens_nor_calls() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(headstart(&["--check", "--listen", &address, "--upstream", &format!("http://{address}/")]));
    taken.set_nonblocking(true).unwrap();
    assert!(taken.accept().is_err(), "somebody called");
}

#[test]
fn help_names_each_option_with_its_variable_key_and_default() {
    let keys = check(headstart(&["--check"]));
    let help = check(headstart(&["--help"]));
    let mut options = 0;
    for line in keys.lines() {
        let key = match line.trim_start_matches("# ").split_once(" = ") {
            Some((key, _)) => key,
            None => match line.strip_prefix("# ").and_then(|line| line.split_once(" is not set")) {
                Some((key, _)) => key,
                None => continue,
            },
        };
        options += 1;
        let flag = |end| help.find(&format!("      --{key}{end}"));
        let at = flag(" <").or_else(|| flag("[=")).unwrap_or_else(|| panic!("--{key} is missing"));
        let text: String = help[at..].split("\n      --").next().unwrap().to_owned();
        let variable = format!("HEADSTART_{}", key.replace('-', "_").to_uppercase());
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [format!("[env: {variable}]"), format!("[key: {key}]"), "[default: ".to_owned()] {
            assert!(squeezed.contains(&part), "{part} is missing: {text}");
        }
    }
    assert!(options > 15, "{keys}");
    assert!(help.contains("RUST_LOG") && help.contains("SIGTERM") && help.contains("Exit codes"));
}

#[test]
fn version_completions_and_manual_pages_are_printed() {
    assert_eq!(check(headstart(&["--version"])), format!("headstart {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = check(headstart(&["completions", shell]));
        assert!(script.contains("hedge-on-failure") && script.contains("garbage-rate"), "{shell}: {script}");
    }
    let page = check(headstart(&["man"]));
    for part in [".TH headstart 1", "HEADSTART_MAX_IN_FLIGHT", "key: max\\-in\\-flight", "RUST_LOG"] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    let page = check(headstart(&["man", "sample"]));
    assert!(page.contains("HEADSTART_SAMPLE_HANG_RATE") && page.contains("\\-\\-hang\\-rate"), "{page}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for args in [&["--help"][..], &["man"], &["completions", "bash"], &["--check"]] {
        let mut child = headstart(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_taken_port_exits_1_and_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for args in [["serve", "--listen", &address], ["sample", "--listen", &address]] {
        let finished = finish(headstart(&args));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let line = finished.stderr.lines().last().unwrap();
        assert!(line.contains(&format!("cannot listen on {address}")) && line.contains("--listen"), "{line}");
    }
}

#[test]
fn an_unreachable_upstream_is_a_warning_and_no_end() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/api/work");
    let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0", "--upstream", &url]));
    let warning = process.wait_for("cannot be reached");
    assert!(warning.contains("WARN") && warning.contains(&url), "{warning}");
    process.wait_for("listening on http://127.0.0.1:");
}

#[test]
fn at_start_it_says_where_it_listens_whom_it_calls_and_what_to_try() {
    let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0"]));
    process.wait_for("embedded sample is called: http://127.0.0.1:");
    let address = process.address();
    let hint = process.wait_for("try: curl ");
    assert!(hint.contains(&format!("'http://{address}/api/smart?timeout=1000'")), "{hint}");
}

#[test]
fn json_log_lines_are_objects() {
    let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0", "--log-format", "json"]));
    process.wait_for("try: curl");
    let address = process.address();
    answer(ask(&address, "/healthz"));
    let line = process.wait_for("\"path\":\"/healthz\"");
    let access: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&access["status"], &access["level"]), (&200.into(), &"info".into()), "{line}");
    assert!(access["bytes"].is_u64() && access["ms"].is_number(), "{line}");
    for line in &process.stderr {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["time", "level", "target", "message"] {
            assert!(object[member].is_string(), "{member} is missing: {line}");
        }
    }
}

#[test]
fn the_sample_answers_as_its_rates_say() {
    let rates = ["--error-rate", "0", "--garbage-rate", "0", "--hang-rate", "0", "--min", "0", "--max", "1"];
    let mut command = headstart(&["sample", "--listen", "127.0.0.1:0"]);
    command.args(rates);
    let mut process = Process::start(command);
    let address = process.address();
    let answer = answer(ask(&address, "/api/work"));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"time\":"), "{answer}");
}

#[test]
fn the_server_answers_from_the_embedded_sample() {
    let mut command = headstart(&["--listen", "127.0.0.1:0"]);
    for (rate, share) in [("ERROR", "0"), ("GARBAGE", "0"), ("HANG", "0")] {
        command.env(format!("HEADSTART_SAMPLE_{rate}_RATE"), share);
    }
    let mut process = Process::start(command);
    let address = process.address();
    let answer = answer(ask(&address, "/api/smart"));
    assert!(answer.contains("{\"success\":true,\"response\":{\"time\":"), "{answer}");
}

#[cfg(unix)]
mod signals {
    use super::*;
    use rustix::process::Signal;

    #[test]
    fn sigterm_and_sigint_end_it_with_0() {
        for signal in [Signal::TERM, Signal::INT] {
            for command in ["serve", "sample"] {
                let mut process = Process::start(headstart(&[command, "--listen", "127.0.0.1:0"]));
                process.wait_for("try: curl");
                process.signal(signal);
                assert_eq!(process.wait().0.code(), Some(0), "{command}: {:#?}", process.stderr);
                process.wait_for("stopped");
            }
        }
    }

    #[test]
    fn sighup_is_logged_and_ignored() {
        let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0"]));
        process.wait_for("try: curl");
        process.signal(Signal::HUP);
        process.wait_for("SIGHUP ignored");
        process.signal(Signal::TERM);
        assert_eq!(process.wait().0.code(), Some(0));
    }

    /// A server with a request in flight: the process, the client that waits, the upstream's end of the attempt.
    fn with_request_in_flight(options: &[&str]) -> (Process, TcpStream, TcpStream) {
        let (upstream, url) = AnswersWhenTold::start();
        let mut command = headstart(&["--listen", "127.0.0.1:0", "--schedule", "0", "--upstream", &url]);
        command.args(options);
        let mut process = Process::start(command);
        let address = process.address();
        let client = ask(&address, "/api/smart");
        (process, client, upstream.next_request())
    }

    #[test]
    fn a_request_in_flight_is_answered_before_it_ends() {
        let (mut process, client, mut attempt) = with_request_in_flight(&[]);
        process.signal(Signal::TERM);
        process.wait_for("no more requests are taken");
        let answer_of_upstream = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
        attempt.write_all(answer_of_upstream.as_bytes()).unwrap();
        assert!(answer(client).contains("{\"success\":true,\"response\":[]}"));
        assert_eq!(process.wait().0.code(), Some(0));
    }

    #[test]
    fn what_is_left_after_the_drain_timeout_is_canceled() {
        let (mut process, _client, mut attempt) = with_request_in_flight(&["--drain-timeout", "100ms"]);
        process.signal(Signal::TERM);
        assert_eq!(process.wait().0.code(), Some(0));
        assert_eq!(attempt.read(&mut [0]).unwrap_or(0), 0, "the attempt's connection is still open");
    }

    #[test]
    fn a_second_signal_ends_it_at_once() {
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            let (mut process, _client, _attempt) = with_request_in_flight(&["--drain-timeout", "1h"]);
            process.signal(Signal::TERM);
            process.wait_for("no more requests are taken");
            process.signal(signal);
            assert_eq!(process.wait().0.code(), Some(code));
        }
    }

    #[test]
    fn nobody_reading_the_log_is_no_reason_to_stop() {
        let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0"]));
        let address = process.address();
        process.stop_reading();
        for _ in 0..3 {
            assert!(answer(ask(&address, "/healthz")).starts_with("HTTP/1.1 200 "));
        }
        process.signal(Signal::TERM);
        assert_eq!(process.wait().0.code(), Some(0));
    }
}
