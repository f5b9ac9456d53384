//! What happens on one connection: kept, pipelined, closed.

use crate::support::client::{Client, End};
use crate::support::server::{settings, start, start_echo};
use headstart_server::front::{Ending, Request, Response};

#[test]
fn a_thousand_requests_take_one_connection_and_one_thread() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    for number in 0..1_000 {
        let answer = client.get(&format!("/{number}")).answer();
        assert_eq!(answer.text(), format!("GET /{number}"));
        assert_eq!(answer.field("connection"), None);
    }
    assert_eq!(fixture.server.stats().connections, 1);
    assert_eq!(fixture.server.stats().answered, 1_000);
    assert_eq!(fixture.crew.stats().started, 1);
}

#[test]
fn a_burst_of_64_clients_that_stay_is_answered_whole() {
    let fixture = start_echo(settings());
    let mut clients: Vec<Client> = (0..64).map(|_| fixture.connect()).collect();
    for client in &mut clients {
        client.get("/");
    }
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.answer().status, 200);
            client.get("/");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    let requests: String = (0..500).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(requests);
    for number in 0..500 {
        assert_eq!(client.answer().text(), format!("GET /{number}"));
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    for byte in
        b"\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\nab\r\n0\r\nT: u\r\n\r\n"
    {
        client.send([*byte]);
    }
    assert_eq!(client.answer().text(), "POST /a?b");
    assert_eq!(client.get("/next").answer().text(), "GET /next");
}

#[test]
fn a_body_is_dropped_and_what_follows_it_is_the_next_request() {
    let fixture = start_echo(settings());
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = smuggled.len();
    for post in [
        format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{smuggled}"),
        format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n"
        ),
    ] {
        // In one piece, and with the cut at every place.
        for cut in 0..post.len() {
            let mut client = fixture.connect();
            client.send(&post[..cut]).send(format!("{}GET /b HTTP/1.1\r\nHost: a\r\n\r\n", &post[cut..]));
            assert_eq!(client.answer().text(), "POST /a");
            assert_eq!(client.answer().text(), "GET /b");
        }
    }
}

#[test]
fn a_client_that_waits_for_leave_to_send_its_body_gets_it() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("abc");
    assert_eq!(client.answer().text(), "POST /a");
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().status, 413);
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn a_connection_is_kept_or_closed_as_the_client_asks() {
    let fixture = start_echo(settings());
    let cases = [
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Some("close")),
        ("GET / HTTP/1.0\r\n\r\n", Some("close")),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Some("keep-alive")),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", None),
    ];
    for (request, connection) in cases {
        let mut client = fixture.connect();
        let answer = client.send(request).answer();
        assert_eq!((answer.status, answer.field("connection")), (200, connection), "{request:?}");
        if connection == Some("close") {
            assert_eq!(client.end(), End::Closed);
        } else {
            assert_eq!(client.send(request).answer().status, 200);
        }
    }
}

#[test]
fn head_gets_the_length_of_a_body_it_does_not_get() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    let head = client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n").head();
    assert_eq!(head.field("content-length"), Some("7"));
    assert_eq!(client.get("/b").answer().text(), "GET /b");
}

#[test]
fn an_answer_says_what_and_when_it_is() {
    let fixture = start(settings(), |_: &Request<'_>| {
        Response::new(405, "application/x", &b"{}"[..]).with_header("Allow", "GET").with_header("X-Y", "a\tb")
    });
    let answer = fixture.connect().get("/").answer();
    assert!(answer.head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{}", answer.head);
    assert_eq!(answer.field("allow"), Some("GET"));
    assert_eq!(answer.field("x-y"), Some("a\tb"));
    assert_eq!(answer.field("content-type"), Some("application/x"));
    let date = httpdate::parse_http_date(answer.field("date").unwrap()).unwrap();
    assert!(date.elapsed().unwrap_or_default().as_secs() < 60);
}

#[test]
fn a_response_cannot_carry_a_line_break_into_its_head() {
    let response = || Response::new(200, "text/plain", &b""[..]);
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\0", "\u{e4}"] {
        let value = value.to_owned();
        assert!(std::panic::catch_unwind(|| response().with_header("X", value)).is_err());
    }
    for name in ["", "a b", "a\r\n", "a:", "Content-Length", "connection"] {
        assert!(std::panic::catch_unwind(|| response().with_header(name, "a")).is_err());
    }
    assert!(std::panic::catch_unwind(|| Response::new(200, "a\r\nb: c", &b""[..])).is_err());
}

#[test]
fn a_response_can_be_cut_short() {
    let fixture = start(settings(), |_: &Request<'_>| {
        Response::new(200, "text/plain", &b"0123456789"[..]).with_ending(Ending::CutAfter(4))
    });
    let mut client = fixture.connect();
    let head = client.get("/").head();
    assert_eq!(head.field("content-length"), Some("10"));
    assert_eq!(client.rest(), b"0123");
}

#[test]
fn a_large_body_arrives_byte_for_byte() {
    let body: Vec<u8> = (0..10_000_000_u32).map(|number| (number % 251) as u8).collect();
    let expected = body.clone();
    let fixture = start(settings(), move |_: &Request<'_>| Response::new(200, "text/plain", body.clone()));
    let mut client = fixture.connect();
    assert!(client.get("/").answer().body == expected);
    assert!(client.get("/").answer().body == expected);
}

#[test]
fn a_panic_of_the_handler_is_answered_and_costs_nothing_else() {
    let fixture = start(settings(), |request: &Request<'_>| match request.path() {
        "/panic" => panic!("as told"),
        _ => Response::new(200, "text/plain", &b"fine"[..]),
    });
    let mut client = fixture.connect();
    let answer = client.get("/panic").answer();
    assert_eq!((answer.status, answer.field("content-type")), (500, Some("application/problem+json")));
    assert_eq!(client.get("/").answer().text(), "fine");
}

#[test]
fn a_connection_ends_after_as_many_requests_as_it_may_have() {
    let fixture = start_echo(settings().max_requests_per_connection(2));
    let mut client = fixture.connect();
    assert_eq!(client.get("/").answer().field("connection"), None);
    assert_eq!(client.get("/").answer().field("connection"), Some("close"));
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn a_client_that_half_closes_after_its_requests_gets_all_answers() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    client.get("/1").get("/2").half_close();
    assert_eq!(client.answer().text(), "GET /1");
    assert_eq!(client.answer().text(), "GET /2");
    assert_eq!(client.end(), End::Closed);
}
