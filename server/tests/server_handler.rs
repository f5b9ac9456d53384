//! A handler sees the request as it came, and the server sends what the handler says.

use crate::support::client::Client;
use crate::support::server::{settings, start};
use crossbeam_channel::unbounded;
use headstart_server::front::{Request, Response};
use headstart_testing::PATIENCE;
use std::time::Instant;

#[test]
fn a_handler_sees_the_request_as_it_came() {
    let (seen_tx, seen) = unbounded();
    let fixture = start(settings(), move |request: &Request<'_>| {
        let texts = [request.method(), request.path(), request.query().unwrap_or("none")].map(str::to_owned);
        let fields = ["x-word", "HOST", "absent"].map(|name| request.header(name).map(<[u8]>::to_vec));
        seen_tx.send((texts, fields, request.peer(), request.received_at(), request.is_draining())).unwrap();
        Response::problem(404, "nothing here")
    });
    let before = Instant::now();
    let mut client = fixture.connect();
    let us = client.stream().local_addr().unwrap();
    client.send("PUT /a%20b?c=d&e HTTP/1.1\r\nHost: h:1\r\nX-Word: first\r\nx-word: second\r\n\r\n");
    let answer = client.answer();
    let (texts, fields, peer, received_at, is_draining) = seen.recv_timeout(PATIENCE).unwrap();
    assert_eq!(texts, ["PUT", "/a%20b", "c=d&e"]);
    assert_eq!(fields, [Some(b"first".to_vec()), Some(b"h:1".to_vec()), None]);
    assert_eq!(peer, us);
    assert!(before <= received_at && received_at <= Instant::now());
    assert!(!is_draining);

    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &problem["status"], &problem["detail"]), (404, &404.into(), &"nothing here".into()));
}

#[test]
fn a_response_says_what_it_is_before_it_is_sent() {
    let response = Response::new(201, "text/plain", &b"body"[..]);
    assert_eq!((response.status(), response.body()), (201, &b"body"[..]));
}

#[test]
fn a_field_name_may_have_letters_digits_and_some_signs() {
    let fixture =
        start(settings(), |_: &Request<'_>| Response::new(200, "text/plain", &b""[..]).with_header("X-a_1.b", "value"));
    let mut client = Client::connect(fixture.server.local_addr());
    assert_eq!(client.get("/").answer().field("x-a_1.b"), Some("value"));
}
