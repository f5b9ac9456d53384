//! Responses whose bodies are sent as they come.

use crate::support::client::{Client, End};
use crate::support::server::{Fixture, settings, start};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart_server::front::{Conversation, Passed, Request, Response};
use headstart_testing::PATIENCE;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TEXT: &str = "text/plain";

/// Two words, of which nobody knows beforehand.
fn words(conversation: &mut Conversation<'_>) -> io::Result<()> {
    conversation.write_all(b"one")?;
    conversation.write_all(b"")?;
    conversation.write_all(b"three")
}

fn start_words(length: Option<u64>) -> Fixture {
    start(settings(), move |request: &Request<'_>| match request.path() {
        "/words" => Response::streaming(200, TEXT, length, words),
        path => Response::new(200, TEXT, path.as_bytes().to_vec()),
    })
}

/// All that comes until the connection ends, and how it ends.
fn rest_of(client: &Client) -> (String, End) {
    let mut received = Vec::new();
    let end = match client.stream().read_to_end(&mut received) {
        Ok(_) => End::Closed,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
        Err(error) => panic!("{error}"),
    };
    (String::from_utf8(received).unwrap(), end)
}

#[test]
fn a_stream_of_unknown_length_comes_in_chunks_and_the_next_request_is_answered() {
    let fixture = start_words(None);
    let mut client = fixture.connect();
    client.get("/words").get("/next");
    let answer = client.head();
    assert_eq!((answer.status, answer.field("transfer-encoding")), (200, Some("chunked")));
    assert_eq!((answer.field("content-length"), answer.field("connection")), (None, None));
    assert_eq!((answer.field("content-type"), answer.field("date").is_some()), (Some(TEXT), true));
    let chunks = b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n";
    let mut all = vec![0; chunks.len()];
    client.fill(&mut all);
    assert_eq!(all.escape_ascii().to_string(), chunks.escape_ascii().to_string());
    assert_eq!(client.answer().text(), "/next");
}

