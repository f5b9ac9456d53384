//! Bodies that pass as they come, and tunnels, under TLS.

#![cfg(feature = "tls")]

use crate::server_tunnels;
use crate::support::server::{Fixture, send_back, settings, start, taking};
use crate::support::tls::{BOTH, Certificate, End, TlsClient};
use crossbeam_channel::unbounded;
use headstart_server::Conversation;
use headstart_server::front::{Handler, Passed, Request, Response};
use headstart_testing::PATIENCE;
use std::io::{self, ErrorKind, Read, Write};

const TEXT: &str = "text/plain";

fn secured(handler: impl Handler) -> (Fixture, Certificate) {
    let certificate = Certificate::new();
    (start(settings().tls(certificate.files.settings()), handler), certificate)
}

fn connect(fixture: &Fixture, certificate: &Certificate) -> TlsClient {
    certificate.connect(fixture.server.local_addr())
}

/// Exactly the next bytes.
fn next(client: &mut TlsClient, length: usize) -> String {
    let mut bytes = vec![0; length];
    client.stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn bodies_come_and_go_as_they_come() {
    let (fixture, certificate) = secured(taking(|request: &Request<'_>| {
        assert!(request.is_secure());
        let mut body = String::new();
        request.body().read_to_string(&mut body).unwrap();
        Response::streaming(200, TEXT, None, move |conversation| conversation.write_all(body.as_bytes()))
    }));
    for version in BOTH {
        let config = certificate.trusting(&[version]);
        let mut client = TlsClient::connect(fixture.server.local_addr(), config).unwrap();
        for _ in 0..3 {
            client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
            assert_eq!(client.answer().0, "HTTP/1.1 100 Continue\r\n\r\n");
            client.send("ab").send("cd");
            let (head, _) = client.answer();
            assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
            assert_eq!(client.rest_of_chunks(), "4\r\nabcd\r\n0\r\n\r\n");
        }
    }
}

impl TlsClient {
    /// What comes until the last chunk.
    fn rest_of_chunks(&mut self) -> String {
        let mut came = String::from_utf8(self.take_received()).unwrap();
        while !came.ends_with("0\r\n\r\n") {
            came += &next(self, 1);
        }
        came
    }
}

#[test]
fn a_stream_may_read_the_body_while_it_answers() {
    let (fixture, certificate) =
        secured(taking(|_: &Request<'_>| Response::streaming(200, TEXT, Some(200_000), send_back)));
    let mut client = connect(&fixture, &certificate);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    // The head comes with the first byte of what it waits for at the latest.
    client.send("1\r\nx\r\n");
    let piece = "y".repeat(199_999);
    client.send(format!("{:x}\r\n{piece}\r\n0\r\n\r\n", piece.len()));
    let (head, body) = client.answer();
    assert!(head.contains("Content-Length: 200000\r\n"), "{head}");
    assert_eq!(String::from_utf8(body).unwrap(), format!("x{piece}"));
    assert_eq!(client.end(), End::Said);
}

#[test]
fn an_answer_until_the_end_says_so_and_one_that_is_cut_does_not() {
    for (is_whole, ends) in [(true, vec![End::Said]), (false, vec![End::Cut, End::Reset])] {
        let (fixture, certificate) = secured(move |_: &Request<'_>| {
            Response::streaming(200, TEXT, None, move |conversation| {
                conversation.write_all(b"part")?;
                if is_whole { Ok(()) } else { Err(ErrorKind::Other.into()) }
            })
        });
        let mut client = connect(&fixture, &certificate);
        let (head, _) = client.send("GET / HTTP/1.0\r\n\r\n").answer();
        assert!(head.contains("Connection: close") && !head.contains("Content-Length"), "{head}");
        let mut came = client.take_received();
        while came.len() < 4 {
            came.push(next(&mut client, 1).as_bytes()[0]);
        }
        assert_eq!(came, b"part");
        let end = client.end();
        assert!(ends.contains(&end), "{end:?}");
    }
}

#[test]
fn a_tunnel_carries_bytes_both_ways_and_says_its_end() {
    type Run = fn(&mut Conversation<'_>) -> io::Result<()>;
    let blocking: Run = |conversation| {
        send_back(conversation)?;
        conversation.write_all(b"bye")
    };
    let mut ways = vec![blocking];
    #[cfg(unix)]
    ways.push(server_tunnels::at_once::echo);
    for run in ways {
        let (fixture, certificate) = secured(move |_: &Request<'_>| {
            Response::passed(101, b"Ok".to_vec(), b"Upgrade: echo\r\n".to_vec(), Passed::Tunnel(Box::new(run)))
        });
        let mut client = connect(&fixture, &certificate);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly");
        assert_eq!(client.answer().0, "HTTP/1.1 101 Ok\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n");
        let received = client.take_received().len();
        next(&mut client, 5 - received);
        // More than all buffers hold: the client reads what it is sent back only later.
        let large = "0123456789".repeat(50_000);
        for _ in 0..4 {
            client.send(&large);
            assert!(next(&mut client, large.len()) == large);
        }
        client.say_goodbye();
        assert_eq!(next(&mut client, 3), "bye");
        assert_eq!(client.end(), End::Said);
        fixture.wait_until("it is over", |fixture| fixture.server.stats().connections == 0);
    }
}

#[cfg(unix)]
#[test]
fn a_client_that_does_not_read_is_not_waited_for_and_gets_everything_later() {
    use headstart::relay::Duplex;
    const ALL: usize = 8 << 20;
    let ((tell, told), (go, goes)) = (unbounded(), unbounded::<()>());
    let (fixture, certificate) = secured(move |_: &Request<'_>| {
        let (tell, goes) = (tell.clone(), goes.clone());
        Response::streaming(200, TEXT, Some(ALL as u64), move |conversation| {
            let all: Vec<u8> = (0..ALL).map(|at| (at % 251) as u8).collect();
            let mut sent = 0;
            loop {
                match conversation.write_now(&all[sent..])? {
                    0 => break,
                    taken => sent += taken,
                }
            }
            tell.send(sent).unwrap();
            goes.recv_timeout(PATIENCE).unwrap();
            conversation.write_all(&all[sent..])
        })
    });
    let mut client = connect(&fixture, &certificate);
    client.get("/");
    let sent = told.recv_timeout(PATIENCE).unwrap();
    assert!(0 < sent && sent < ALL, "{sent}");
    go.send(()).unwrap();
    let (_, body) = client.answer();
    assert!(body.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8));
}
