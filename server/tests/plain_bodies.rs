//! The plain front hands bodies over and collects streams.

#![cfg(feature = "tiny_http")]

use crate::support::client::Client;
use crate::support::server::taking;
use headstart::{Crew, CrewSettings};
use headstart_server::front::{Front, Handler, Passed, PlainServer, Request, Response};
use headstart_server::{Conversation, ServerSettings};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

const TEXT: &str = "text/plain";

fn start(handler: impl Handler) -> (Crew, PlainServer) {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let server = PlainServer::start(&crew, ServerSettings::new("127.0.0.1:0").max_body(10), Arc::new(handler)).unwrap();
    (crew, server)
}

fn echo(conversation: &mut Conversation<'_>) -> io::Result<()> {
    let mut body = Vec::new();
    conversation.read_to_end(&mut body)?;
    conversation.write_all(&body)
}

fn answers(request: &Request<'_>) -> Response {
    let fields = b"X: 1\r\nX: 2\r\nServer: other\r\n".to_vec();
    match request.path() {
        "/stream" => Response::streaming(200, TEXT, None, echo),
        "/short" => Response::streaming(200, TEXT, Some(9), |conversation| conversation.write_all(b"part")),
        "/fails" => Response::streaming(200, TEXT, None, |_| Err(ErrorKind::Other.into())),
        "/panics" => Response::streaming(200, TEXT, None, |_| panic!("as told")),
        "/passed" => {
            let run = Box::new(|conversation: &mut Conversation<'_>| conversation.write_all(b"body"));
            Response::passed(404, b"Gone Fishing".to_vec(), fields, Passed::Stream { length: None, run })
        }
        "/none" => Response::passed(304, Vec::new(), fields, Passed::None),
        "/tunnel" => Response::passed(101, Vec::new(), fields, Passed::Tunnel(Box::new(|_| Ok(())))),
        _ => {
            request.send_interim(103, b"").unwrap();
            let mut body = String::new();
            match request.body().read_to_string(&mut body) {
                Ok(_) => Response::new(200, TEXT, body.len().to_string().into_bytes()),
                Err(error) => Response::problem(400, &format!("{:?}", error.kind())),
            }
        }
    }
}

fn put(path: &str, body: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_body_of_a_known_length_is_handed_over() {
    let (_crew, server) = start(taking(answers));
    let mut client = Client::connect(server.local_addr());
    for length in [0, 1, 10, 100, 1_000_000] {
        assert_eq!(client.send(put("/", &"a".repeat(length))).answer().text(), length.to_string());
    }
    // What is not read is dropped.
    assert_eq!(client.send(put("/none", &"a".repeat(1_000_000))).head().status, 304);
    assert_eq!(client.send(put("/", "abc")).answer().text(), "3");
    let mut client = Client::connect(server.local_addr());
    let cut = put("/", &"a".repeat(5_000));
    let answer = client.send(&cut[..cut.len() - 1]).half_close().answer();
    assert!(answer.text().contains("UnexpectedEof"), "{answer:?}");
}

#[test]
fn a_body_in_chunks_is_refused_where_it_would_be_taken() {
    let chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (_crew, server) = start(taking(answers));
    assert_eq!(Client::connect(server.local_addr()).send(chunked).answer().status, 411);
    let (_crew, server) = start(answers);
    assert_eq!(Client::connect(server.local_addr()).send(chunked).answer().text(), "0");
}

#[test]
fn a_stream_is_collected_and_sent_or_answered_for() {
    let (_crew, server) = start(taking(answers));
    let mut client = Client::connect(server.local_addr());
    let answer = client.send(put("/stream", "what is sent")).answer();
    assert_eq!((answer.status, answer.text()), (200, "what is sent"));
    assert_eq!((answer.field("content-length"), answer.field("content-type")), (Some("12"), Some(TEXT)));
    for path in ["/short", "/fails", "/panics"] {
        assert_eq!(client.get(path).answer().status, 502, "{path}");
    }
    assert_eq!(client.get("/tunnel").answer().status, 501);
    let answer = client.get("/passed").answer();
    assert_eq!((answer.status, answer.text()), (404, "body"));
    assert!(answer.head.contains("X: 1\r\nX: 2\r\n") && answer.head.contains("Server: other\r\n"), "{answer:?}");
    let answer = client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(answer.status, 200);
    assert_eq!(client.get("/").answer().status, 200);
}

#[cfg(unix)]
#[test]
fn what_goes_without_waiting_elsewhere_waits_here() {
    use headstart::relay::Duplex;
    let (_crew, server) = start(taking(|request: &Request<'_>| {
        let first = {
            let mut body = request.body();
            assert!(body.as_fd().is_none());
            let first = body.peek_now().unwrap().unwrap()[0];
            body.consume(1);
            first
        };
        Response::streaming(200, TEXT, None, move |conversation| {
            conversation.write_now(&[first])?;
            while let Some(bytes @ [_, ..]) = conversation.peek_now()?.map(<[u8]>::to_vec).as_deref() {
                let taken = conversation.write_now(bytes)?;
                conversation.consume(taken);
            }
            assert!(conversation.flush_now()? && conversation.finish_now()?);
            assert!(conversation.write(b"more").is_err());
            Ok(())
        })
    }));
    let text = "0123456789".repeat(10_000);
    let mut client = Client::connect(server.local_addr());
    assert!(client.send(put("/", &text)).answer().text() == text);
}
