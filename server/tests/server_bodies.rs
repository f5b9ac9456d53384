//! Request bodies that their handlers read as they come.

use crate::support::client::End;
use crate::support::server::{Fixture, send_back, settings, start, taking};
use crossbeam_channel::{Receiver, unbounded};
use headstart::CancelReason;
use headstart_server::ServerSettings;
use headstart_server::front::{BodyLength, Handler, Request, Response, Version};
use headstart_testing::PATIENCE;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Mutex;
use std::time::Duration;

const TEXT: &str = "text/plain";

/// Answers with the body, or with what was wrong with it.
fn mirror(request: &Request<'_>) -> Response {
    let mut body = Vec::new();
    match request.body().read_to_end(&mut body) {
        Ok(_) => Response::new(200, TEXT, body),
        Err(error) => Response::problem(400, &format!("{:?}", error.kind())),
    }
}

fn chunked(head: &str, chunks: &[&str]) -> String {
    let mut all = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{head}\r\n");
    for chunk in chunks {
        all.push_str(&format!("{:x};name=value\r\n{chunk}\r\n", chunk.len()));
    }
    all + "0\r\nTrailer: dropped\r\n\r\n"
}

#[test]
fn a_body_is_read_and_what_follows_it_is_the_next_request() {
    let fixture = start(settings(), taking(mirror));
    let mut client = fixture.connect();
    let known = |body: &str| format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let many = [known("one"), chunked("", &["two", " and a half"]), known(""), chunked("", &[]), known("last")];
    let whole: Vec<u8> = many.concat().into_bytes();
    // However the bytes are cut, also within a chunk's framing.
    for cut in [whole.len(), 1, 7, 64] {
        for piece in whole.chunks(cut) {
            client.send(piece);
        }
        for expected in ["one", "two and a half", "", "", "last"] {
            assert_eq!(client.answer().text(), expected);
        }
    }
}

#[test]
fn a_body_of_any_length_is_read_whatever_bodies_that_are_dropped_may_have() {
    let fixture = start(
        settings().max_body(10),
        taking(|request: &Request<'_>| {
            let mut sum = 0_u64;
            let mut bytes = 0;
            let (mut body, mut room) = (request.body(), [0; 10_000]);
            loop {
                match body.read(&mut room).unwrap() {
                    0 => break,
                    read => {
                        bytes += read;
                        sum += room[..read].iter().map(|byte| u64::from(*byte)).sum::<u64>();
                    }
                }
            }
            Response::new(200, TEXT, format!("{bytes} {sum}").into_bytes())
        }),
    );
    let text: String = (0..2_000_000_u32).map(|at| char::from(b' ' + (at % 90) as u8)).collect();
    let expected = format!("{} {}", text.len(), text.bytes().map(u64::from).sum::<u64>());
    let mut client = fixture.connect();
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", text.len())).send(&text);
    assert_eq!(client.answer().text(), expected);
    let pieces: Vec<&str> = (0..20).map(|at| &text[at * 100_000..(at + 1) * 100_000]).collect();
    client.send(chunked("", &pieces));
    assert_eq!(client.answer().text(), expected);
    // A handler that takes no body has the limit as ever.
    let fixture = start(settings().max_body(10), mirror);
    assert_eq!(fixture.connect().send(chunked("", &["more than ten"])).answer().status, 413);
}

/// A server that tells each piece of a body as it comes.
fn start_telling() -> (Fixture, Receiver<String>) {
    let (tell, told) = unbounded();
    let fixture = start(
        settings(),
        taking(move |request: &Request<'_>| {
            let (mut body, mut room) = (request.body(), [0; 100]);
            loop {
                let read = body.read(&mut room).unwrap();
                tell.send(String::from_utf8(room[..read].to_vec()).unwrap()).unwrap();
                if read == 0 {
                    return Response::new(200, TEXT, &b"thanks"[..]);
                }
            }
        }),
    );
    (fixture, told)
}

#[test]
fn a_body_is_read_as_it_comes() {
    let (fixture, told) = start_telling();
    let mut client = fixture.connect();
    let next = || told.recv_timeout(PATIENCE).unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab");
    assert_eq!(next(), "ab");
    client.send("cd");
    assert_eq!(next(), "cd");
    client.send("ef");
    assert_eq!((next(), next()), ("ef".to_owned(), String::new()));
    assert_eq!(client.answer().text(), "thanks");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na");
    assert_eq!(next(), "a");
    client.send("b\r\n");
    assert_eq!(next(), "b");
    client.send("0\r\n\r\n");
    assert_eq!(next(), "");
    assert_eq!(client.answer().text(), "thanks");
}

#[test]
fn a_client_that_waits_for_leave_gets_it_when_the_body_is_read() {
    let (fixture, told) = start_telling();
    let mut client = fixture.connect();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.head().head, "HTTP/1.1 100 Continue\r\n\r\n");
        assert!(told.is_empty());
        client.send("ab");
        assert_eq!(client.answer().text(), "thanks");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["ab", ""]);
    }
    // Who does not wait is given none, nor is HTTP/1.0.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab");
    assert_eq!(client.answer().text(), "thanks");
    client.send("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    fixture.wait_until("it is asked", |fixture| fixture.server.stats().in_flight == 1);
    client.send("ab");
    assert_eq!(client.answer().text(), "thanks");
}

