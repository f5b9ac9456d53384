//! What the binary says to a person: one line for each mistake, with what helps, and no secret.

#![cfg(feature = "cli")]

use crate::support::config::{ConfigFile, complaint};
use crate::support::http;
use crate::support::process::{Process, finish, headstart};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one_and_no_other() {
    let file = ConfigFile::new("near.toml", "uptsream = 'http://a/'\n");
    let place = format!("{}:1", file.path());
    assert_eq!(
        complaint(&["--config", file.path()]),
        format!("headstart: uptsream in {place} is not an option: did you mean upstream?\n")
    );
    let file = ConfigFile::new("far.toml", "\"x\\ty\" = 1\n");
    let place = format!("{}:1", file.path());
    assert_eq!(
        complaint(&["--config", file.path()]),
        format!("headstart: x\\ty in {place} is not an option: --help lists them\n")
    );
    let file = ConfigFile::new("route.toml", "[[route]]\npath = '/a'\nsource = 'http://a/'\nstratgy = 'all'\n");
    assert!(complaint(&["--config", file.path()]).ends_with("a route has no key 'stratgy': did you mean strategy?\n"));
}

#[test]
fn a_value_is_shown_as_it_was_written() {
    let file = ConfigFile::new("type.toml", "max-in-flight = '16'\n");
    let place = format!("{}:1", file.path());
    assert_eq!(
        complaint(&["--config", file.path()]),
        format!("headstart: max-in-flight in {place} cannot be '16': expected an integer without quotes, such as 16\n")
    );
    let said = complaint(&["--listen", "a'b\"c\\d\u{1b}"]);
    assert!(said.starts_with("headstart: --listen cannot be 'a'b\"c\\d\\u{1b}': expected address:port"), "{said}");
}

#[test]
fn sizes_are_understood_as_people_write_them() {
    for size in ["64k", "64K", "64kb", "64KB", "64KiB", "65536"] {
        let finished = finish(headstart(&["--check", "--max-body", size]));
        assert_eq!(finished.code, Some(0), "{size}: {finished:?}");
    }
}

#[test]
fn a_misspelt_log_level_is_refused_with_those_there_are() {
    let said = complaint(&["--log", "infoo"]);
    let expected = "'infoo' is not a level; expected a level (off, error, warn, info, debug, trace)";
    assert!(said.starts_with("headstart: --log cannot be 'infoo': ") && said.contains(expected), "{said}");
}

#[test]
fn the_ceiling_of_timeouts_can_be_none() {
    let finished = finish(headstart(&["--check", "--timeout-ceiling", "none"]));
    assert!(finished.stdout.contains("timeout-ceiling = \"none\""), "{finished:?}");
    let file = ConfigFile::new("none.toml", "timeout-ceiling = 'none'\n");
    assert_eq!(finish(headstart(&["--check", "--config", file.path()])).code, Some(0));
    assert!(complaint(&["--timeout-ceiling", "nil"]).contains("'nil': expected a duration from 1ms to 1h"));
}

#[cfg(unix)]
#[test]
fn the_last_line_tells_what_was_answered_since_the_start() {
    let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0"]));
    let address: SocketAddr = process.address().parse().unwrap();
    for _ in 0..3 {
        assert_eq!(http::get(address, "/healthz").status, 200);
    }
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.wait().0.code(), Some(0));
    process.wait_for("drained: all 0 requests in flight were answered; 3 since the start");
}

#[test]
fn an_upstream_that_is_not_there_comes_with_what_to_start() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/api/work");
    let mut process = Process::start(headstart(&["--listen", "127.0.0.1:0", "--upstream", &url]));
    let warning = process.wait_for("cannot be reached");
    assert!(warning.contains(&format!("'headstart sample --listen {nobody}'")), "{warning}");
}

const SECRET: &str = "S3CRET";

/// The address of an upstream that closes, redirects and hangs in turn.
fn unreliable() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4 << 10]);
                match number % 3 {
                    0 => {}
                    1 => {
                        let _ =
                            stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /?again\r\nContent-Length: 0\r\n\r\n");
                    }
                    _ => thread::sleep(std::time::Duration::from_millis(300)),
                }
            });
        }
    });
    address
}

#[test]
fn the_query_of_an_upstream_is_shown_nowhere() {
    let upstream = format!("http://{}/work?api_key={SECRET}", unreliable());
    let route = format!("/other={upstream}");
    let settings = ["--upstream", &upstream, "--route", &route, "--schedule", "0,20,40", "--log", "trace"];
    let checked = finish(headstart(&[&["--check"][..], &settings].concat()));
    assert!(checked.code == Some(0) && checked.stdout.contains("/work?***"), "{checked:?}");
    assert!(!format!("{checked:?}").contains(SECRET), "{checked:?}");

    let mut process = Process::start(headstart(&[&["--listen", "127.0.0.1:0"][..], &settings].concat()));
    let address: SocketAddr = process.address().parse().unwrap();
    for path in ["/api/smart", "/api/all", "/other"] {
        for _ in 0..3 {
            http::get(address, &format!("{path}?timeout=200"));
        }
    }
    for page in ["/", "/metrics", "/openapi.json"] {
        assert!(!http::get(address, page).text().contains(SECRET), "{page}");
    }
    #[cfg(unix)]
    {
        process.signal(rustix::process::Signal::TERM);
        process.wait();
        let lines: Vec<_> = process.stderr.iter().filter(|line| line.contains(SECRET)).collect();
        assert!(process.stderr.len() > 20 && lines.is_empty(), "{lines:#?}");
    }
}

#[test]
fn a_mistake_shows_no_query() {
    let wrong = [format!("ftp://a/?k={SECRET}"), format!("a:80/?k={SECRET}"), format!("http://u@a/?k={SECRET}")];
    for url in &wrong {
        assert!(complaint(&["--upstream", url]).contains("?***"), "{url}");
        assert!(!complaint(&["--upstream", url]).contains(SECRET));
        assert!(!complaint(&["--upstream-proxy", url]).contains(SECRET));
        assert!(!complaint(&["--check", "--route", &format!("/a={url}")]).contains(SECRET));
    }
    let file = ConfigFile::new("secret.toml", &format!("upstream = {{ url = 'http://a/?k={SECRET}' }}\n"));
    assert!(!complaint(&["--config", file.path()]).contains(SECRET));
    let file = ConfigFile::new("syntax.toml", &format!("upstream = 'http://a/?k={SECRET}\n"));
    assert!(!complaint(&["--config", file.path()]).contains(SECRET));
}
