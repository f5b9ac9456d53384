//! Tunnels: what a connection carries after `101`.

use crate::support::client::{Client, End};
use crate::support::server::{Fixture, send_back, settings, start, taking};
use crossbeam_channel::unbounded;
use headstart_server::Conversation;
use headstart_server::front::{Passed, Request, Response};
use headstart_testing::PATIENCE;
use std::io::{self, ErrorKind, Read, Write};

type Run = fn(&mut Conversation<'_>) -> io::Result<()>;

fn switching(run: Run) -> Response {
    let fields = b"Upgrade: echo\r\nX-Of: theirs\r\n".to_vec();
    Response::passed(101, b"Switching Protocols".to_vec(), fields, Passed::Tunnel(Box::new(run)))
}

fn start_tunnel(run: Run) -> Fixture {
    start(settings(), move |request: &Request<'_>| match request.header("upgrade") {
        Some(_) => switching(run),
        None => Response::new(200, "text/plain", &b"no tunnel"[..]),
    })
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nX-Of: theirs\r\nConnection: upgrade\r\n\r\n";

/// Sends back what comes, and a last word after the client's end.
fn echo(conversation: &mut Conversation<'_>) -> io::Result<()> {
    send_back(conversation)?;
    conversation.write_all(b"bye")
}

fn said(client: &mut Client, bytes: &str) {
    let mut came = vec![0; bytes.len()];
    client.fill(&mut came);
    assert_eq!(String::from_utf8(came).unwrap(), bytes);
}

/// What a client and a tunnel say to each other, whichever way the tunnel is served.
fn converse(run: Run) {
    let fixture = start_tunnel(run);
    let mut client = fixture.connect();
    // The connection was one of HTTP before, and the first bytes come together with the request.
    assert_eq!(client.get("/").answer().text(), "no tunnel");
    client.send(format!("{UPGRADE}early "));
    assert_eq!(client.head().head, SWITCHED);
    said(&mut client, "early ");
    for word in ["GET / HTTP/1.1\r\n\r\n", "\0\u{1}\u{2}", "0\r\n\r\n"] {
        client.send(word);
        said(&mut client, word);
    }
    let large = "0123456789".repeat(100_000);
    let mut sender = Client::over(client.stream().try_clone().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send(&large));
        said(&mut client, &large);
    });
    assert_eq!(fixture.server.stats().in_flight, 1);
    client.half_close();
    assert_eq!(client.rest(), b"bye");
    fixture.wait_until("it is over", |fixture| fixture.server.stats().connections == 0);
}

#[test]
fn a_tunnel_carries_bytes_both_ways_and_outlives_the_end_of_one() {
    converse(echo);
}

#[test]
fn a_body_before_the_tunnel_is_no_part_of_it() {
    for takes in [false, true] {
        let fixture = match takes {
            true => start(
                settings(),
                taking(|request: &Request<'_>| {
                    let mut body = String::new();
                    request.body().read_to_string(&mut body).unwrap();
                    assert_eq!(body, "body");
                    switching(echo)
                }),
            ),
            false => start_tunnel(echo),
        };
        let mut client = fixture.connect();
        let post = UPGRADE.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 4\r\n\r\n");
        client.send(format!("{post}bodyearly")).half_close();
        assert_eq!(client.head().head, SWITCHED);
        assert_eq!(client.rest(), b"earlybye", "{takes}");
        let mut client = fixture.connect();
        client.send(post);
        client.send("bo").send("dyearly").half_close();
        assert_eq!(client.head().head, SWITCHED);
        assert_eq!(client.rest(), b"earlybye", "{takes}");
    }
}

#[test]
fn no_tunnel_begins_within_a_body() {
    let fixture = start(settings(), taking(|_: &Request<'_>| switching(echo)));
    let mut client = fixture.connect();
    let post = UPGRADE.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 4\r\n\r\n");
    let answer = client.send(format!("{post}bo")).answer();
    assert_eq!((answer.status, answer.field("connection")), (501, Some("close")));
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn a_tunnel_that_fails_ends_with_a_reset() {
    let fixture = start_tunnel(|conversation| {
        conversation.write_all(b"part")?;
        conversation.read_exact(&mut [0; 1])?;
        Err(ErrorKind::Other.into())
    });
    let mut client = fixture.connect();
    client.send(UPGRADE).head();
    said(&mut client, "part");
    client.send("x");
    assert_eq!(client.end(), End::Reset);
}

#[test]
fn connect_is_not_allowed() {
    let fixture = start_tunnel(echo);
    let mut client = fixture.connect();
    let answer = client.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").answer();
    assert_eq!((answer.status, answer.field("allow"), answer.field("connection")), (405, Some(""), Some("close")));
    assert_eq!(client.end(), End::Closed);
}

/// Without waiting, as a relay does it.
#[cfg(unix)]
pub(crate) mod at_once {
    use super::*;
    use headstart::relay::Duplex;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Sends back what comes, and a last word after the client's end: no call waits but the `poll`.
    pub(crate) fn echo(conversation: &mut Conversation<'_>) -> io::Result<()> {
        let mut last: &[u8] = b"bye";
        loop {
            let mut has_moved = false;
            let mut wanted = PollFlags::IN;
            match conversation.peek_now()?.map(<[u8]>::to_vec) {
                Some(bytes) if bytes.is_empty() => {
                    let sent = conversation.write_now(last)?;
                    last = &last[sent..];
                    if last.is_empty() && conversation.finish_now()? {
                        return Ok(());
                    }
                    wanted = PollFlags::OUT;
                }
                Some(bytes) => {
                    let sent = conversation.write_now(&bytes)?;
                    conversation.consume(sent);
                    has_moved = sent > 0;
                    wanted = PollFlags::OUT;
                }
                None => {}
            }
            if !conversation.flush_now()? {
                wanted |= PollFlags::OUT;
            }
            if !has_moved {
                let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
                let mut fds = [PollFd::from_borrowed_fd(Duplex::as_fd(conversation), wanted)];
                assert_eq!(poll(&mut fds, Some(&timeout)).unwrap(), 1, "nothing moves");
            }
        }
    }

    #[test]
    fn a_tunnel_may_be_served_without_waiting() {
        converse(echo);
    }

    #[test]
    fn the_end_of_one_direction_is_said_while_the_other_goes_on() {
        let (tell, told) = unbounded();
        let fixture = start(settings(), move |_: &Request<'_>| {
            let tell = tell.clone();
            let fields = b"Upgrade: echo\r\n".to_vec();
            Response::passed(
                101,
                Vec::new(),
                fields,
                Passed::Tunnel(Box::new(move |conversation| {
                    assert!(conversation.finish_now()?);
                    let mut rest = String::new();
                    conversation.read_to_string(&mut rest)?;
                    tell.send(rest).unwrap();
                    assert_eq!(conversation.write(b"more").unwrap_err().kind(), ErrorKind::InvalidInput);
                    Ok(())
                })),
            )
        });
        let mut client = fixture.connect();
        client.send(UPGRADE).head();
        assert_eq!(client.end(), End::Closed);
        client.send("still there").half_close();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "still there");
    }
}
