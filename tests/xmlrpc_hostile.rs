//! XML-RPC with servers that misbehave: every phase of a call ends by its deadline, nothing odd is taken for an
//! answer, and no call is sent twice.

#![cfg(feature = "xmlrpc")]

use headstart::Lookup;
use headstart::xmlrpc::{Value, XmlRpc, XmlRpcSettings};
use headstart::{Crew, CrewSettings, Error};
use headstart_testing::upstream::{AcceptsNothing, Behavior, FakeUpstream, answer_with};
use headstart_testing::{PATIENCE, eventually};
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(150);

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

fn client(crew: &Crew, url: String, change: impl FnOnce(XmlRpcSettings) -> XmlRpcSettings) -> XmlRpc {
    let settings = change(XmlRpcSettings::new(url));
    XmlRpc::new(crew, settings).unwrap()
}

#[track_caller]
fn ends_in_time(client: &XmlRpc, param: &Value) {
    let began = Instant::now();
    let result = client.call("m", (param,), TIMEOUT);
    let elapsed = began.elapsed();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(elapsed >= TIMEOUT, "too early: {elapsed:?}");
    assert!(elapsed < TIMEOUT + Duration::from_secs(2), "too late: {elapsed:?}");
}

#[track_caller]
fn ends_in_time_and_is_seen_to(behavior: Behavior) {
    let fake = FakeUpstream::start(behavior);
    ends_in_time(&client(&crew(), fake.url(), |settings| settings.max_response(u64::MAX)), &Value::Nil);
    fake.next_gone();
    assert_eq!(fake.accepts(), 1);
}

#[test]
fn while_connecting() {
    let fake = AcceptsNothing::start();
    ends_in_time(&client(&crew(), fake.url(), |settings| settings), &Value::Nil);
}

#[test]
fn while_nobody_takes_the_call() {
    const LENGTH: usize = 8 << 20;
    // Nobody accepts, and the buffers on the way hold less than the call.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&listener).set_recv_buffer_size(64 << 10).unwrap();
    let large = Value::String("x".repeat(LENGTH));
    let client = client(&crew(), format!("http://{}/", listener.local_addr().unwrap()), |settings| settings);
    // Long enough for the call to be made: eight million characters, without optimisation.
    let timeout = Duration::from_secs(4);
    let began = Instant::now();
    let result = client.call("m", (&large,), timeout);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(began.elapsed() >= timeout && began.elapsed() < PATIENCE);
    listener.set_nonblocking(true).unwrap();
    let (mut socket, _) = listener.accept().expect("it was connected to");
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let received = io::copy(&mut socket, &mut io::sink()).unwrap();
    assert!(received > 0 && received < LENGTH as u64, "{received} bytes of the call");
}

#[test]
fn while_nothing_is_said() {
    ends_in_time_and_is_seen_to(Behavior::HangsAfterRequest);
}

#[test]
fn while_the_head_drips() {
    ends_in_time_and_is_seen_to(Behavior::DripsHeaders);
}

#[test]
fn while_the_body_is_awaited() {
    ends_in_time_and_is_seen_to(Behavior::HangsAfterHeaders);
}

#[test]
fn while_the_body_drips() {
    ends_in_time_and_is_seen_to(Behavior::DripsBody);
}

#[test]
fn while_the_body_has_no_end() {
    ends_in_time_and_is_seen_to(Behavior::EndlessBody);
}

#[cfg(feature = "https")]
#[test]
fn while_the_tls_handshake_hangs() {
    let fake = FakeUpstream::start(Behavior::HangsAfterAccept);
    ends_in_time(&client(&crew(), fake.url().replace("http:", "https:"), |settings| settings), &Value::Nil);
    fake.next_gone();
}

/// Lets a name be looked up until told otherwise.
struct HangsLookingUp {
    go_on: crossbeam_channel::Receiver<()>,
}

impl Lookup for HangsLookingUp {
    fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let _ = self.go_on.recv_timeout(PATIENCE);
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

#[test]
fn while_the_name_is_looked_up() {
    let crew = crew();
    let (let_go, go_on) = crossbeam_channel::bounded::<()>(0);
    let lookup = Arc::new(HangsLookingUp { go_on });
    ends_in_time(&client(&crew, "http://server.test/".to_owned(), |settings| settings.lookup(lookup)), &Value::Nil);
    drop(let_go);
    eventually("its thread is back", || crew.stats().stuck.is_empty() && crew.stats().idle == crew.stats().threads);
}

#[test]
fn a_passed_deadline_reaches_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(&crew(), format!("http://{}/", listener.local_addr().unwrap()), |settings| settings);
    let result = client.call("m", (), Duration::ZERO);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

const ONE: &str = "<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>";

/// What a call makes of one answer.
fn call(behavior: Behavior) -> Result<Value, Error> {
    let fake = FakeUpstream::start(behavior);
    client(&crew(), fake.url(), |settings| settings.max_response(100_000)).call("m", (), PATIENCE)
}

fn says(status: &str, content_type: &str, body: &str) -> Result<Value, Error> {
    call(Behavior::Says(answer_with(status, content_type, body)))
}

#[test]
fn xml_is_taken_under_each_of_its_names_and_undeclared() {
    for name in ["text/xml", "Application/XML; charset=utf-8", "application/xmlrpc+xml"] {
        assert_eq!(says("200 OK", name, ONE).unwrap(), Value::Integer(1), "{name}");
    }
    let undeclared = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ONE}", ONE.len());
    assert_eq!(call(Behavior::Says(undeclared.into_bytes())).unwrap(), Value::Integer(1));
}

