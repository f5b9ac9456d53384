//! One access line per request. One test, because the logger belongs to the whole process.
#![cfg(unix)]

use crate::support::server::{eventually, settings, start};
use headstart::Deadline;
use headstart_server::front::{Note, Passed, Request, Response, access};
use log::kv::{Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

/// Keeps the access lines, and the messages of errors.
struct Keeps {
    lines: Mutex<Vec<BTreeMap<String, String>>>,
    errors: Mutex<Vec<String>>,
}

static LOG: Keeps = Keeps { lines: Mutex::new(Vec::new()), errors: Mutex::new(Vec::new()) };

struct Pairs(BTreeMap<String, String>);

impl<'a> VisitSource<'a> for Pairs {
    fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), log::kv::Error> {
        self.0.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

impl Log for Keeps {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == access::TARGET {
            let mut pairs = Pairs(BTreeMap::new());
            record.key_values().visit(&mut pairs).unwrap();
            self.lines.lock().unwrap().push(pairs.0);
        } else if record.level() == log::Level::Error {
            self.errors.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// The next line, without what differs from run to run.
fn line() -> String {
    eventually("a line", || !LOG.lines.lock().unwrap().is_empty());
    let mut line = LOG.lines.lock().unwrap().remove(0);
    assert!(line.remove("client").unwrap().starts_with("127.0.0.1:"));
    assert!(line.remove("ms").unwrap().parse::<f64>().unwrap() >= 0.0);
    line.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_request_leaves_one_line() {
    headstart_testing::alone!();
    log::set_logger(&LOG).unwrap();
    log::set_max_level(LevelFilter::Info);
    let short = Duration::from_millis(100);
    let settings = settings().head_timeout(short);
    let fixture = start(settings, |request: &Request<'_>| match request.path() {
        "/wait" => {
            request.token().wait(Deadline::after(headstart_testing::PATIENCE));
            Response::new(200, "text/plain", &b""[..]).with_note("attempts", Note::Number(2))
        }
        "/panic" => panic!("as told"),
        "/stream" => {
            Response::streaming(200, "text/plain", None, |conversation| conversation.write_all(&[b'a'; 100_000]))
                .with_note("attempts", Note::Number(1))
        }
        "/fails" => Response::streaming(200, "text/plain", Some(9), |conversation| {
            conversation.write_all(b"part")?;
            Err(std::io::ErrorKind::Other.into())
        }),
        "/endless" => Response::streaming(200, "text/plain", None, |conversation| {
            loop {
                conversation.write_all(&[b'a'; 1_000])?;
            }
        }),
        "/stops" => Response::streaming(200, "text/plain", None, |conversation| {
            conversation.write_all(b"part")?;
            conversation.token().wait(Deadline::after(headstart_testing::PATIENCE));
            Err(std::io::ErrorKind::Other.into())
        }),
        "/tunnel" => Response::passed(
            101,
            Vec::new(),
            b"Upgrade: a\r\n".to_vec(),
            Passed::Tunnel(Box::new(|tunnel| tunnel.write_all(b"hello"))),
        ),
        _ => Response::new(200, "text/plain", &b"fine"[..])
            .with_note("attempts", Note::Number(3))
            .with_note("end", Note::Word("won")),
    });
    let mut client = fixture.connect();
    client.get("/a?b=%22c").answer();
    assert_eq!(line(), "attempts=3 bytes=4 end=won method=GET path=/a?b=%22c status=200");
    client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(line(), "attempts=3 bytes=0 end=won method=HEAD path=/a status=200");
    client.get("/panic").answer();
    assert!(line().ends_with("method=GET path=/panic status=500"));
    assert_eq!(LOG.errors.lock().unwrap().as_slice(), ["the handler panicked at GET /panic: as told"]);
    client.get("/wait");
    drop(client);
    assert_eq!(line(), "attempts=2 bytes=0 method=GET path=/wait status=499");

    client = fixture.connect();
    client.send("GET /\u{1b}[2J HTTP/1.1\r\n\r\n").answer();
    let refused = line();
    assert!(refused.contains(r"path=GET /\x1b[2J HTTP/1.1 "), "{refused}");
    assert!(refused.ends_with("status=400"), "{refused}");
    client = fixture.connect();
    client.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n").answer();
    let refused = line();
    assert!(refused.contains(" method=POST path=/b refused=") && refused.ends_with(" status=413"), "{refused}");
    client = fixture.connect();
    client.send("GET").answer();
    assert!(line().ends_with("path=GET refused=the head took too long status=408"));

    // A stream's comes when it is over.
    client = fixture.connect();
    client.get("/stream").head();
    assert_eq!(line(), "attempts=1 bytes=100000 method=GET path=/stream status=200");
    client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(line(), "attempts=1 bytes=0 method=HEAD path=/stream status=200");
    drop(client);
    fixture.connect().get("/fails").head();
    assert_eq!(line(), "bytes=4 cut=upstream method=GET path=/fails status=200");
    client = fixture.connect();
    client.get("/endless").head();
    assert!(LOG.lines.lock().unwrap().is_empty());
    client.reset();
    let cut = line();
    assert!(cut.ends_with(" cut=client method=GET path=/endless status=200") && !cut.contains("bytes=0 "), "{cut}");
    fixture.connect().get("/tunnel").head();
    assert_eq!(line(), "bytes=5 method=GET path=/tunnel status=101");

    // A connection without a request leaves none.
    drop(fixture.connect());
    fixture.wait_until("it is gone", |fixture| fixture.server.stats().connections == 0);
    fixture.assert_serves();
    assert!(line().contains("path=/healthy"));
    assert!(LOG.lines.lock().unwrap().is_empty());

    client = fixture.connect();
    client.get("/stops").head();
    fixture.server.shutdown(Duration::ZERO);
    assert_eq!(line(), "bytes=4 cut=shutdown method=GET path=/stops status=200");
}
