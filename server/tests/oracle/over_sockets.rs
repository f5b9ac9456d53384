//! A server does with the bytes what the framing says: as many answers as requests, a refusal where there is one, and
//! nothing read after it.

use crate::cases;
use crate::verdict::{self, End};
use headstart::{Crew, CrewSettings};
use headstart_server::front::{Request, Response};
use headstart_server::{Server, ServerSettings};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What was answered: status and, of a success, the request line's method and path as the handler saw them.
fn answers(mut bytes: &[u8]) -> Vec<(u16, String)> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut answer = httparse::Response::new(&mut fields);
        let head = answer.parse(bytes).unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii())).unwrap();
        let status = answer.code.unwrap();
        let field = |name: &str| {
            let found = answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(found.value).into_owned())
        };
        let seen = field("x-seen").unwrap_or_default();
        let is_bodiless = status == 100 || seen.starts_with("HEAD ");
        let length = field("content-length").filter(|_| !is_bodiless).map_or(0, |length| length.parse().unwrap());
        if status != 100 {
            answers.push((status, seen));
        }
        bytes = &bytes[head + length..];
    }
    answers
}

#[test]
fn a_server_answers_what_the_framing_accepts_and_no_more() {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let settings = ServerSettings::new("127.0.0.1:0");
    let handler = |request: &Request<'_>| {
        Response::new(200, "text/plain", &b"seen"[..])
            .with_header("X-Seen", format!("{} {}", request.method(), request.path()))
    };
    let server = Server::start(&crew, settings, Arc::new(handler)).unwrap();
    for number in 0..3_000 {
        let case = cases::case(7, number);
        let expected = verdict::of(&case);
        let mut client = TcpStream::connect(server.local_addr()).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // In one to three pieces; a server that has refused may have closed before the last.
        let cut = (number as usize * 7) % (case.len() + 1);
        for piece in [&case[..cut / 2], &case[cut / 2..cut], &case[cut..]] {
            let _ = client.write_all(piece);
        }
        let _ = client.shutdown(Shutdown::Write);
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();

        let mut answers = answers(&received);
        if let End::Refused(refusal) = expected.end {
            let last = answers.pop().map(|(status, _)| status);
            assert_eq!(last, Some(refusal.status), "{number}: {}", case.escape_ascii());
        }
        let seen: Vec<_> = answers.iter().map(|(status, seen)| (*status, seen.as_str())).collect();
        let wanted: Vec<_> = expected.requests.iter().map(|request| (200, request.seen.as_str())).collect();
        assert_eq!(seen, wanted, "{number}: {}", case.escape_ascii());
    }
}