#[test]
fn what_is_no_answer_is_told_as_what_it_is() {
    for (status, code) in [("500 No", 500), ("404 No", 404), ("302 Found", 302), ("204 Nothing", 204)] {
        let result = says(status, "text/xml", ONE);
        assert!(matches!(result, Err(Error::Status(found)) if found == code), "{result:?}");
    }
    for name in ["text/html", "application/json", "text/xmlish", ""] {
        let result = says("200 OK", name, ONE);
        assert!(matches!(&result, Err(Error::ContentType(Some(found))) if found == name), "{result:?}");
    }
    for body in
        ["", "garbage", "<html/>", &ONE[1..], &ONE[..ONE.len() - 1], "\0", &"<".repeat(90_000), &"&".repeat(90_000)]
    {
        let result = says("200 OK", "text/xml", body);
        assert!(matches!(result, Err(Error::XmlRpc(_))), "{result:?}");
    }
    let result = call(Behavior::SaysAndCloses(b"nonsense\r\n\r\n".to_vec()));
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
    let cut = [b"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 500\r\n\r\n", ONE.as_bytes()].concat();
    let result = call(Behavior::SaysAndResetsLater(cut));
    assert!(matches!(result, Err(Error::Lost { .. } | Error::Protocol(_))), "{result:?}");
}

#[test]
fn an_answer_larger_than_the_limit_is_given_up_declared_or_not() {
    let head = |field: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\n{field}\r\n").into_bytes();
    let declared = Behavior::Says(head("content-length: 100001\r\n"));
    for behavior in [declared, Behavior::Repeats(head(""), vec![b' '; 4096])] {
        let result = call(behavior);
        assert!(matches!(result, Err(Error::BodyTooLarge { limit: 100_000 })), "{result:?}");
    }
}

#[test]
fn as_much_markup_as_the_limit_lets_in_is_read_in_reasonable_time() {
    let around = |text: &str| ONE.replace("<int>1</int>", text);
    for part in ["<!---->", "a<!---->", "&amp;", "<![CDATA[a]]>", "<string>", "<string/>", "<?a?>", "<?xml ?>", "&#65;"]
    {
        let body = around(&part.repeat(1_000_000 / part.len()));
        let fake = FakeUpstream::start(Behavior::Says(answer_with("200 OK", "text/xml", &body)));
        let client = client(&crew(), fake.url(), |settings| settings);
        let began = Instant::now();
        let _ = client.call("m", (), PATIENCE);
        assert!(began.elapsed() < Duration::from_secs(10), "{part}: {:?}", began.elapsed());
    }
}

#[test]
fn a_call_that_was_sent_is_not_sent_again() {
    let turns = [Behavior::Answers("{}"), Behavior::SaysAndCloses(Vec::new())];
    let fake = FakeUpstream::start(Behavior::TakesTurns(turns.into()));
    let client = client(&crew(), fake.url(), |settings| settings);
    let first = client.call("m", (), PATIENCE);
    assert!(matches!(first, Err(Error::ContentType(_))), "{first:?}"); // the fake says JSON
    let second = client.call("m", (), PATIENCE);
    assert!(matches!(second, Err(Error::Lost { .. } | Error::Protocol(_))), "{second:?}");
    assert_eq!(fake.requests(), 2);
}

#[test]
fn a_server_that_cannot_be_is_refused() {
    let crew = crew();
    for url in ["", "ftp://host/", "127.0.0.1:80", "http:///RPC2", "xmlrpc://host/"] {
        let settings = XmlRpcSettings::new(url.to_owned());
        let result = XmlRpc::new(&crew, settings);
        assert!(matches!(&result, Err(Error::Setting { key, .. }) if key == "url"), "{url}: {result:?}");
    }
    let settings = XmlRpcSettings::new("http://me:secret@host/");
    let error = XmlRpc::new(&crew, settings).unwrap_err().to_string();
    assert!(error.contains("password") && !error.contains("secret"), "{error}");
    let settings = XmlRpcSettings::new("http://host/").max_nesting(33);
    assert!(XmlRpc::new(&crew, settings).is_err());
}