#[test]
fn a_stream_of_unknown_length_comes_to_http_1_0_until_the_end() {
    let fixture = start_words(None);
    let mut client = fixture.connect();
    client.send("GET /words HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.head();
    assert_eq!((answer.field("transfer-encoding"), answer.field("content-length")), (None, None));
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(client.rest(), b"onethree");
}

#[test]
fn a_stream_of_known_length_comes_as_it_is_and_the_connection_goes_on() {
    let fixture = start_words(Some(8));
    let mut client = fixture.connect();
    for (request, connection) in [
        ("GET /words HTTP/1.1\r\nHost: a\r\n\r\n", None),
        ("GET /words HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Some("keep-alive")),
        ("GET /words HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Some("close")),
    ] {
        let answer = client.send(request).answer();
        assert_eq!((answer.text(), answer.field("content-length")), ("onethree", Some("8")));
        assert_eq!((answer.field("transfer-encoding"), answer.field("connection")), (None, connection));
    }
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn head_is_told_what_get_would_be_and_nothing_is_sent() {
    for (length, told) in [(None, None), (Some(8), Some("8"))] {
        let fixture = start(settings(), move |_: &Request<'_>| {
            Response::streaming(200, TEXT, length, |_: &mut Conversation<'_>| panic!("nobody wants it"))
        });
        let mut client = fixture.connect();
        for _ in 0..2 {
            let answer = client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").head();
            assert_eq!((answer.status, answer.field("content-length")), (200, told));
            assert_eq!((answer.field("transfer-encoding"), answer.field("connection")), (None, None));
        }
    }
}

#[test]
fn each_piece_leaves_at_once_and_the_head_with_a_flush() {
    let (go, told) = unbounded::<()>();
    let told = Arc::new(told);
    let fixture = start(settings(), move |_: &Request<'_>| {
        let told = told.clone();
        Response::streaming(200, TEXT, None, move |conversation| {
            conversation.flush()?;
            for piece in ["a", "b"] {
                told.recv_timeout(PATIENCE).unwrap();
                conversation.write_all(piece.as_bytes())?;
            }
            told.recv_timeout(PATIENCE).unwrap();
            Ok(())
        })
    });
    let mut client = fixture.connect();
    assert_eq!(client.get("/").head().status, 200);
    for piece in [b"1\r\na\r\n", b"1\r\nb\r\n"] {
        go.send(()).unwrap();
        let mut came = [0; 6];
        client.fill(&mut came);
        assert_eq!(&came, piece);
    }
    assert_eq!(fixture.server.stats().in_flight, 1, "it is not over yet");
    go.send(()).unwrap();
    let mut last = [0; 5];
    client.fill(&mut last);
    assert_eq!(&last, b"0\r\n\r\n");
    fixture.wait_until("it is over", |fixture| fixture.server.stats().in_flight == 0);
}

#[test]
fn what_is_not_whole_never_looks_whole() {
    type Sends = fn(&mut Conversation<'_>) -> io::Result<()>;
    let fails: Sends = |conversation| {
        conversation.write_all(b"part")?;
        Err(ErrorKind::Other.into())
    };
    let panics: Sends = |conversation| {
        conversation.write_all(b"part")?;
        panic!("as told")
    };
    let is_short: Sends = |conversation| conversation.write_all(b"part");
    let is_long: Sends = |conversation| {
        conversation.write_all(b"part")?;
        let error = conversation.write_all(b"of it all").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    };
    for (length, send) in
        [(None, fails), (None, panics), (Some(8), fails), (Some(8), panics), (Some(8), is_short), (Some(8), is_long)]
    {
        let fixture = start(settings(), move |_: &Request<'_>| Response::streaming(200, TEXT, length, send));
        let mut client = fixture.connect();
        client.get("/").head();
        let came = String::from_utf8(client.rest()).unwrap();
        assert_eq!(came, if length.is_some() { "part" } else { "4\r\npart\r\n" });
        // What has no other end than the connection's ends with a reset.
        let mut client = fixture.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        let (came, end) = rest_of(&client);
        if length.is_none() {
            assert_eq!(end, End::Reset, "{came:?}");
        } else {
            assert!(came.ends_with("\r\n\r\npart"), "{came:?}");
        }
        fixture.assert_no_request();
    }
}

impl Fixture {
    /// Checks that what was under way is over.
    fn assert_no_request(&self) {
        self.wait_until("all is over", |fixture| {
            let stats = fixture.server.stats();
            (stats.in_flight, stats.connections) == (0, 0)
        });
    }
}

/// A server that streams without end, which tells how much it has sent and what it ended with.
fn start_endless(change: impl FnOnce(headstart_server::ServerSettings) -> headstart_server::ServerSettings) -> Endless {
    let sent = Arc::new(AtomicU64::new(0));
    let (ended, ends): (Sender<ErrorKind>, Receiver<ErrorKind>) = unbounded();
    let counted = sent.clone();
    let fixture = start(change(settings()), move |_: &Request<'_>| {
        let (sent, ended) = (counted.clone(), ended.clone());
        Response::streaming(200, TEXT, None, move |conversation| {
            let piece = [b'a'; 64 << 10];
            loop {
                if let Err(error) = conversation.write_all(&piece) {
                    ended.send(error.kind()).unwrap();
                    return Err(error);
                }
                sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
        })
    });
    Endless { fixture, sent, ends }
}

struct Endless {
    fixture: Fixture,
    sent: Arc<AtomicU64>,
    ends: Receiver<ErrorKind>,
}

impl Endless {
    /// Waits until nothing moves any more, and tells how much has.
    fn stalled(&self) -> u64 {
        let (mut before, began) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let sent = self.sent.load(Ordering::Relaxed);
            if sent > 0 && sent == before {
                return sent;
            }
            assert!(began.elapsed() < PATIENCE, "{sent} bytes went to a client that reads none");
            before = sent;
        }
    }
}

#[test]
fn a_client_that_does_not_read_holds_the_sender_back_until_it_reads() {
    let endless = start_endless(|settings| settings);
    let mut client = endless.fixture.connect();
    client.get("/");
    let held = endless.stalled();
    // What the sockets hold, of either side.
    assert!(held < 32 << 20, "{held}");
    let mut read = vec![0; held as usize + (1 << 20)];
    client.fill(&mut read);
    drop(client);
    endless.ends.recv_timeout(PATIENCE).unwrap();
    endless.fixture.assert_no_request();
}

#[test]
fn a_client_that_does_not_read_for_too_long_is_cut() {
    let endless = start_endless(|settings| settings.write_timeout(Duration::from_millis(200)));
    let mut client = endless.fixture.connect();
    client.get("/");
    let kind = endless.ends.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock), "{kind:?}");
    endless.fixture.assert_no_request();
    assert_eq!(client.head().status, 200);
}

#[test]
fn a_client_that_leaves_in_the_middle_ends_the_sending() {
    let endless = start_endless(|settings| settings);
    for resets in [false, true] {
        let mut client = endless.fixture.connect();
        client.get("/").head();
        if resets {
            client.reset();
        } else {
            drop(client);
        }
        let kind = endless.ends.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind:?}");
    }
    endless.fixture.assert_no_request();
}

/// As an upstream has said it.
const FIELDS: &[u8] = b"Server: other\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nX-Odd:  two\tspaces\xe9\r\n";

fn passed(status: u16, body: Passed) -> Response {
    Response::passed(status, b"Whatever They Say".to_vec(), FIELDS.to_vec(), body)
}

/// Head and body of an answer, escaped, without what is the same in all of them.
fn told(request: &str, make: fn() -> Response) -> String {
    let fixture = start(settings(), move |request: &Request<'_>| match request.path() {
        "/" => make(),
        path => Response::new(200, TEXT, path.as_bytes().to_vec()),
    });
    let client = fixture.connect();
    (&mut client.stream()).write_all(request.as_bytes()).unwrap();
    (&mut client.stream()).write_all(b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut received = Vec::new();
    client.stream().read_to_end(&mut received).unwrap();
    let text = received.escape_ascii().to_string();
    let fields = FIELDS.escape_ascii().to_string();
    assert!(text.contains(&fields), "{text}");
    let text = text.replacen(&fields, "[fields]", 1);
    match text.split_once(r"HTTP/1.1 200 OK\r\nDate: ") {
        Some((first, next)) => {
            assert!(next.ends_with(r"\r\n\r\n/next"), "{next}");
            format!("{first}, next")
        }
        None => text,
    }
}

#[test]
fn what_is_passed_on_stays_as_it_was_made() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const GET_OLD: &str = "GET / HTTP/1.0\r\n\r\n";
    let bytes = || passed(299, Passed::Bytes(b"body".to_vec()));
    let known = || passed(206, Passed::Stream { length: Some(8), run: Box::new(words) });
    let unknown = || passed(404, Passed::Stream { length: None, run: Box::new(words) });
    let head = r"Whatever They Say\r\n[fields]";
    assert_eq!(told(GET, bytes), format!(r"HTTP/1.1 299 {head}Content-Length: 4\r\n\r\nbody, next"));
    assert_eq!(told(GET, known), format!(r"HTTP/1.1 206 {head}Content-Length: 8\r\n\r\nonethree, next"));
    assert_eq!(
        told(GET, unknown),
        format!(
            "HTTP/1.1 404 {head}{}",
            r"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n, next"
        )
    );
    assert_eq!(told(GET_OLD, unknown), format!(r"HTTP/1.1 404 {head}Connection: close\r\n\r\nonethree"));
    assert_eq!(told(GET_OLD, bytes), format!(r"HTTP/1.1 299 {head}Content-Length: 4\r\nConnection: close\r\n\r\nbody"));
}