#[test]
fn leave_is_given_once() {
    let fixture = start(
        settings(),
        taking(|request: &Request<'_>| {
            assert!(request.expects_continue());
            request.send_interim(100, b"").unwrap();
            mirror(request)
        }),
    );
    let mut client = fixture.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().head, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send("ab").answer().text(), "ab");
}

#[test]
fn a_body_that_is_not_read_costs_its_connection_and_not_the_answer() {
    let fixture = start(settings(), taking(|_: &Request<'_>| Response::new(403, TEXT, &b"no"[..])));
    // Without leave there is no body, and maybe there is one: nobody can tell what comes next.
    let mut client = fixture.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (403, Some("close")));
    assert_eq!(client.end(), End::Closed);
    // A client that is in the middle of a large one still gets its answer.
    let mut client = fixture.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
    client.send(vec![b'a'; 3_000_000]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text(), answer.field("connection")), (403, "no", Some("close")));
    // What is here already is no reason to close.
    let mut client = fixture.connect();
    client.send(chunked("", &["two"]));
    assert_eq!(client.answer().field("connection"), None);
    assert_eq!(client.send(chunked("", &["two"])).answer().status, 403);
}

#[test]
fn a_body_that_was_cut_never_looks_whole() {
    let fixture = start(settings(), taking(mirror));
    for cut in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ] {
        let mut client = fixture.connect();
        let answer = client.send(cut).half_close().answer();
        assert!(answer.text().contains("UnexpectedEof"), "{cut:?}: {answer:?}");
        assert_eq!((answer.field("connection"), client.end()), (Some("close"), End::Closed));
    }
}

#[test]
fn a_malformed_body_is_an_error_and_its_connection_ends() {
    let fixture = start(settings(), taking(mirror));
    let mut client = fixture.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    );
    let answer = client.answer();
    assert!(answer.text().contains("InvalidData"), "{answer:?}");
    assert_eq!((answer.field("connection"), client.end()), (Some("close"), End::Closed));
}

#[test]
fn a_client_that_is_silent_within_its_body_for_too_long_is_an_error() {
    let fixture = start(settings().body_idle_timeout(Duration::from_millis(100)), taking(mirror));
    let mut client = fixture.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    for piece in ["a", "b", "c"] {
        std::thread::sleep(Duration::from_millis(50));
        client.send(piece);
    }
    let answer = client.answer();
    assert!(answer.text().contains("TimedOut"), "{answer:?}");
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn a_handler_knows_what_is_announced() {
    let fixture = start(settings(), |request: &Request<'_>| {
        let length = match request.body_length() {
            BodyLength::None => "none".to_owned(),
            BodyLength::Known(length) => length.to_string(),
            BodyLength::Unknown => "unknown".to_owned(),
        };
        let fields: Vec<String> =
            request.fields().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect();
        let version = if request.version() == Version::Http10 { "1.0" } else { "1.1" };
        let mut left = String::new();
        request.body().read_to_string(&mut left).unwrap();
        assert!(!request.is_secure() && left.is_empty());
        let seen = format!("{} {version} {length} {}", request.target(), fields.join(","));
        Response::new(200, TEXT, seen.into_bytes())
    });
    let mut client = fixture.connect();
    for (request, seen) in [
        ("GET /a?b HTTP/1.1\r\nhost: a\r\nX: 1\r\nx:2 \r\n\r\n", "/a?b 1.1 none host=a,X=1,x=2"),
        ("POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "http://a/ 1.1 0 Host=a,Content-Length=0"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "/ 1.1 2 Host=a,Content-Length=2"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "/ 1.1 unknown Host=a,Transfer-Encoding=chunked",
        ),
        ("OPTIONS * HTTP/1.0\r\n\r\n", "* 1.0 none "),
    ] {
        assert_eq!(client.send(request).answer().text(), seen);
    }
}

fn start_echo(settings: ServerSettings) -> Fixture {
    start(settings, taking(|_: &Request<'_>| Response::streaming(200, TEXT, None, send_back)))
}

#[test]
fn a_stream_may_read_the_body_while_it_answers() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("connection")), (200, Some("close")));
    for piece in ["ab", "cd"] {
        let mut came = [0; 7];
        client.send(piece).fill(&mut came);
        assert_eq!(came, format!("2\r\n{piece}\r\n").as_bytes());
    }
    assert_eq!(client.rest(), b"0\r\n\r\n");
}

#[test]
fn a_stream_whose_request_was_cut_is_cut() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n").head();
    client.send("ab").half_close();
    assert_eq!(client.rest(), b"2\r\nab\r\n");
}

