//! What a request says, and that a socket's timeout alone ends a call by ureq.

use super::super::settings::ClientSettings;
use super::*;
use crate::cancel::CancelReason;
use crate::crew::{Claim, CrewSettings, Job};
use crate::sync::channel::bounded;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

const TIMEOUT: Duration = Duration::from_millis(150);

/// Every wait of a test ends by then.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_request_names_its_host_itself_unless_a_redirect_may_change_it() {
    let mut upstream = Upstream::new("upstream", "http://127.0.0.1:9000/work", &mut Vec::new()).unwrap();
    for (max_redirects, host) in [(0, Some("127.0.0.1:9000")), (1, None)] {
        upstream.add_fields(&HeaderName::from_static("x-timeout"), max_redirects);
        assert_eq!(upstream.request.headers().get(HOST).map(HeaderValue::as_bytes), host.map(str::as_bytes));
    }
}

/// Calls a peer that says `once`, and then `again` every 5 ms, by ureq. Nobody cancels the call before it is back.
#[track_caller]
fn ends_by_the_socket_timeout(once: &'static [u8], again: &'static [u8], expected: Phase) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (crew, token) = (Crew::new(CrewSettings::default()).unwrap(), CancelToken::new());
    let (was_closed, closed) = bounded(1);
    let peer = move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(once).unwrap();
        until_closed(socket, again);
        was_closed.send(()).unwrap();
    };
    crew.spawn(Claim::Request, Job { label: "peer".into(), token: None, run: Box::new(peer) }).unwrap();
    let upstreams = Upstreams::new(&crew, settings(&ClientSettings::new([url]).calls(Calls::Ureq))).unwrap();
    // For a read without a timeout.
    let _rescue = crew.alarm().set(Instant::now() + PATIENCE / 2, {
        let token = token.clone();
        move || _ = token.cancel(CancelReason::Shutdown)
    });

    let began = Instant::now();
    let attempt = Attempt::alone(Deadline::after(TIMEOUT), &token);
    let result = upstreams.get(0, &attempt, &TraceContext::continuing(None), None);
    let elapsed = began.elapsed();
    assert!(matches!(result, Err(Error::TimedOut { during }) if during == expected), "not {expected:?}: {result:?}");
    assert!(!token.is_canceled() && attempt.deadline().has_passed(), "{elapsed:?}");
    assert!(elapsed >= TIMEOUT && elapsed < PATIENCE / 2, "{elapsed:?}");
    assert_eq!(upstreams.idle_connections(), 0);
    closed.recv_timeout(PATIENCE).expect("the peer sees its connection closed");
}

/// Says `again` every 5 ms and reads until the other side has closed.
fn until_closed(mut socket: TcpStream, again: &[u8]) {
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "not closed");
        match socket.read(&mut [0; 512]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && socket.write_all(again).is_ok() => {}
            Err(_) => return,
        }
    }
}

fn settings(client: &ClientSettings) -> UpstreamSettings {
    UpstreamSettings {
        key: "upstream",
        urls: client.upstreams.clone(),
        calls: client.calls,
        connect_timeout: client.connect_timeout,
        success: None,
        max_body: client.max_body,
        max_idle: client.max_idle,
        idle_timeout: client.idle_timeout,
        timeout_header: client.timeout_header.clone(),
        max_redirects: client.max_redirects,
        proxy: client.proxy.clone(),
        trusted: Vec::new(),
        lookup: client.lookup.clone(),
    }
}

#[test]
fn a_call_by_ureq_ends_by_its_socket_timeout_while_nothing_is_said() {
    ends_by_the_socket_timeout(b"", b"", Phase::Head);
}

#[test]
fn a_call_by_ureq_ends_by_its_socket_timeout_while_the_head_drips() {
    ends_by_the_socket_timeout(b"HTTP/1.1 200 OK\r\nx-drip: ", b"d", Phase::Head);
}

#[test]
fn a_call_by_ureq_ends_by_its_socket_timeout_while_the_body_drips() {
    ends_by_the_socket_timeout(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[", b" ", Phase::Body);
}