#[test]
fn what_is_passed_on_without_a_body_is_framed_only_where_a_body_could_be() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = r"Whatever They Say\r\n[fields]";
    assert_eq!(told(GET, || passed(204, Passed::None)), format!(r"HTTP/1.1 204 {head}\r\n, next"));
    assert_eq!(told(GET, || passed(304, Passed::None)), format!(r"HTTP/1.1 304 {head}\r\n, next"));
    assert_eq!(told(HEAD, || passed(200, Passed::None)), format!(r"HTTP/1.1 200 {head}\r\n, next"));
    assert_eq!(told(GET, || passed(200, Passed::None)), format!(r"HTTP/1.1 200 {head}Content-Length: 0\r\n\r\n, next"));
    // Whoever passes a body on where there can be none has it dropped.
    assert_eq!(told(GET, || passed(304, Passed::Bytes(b"body".to_vec()))), format!(r"HTTP/1.1 304 {head}\r\n, next"));
    assert_eq!(
        told(HEAD, || passed(200, Passed::Bytes(b"body".to_vec()))),
        format!(r"HTTP/1.1 200 {head}Content-Length: 4\r\n\r\n, next")
    );
    let announced = || Response::passed(200, Vec::new(), [b"Content-Length: 7\r\n", FIELDS].concat(), Passed::None);
    assert_eq!(told(HEAD, announced), r"HTTP/1.1 200 \r\nContent-Length: 7\r\n[fields]\r\n, next");
}

#[test]
fn interim_responses_come_before_the_answer_and_not_to_http_1_0() {
    let fixture = start(settings(), |request: &Request<'_>| {
        request.send_interim(103, b"Link: </a>; rel=preload\r\nLink: </b>\r\n").unwrap();
        request.send_interim(102, b"").unwrap();
        for status in [99, 101, 200] {
            assert_eq!(request.send_interim(status, b"").unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        Response::streaming(200, TEXT, None, words)
    });
    let mut client = fixture.connect();
    for _ in 0..2 {
        let hints = client.get("/").head();
        assert_eq!(hints.head, "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>\r\n\r\n");
        assert_eq!(client.head().head, "HTTP/1.1 102 Processing\r\n\r\n");
        assert_eq!(client.head().status, 200);
        client.fill(&mut [0; 23]);
    }
    let mut client = fixture.connect();
    assert_eq!(client.send("GET / HTTP/1.0\r\n\r\n").head().status, 200);
}

/// The watch sends the opening of the response at the end of the client's sending, before anybody knows which response
/// is next.
#[cfg(unix)]
#[test]
fn the_opening_that_was_sent_early_belongs_to_whatever_comes_next() {
    for has_interim in [false, true] {
        let (go, told) = unbounded::<()>();
        let fixture = start(settings(), move |request: &Request<'_>| {
            request.token();
            told.recv_timeout(PATIENCE).unwrap();
            if has_interim {
                request.send_interim(103, b"A: b\r\n").unwrap();
            }
            Response::streaming(200, TEXT, None, words)
        });
        let mut client = fixture.connect();
        client.get("/").half_close();
        let opening = &mut [0; 9];
        client.stream().peek(opening).unwrap();
        assert_eq!(opening, b"HTTP/1.1 ");
        go.send(()).unwrap();
        if has_interim {
            assert_eq!(client.head().head, "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n");
        }
        let answer = client.head();
        assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\nDate: "), "{answer:?}");
        assert_eq!(client.rest(), b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n");
        assert_eq!(fixture.server.stats().clients_gone, 0);
    }
}