/// The watch sees what nobody reads.
#[cfg(unix)]
#[test]
fn a_client_that_leaves_within_its_body_ends_its_request() {
    let (tell, told) = unbounded();
    let fixture = start(
        settings(),
        taking(move |request: &Request<'_>| {
            let token = request.token();
            tell.send(None).unwrap();
            tell.send(token.wait(headstart::Deadline::after(PATIENCE))).unwrap();
            mirror(request)
        }),
    );
    for resets in [false, true] {
        let mut client = fixture.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), None);
        if resets {
            client.reset()
        } else {
            drop(client)
        }
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some(CancelReason::ClientGone));
    }
    fixture.wait_until("all is over", |fixture| fixture.server.stats().connections == 0);
    assert_eq!(fixture.server.stats().answered, 0);
}

#[test]
fn there_is_one_reader_at_a_time() {
    let fixture = start(
        settings(),
        taking(|request: &Request<'_>| {
            let mut first = request.body();
            let second = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(request.body())));
            let mut room = [0; 1];
            first.read_exact(&mut room).unwrap();
            drop(first);
            let mut rest = String::new();
            request.body().read_to_string(&mut rest).unwrap();
            Response::new(200, TEXT, format!("{} {rest}", second.is_err()).into_bytes())
        }),
    );
    let answer = fixture.connect().send(chunked("", &["abc"])).answer();
    assert_eq!(answer.text(), "true bc");
}

#[test]
fn a_handler_that_panics_over_the_head_is_asked_for_its_answer() {
    struct Panics;
    impl Handler for Panics {
        fn handle(&self, request: &Request<'_>) -> Response {
            mirror(request)
        }
        fn takes_body(&self, _: &Request<'_>) -> bool {
            panic!("as told")
        }
    }
    let fixture = start(settings(), Panics);
    let answer = fixture.connect().send(chunked("", &["abc"])).answer();
    assert_eq!((answer.status, answer.text()), (200, ""));
}

/// Without waiting.
#[cfg(unix)]
mod at_once {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::os::fd::BorrowedFd;

    fn wait_for(fd: BorrowedFd<'_>) {
        let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)).unwrap();
        assert_eq!(ready, 1, "nothing came");
    }

    #[test]
    fn a_body_is_looked_at_without_waiting_for_it() {
        let (tell, told) = unbounded();
        let seen: Mutex<Vec<u8>> = Mutex::default();
        let fixture = start(
            settings(),
            taking(move |request: &Request<'_>| {
                let mut body = request.body();
                let mut seen = seen.lock().unwrap();
                seen.clear();
                loop {
                    match body.peek_now().unwrap() {
                        Some([]) => return Response::new(200, TEXT, seen.clone()),
                        Some(bytes) => {
                            // What is not consumed is shown again.
                            seen.push(bytes[0]);
                            body.consume(1);
                        }
                        None => {
                            tell.send(seen.len()).unwrap();
                            // Looking gives no leave to send: whoever looks may have to ask somebody else first.
                            if seen.is_empty() {
                                request.send_interim(100, b"").unwrap();
                            }
                            wait_for(body.as_fd().unwrap());
                        }
                    }
                }
            }),
        );
        let mut client = fixture.connect();
        for [first, second] in [
            ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", "abcde"],
            [
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
                "5\r\nabcde\r\n0\r\n\r\n",
            ],
        ] {
            client.send(first);
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 0);
            assert_eq!(client.head().head, "HTTP/1.1 100 Continue\r\n\r\n");
            let half = second.find('d').unwrap();
            client.send(&second[..half]);
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 3);
            client.send(&second[half..]);
            assert_eq!(client.answer().text(), "abcde");
            assert!(told.is_empty());
        }
    }

    #[test]
    fn a_client_that_sends_faster_than_it_is_read_is_held_back() {
        let (go, goes) = unbounded::<()>();
        let fixture = start(
            settings(),
            taking(move |request: &Request<'_>| {
                assert!(request.body().peek_now().is_ok());
                goes.recv_timeout(PATIENCE).unwrap();
                match io::copy(&mut request.body(), &mut io::sink()) {
                    Ok(bytes) => Response::new(200, TEXT, bytes.to_string().into_bytes()),
                    Err(error) => Response::problem(400, &error.to_string()),
                }
            }),
        );
        const ALL: usize = 64 << 20;
        let mut client = fixture.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {ALL}\r\n\r\n"));
        client.stream().set_nonblocking(true).unwrap();
        let (piece, mut sent) = (vec![b'a'; 1 << 20], 0);
        loop {
            match client.stream().write(&piece) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Full, and nobody makes room.
                    std::thread::sleep(Duration::from_millis(50));
                    match client.stream().write(&piece) {
                        Ok(bytes) => sent += bytes,
                        Err(_) => break,
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(sent < ALL / 2, "{sent}");
        client.stream().set_nonblocking(false).unwrap();
        go.send(()).unwrap();
        client.send(vec![b'a'; ALL - sent]);
        assert_eq!(client.answer().text(), ALL.to_string());
    }
}
