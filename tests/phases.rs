//! A call that is out of time says what it was doing.

#![cfg(all(feature = "https", feature = "memcached", feature = "mysql", feature = "xmlrpc", target_os = "linux"))]

use crate::support::mariadb;
use crate::support::memcached;
use headstart::http::{Calls, Certificates, Fetch};
use headstart::memcached::{MemcachedSettings, SetOptions};
use headstart::xmlrpc::{Value, XmlRpc, XmlRpcSettings};
use headstart::{Client, ClientSettings, Crew, CrewSettings, Error, Lookup, MySql, MySqlSettings, Phase, Schedule};
use headstart_testing::PATIENCE;
use headstart_testing::memcached::{Deed, FakeMemcached, says};
use headstart_testing::needs;
use headstart_testing::upstream::{AcceptsNothing, Behavior, FakeUpstream};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_millis(200);

/// How often a client follows redirects, and by what it calls.
const WAYS: [(u32, Calls); 3] = [(0, Calls::Wire), (1, Calls::Wire), (0, Calls::Ureq)];

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

#[track_caller]
fn ends<T: std::fmt::Debug>(result: Result<T, Error>, expected: Phase) {
    assert!(matches!(result, Err(Error::TimedOut { during }) if during == expected), "not {expected:?}: {result:?}");
}

/// Looks names up for as long as nobody drops the other end.
struct HangsLookingUp(crossbeam_channel::Receiver<()>);

impl Lookup for HangsLookingUp {
    fn lookup(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        let _ = self.0.recv_timeout(PATIENCE);
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// A lookup that hangs until the first of the two is dropped.
fn hanging_lookup() -> (crossbeam_channel::Sender<()>, Arc<HangsLookingUp>) {
    let (let_go, go_on) = crossbeam_channel::bounded(0);
    (let_go, Arc::new(HangsLookingUp(go_on)))
}

fn address(fake: &AcceptsNothing) -> SocketAddr {
    fake.url().trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

/// A client for each of the three ways that a GET can go: by the wire, by ureq, and by ureq with socket timeouts.
fn clients(crew: &Crew, url: &str, change: impl Fn(ClientSettings) -> ClientSettings) -> [Client; 3] {
    WAYS.map(|(max_redirects, calls)| {
        let settings = ClientSettings::new([url]).max_redirects(max_redirects).calls(calls);
        Client::new(crew, change(settings.schedule(Schedule::new(&[Duration::ZERO; 2]).unwrap()))).unwrap()
    })
}

#[test]
fn of_a_get() {
    let crew = crew();
    for (behavior, phase) in [
        (Behavior::HangsAfterRequest, Phase::Head),
        (Behavior::DripsHeaders, Phase::Head),
        (Behavior::HangsAfterHeaders, Phase::Body),
        (Behavior::DripsBody, Phase::Body),
    ] {
        let fake = FakeUpstream::start(behavior);
        for client in clients(&crew, &fake.url(), |settings| settings) {
            ends(client.get(TIMEOUT), phase);
        }
        ends(Fetch::new(fake.url()).on(&crew).run(TIMEOUT), phase);
    }
    let fake = AcceptsNothing::start();
    for client in clients(&crew, &fake.url(), |settings| settings) {
        ends(client.get(TIMEOUT), Phase::Connect);
        ends(client.get(Duration::ZERO), Phase::Wait);
    }
    ends(Fetch::new(fake.url()).on(&crew).run(TIMEOUT), Phase::Connect);
    let (let_go, lookup) = hanging_lookup();
    for client in clients(&crew, "http://upstream.test/", |settings| settings.lookup(lookup.clone())) {
        ends(client.get(TIMEOUT), Phase::Lookup);
    }
    drop(let_go);
}

#[test]
fn of_a_second_get_over_the_same_connection() {
    let crew = crew();
    let turns = [Behavior::Answers("{}"), Behavior::HangsAfterRequest];
    for (max_redirects, calls) in WAYS {
        let fake = FakeUpstream::start(Behavior::TakesTurns(turns.clone().into()));
        let settings = ClientSettings::new([fake.url()]).max_redirects(max_redirects).calls(calls);
        let client = Client::new(&crew, settings.schedule(Schedule::new(&[Duration::ZERO]).unwrap())).unwrap();
        client.get(PATIENCE).unwrap();
        ends(client.get(TIMEOUT), Phase::Head);
    }
}

/// Speaks TLS for `localhost`: says its bytes after the first of a request, or at once, and then reads nothing.
struct TlsPeer {
    address: SocketAddr,
    certificate: String,
    serving: Option<JoinHandle<()>>,
    let_go: Option<crossbeam_channel::Sender<()>>,
}

impl TlsPeer {
    fn start(says: &'static [u8]) -> TlsPeer {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (let_go, go_on) = crossbeam_channel::bounded::<()>(0);
        let serving = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
            if stream.read(&mut [0]).is_ok() && stream.write_all(says).is_ok() {
                let _ = stream.flush();
                let _ = go_on.recv_timeout(PATIENCE);
            }
        });
        TlsPeer { address, certificate: made.cert.pem(), serving: Some(serving), let_go: Some(let_go) }
    }

    fn trusted(&self) -> [Certificates; 1] {
        [Certificates::Pem(self.certificate.clone().into_bytes())]
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }
}

impl Drop for TlsPeer {
    fn drop(&mut self) {
        drop(self.let_go.take());
        drop(TcpStream::connect(self.address));
        self.serving.take().unwrap().join().unwrap();
    }
}

#[test]
fn under_tls() {
    let crew = crew();
    for (says, phase) in [
        (&b""[..], Phase::Head),
        (b"HTTP/1.1 200 OK\r\n", Phase::Head),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[", Phase::Body),
    ] {
        let peer = TlsPeer::start(says);
        let settings = ClientSettings::new([peer.url()]).trusted(peer.trusted());
        let client = Client::new(&crew, settings.schedule(Schedule::new(&[Duration::ZERO]).unwrap())).unwrap();
        // Time enough for a handshake without optimisation.
        ends(client.get(5 * TIMEOUT), phase);
    }
    let peer = TlsPeer::start(b"");
    let client = XmlRpc::new(&crew, XmlRpcSettings::new(peer.url()).trusted(peer.trusted())).unwrap();
    let large = Value::Base64(vec![0; 6 << 20]);
    ends(client.call("m", (&large,), 20 * TIMEOUT), Phase::Send);
    let fake = FakeUpstream::start(Behavior::HangsAfterAccept);
    let url = fake.url().replace("http:", "https:");
    for client in clients(&crew, &url, |settings| settings) {
        ends(client.get(TIMEOUT), Phase::Handshake);
    }
    ends(Fetch::new(url).on(&crew).run(TIMEOUT), Phase::Handshake);
}

#[test]
fn of_a_get_through_a_proxy_that_says_nothing() {
    let fake = FakeUpstream::start(Behavior::HangsAfterRequest);
    let settings = ClientSettings::new(["http://127.0.0.1:1/"]).proxy(format!("http://{}", fake.address()));
    let client = Client::new(&crew(), settings.schedule(Schedule::new(&[Duration::ZERO]).unwrap())).unwrap();
    ends(client.get(TIMEOUT), Phase::Connect);
}

#[test]
fn of_an_xmlrpc_call() {
    let crew = crew();
    let client = |url: String| XmlRpc::new(&crew, XmlRpcSettings::new(url)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // accepts, and reads nothing
    let large = Value::Base64(vec![0; 6 << 20]);
    let reads_nothing = client(format!("http://{}/", listener.local_addr().unwrap()));
    ends(reads_nothing.call("m", (&large,), 20 * TIMEOUT), Phase::Send);
    ends(reads_nothing.call("m", (), TIMEOUT), Phase::Head);
    ends(client(AcceptsNothing::start().url()).call("m", (), Duration::ZERO), Phase::Wait);
    let fake = AcceptsNothing::start();
    ends(client(fake.url()).call("m", (), TIMEOUT), Phase::Connect);
    let fake = FakeUpstream::start(Behavior::HangsAfterHeaders);
    ends(client(fake.url()).call("m", (), TIMEOUT), Phase::Body);
}

#[test]
fn of_a_value_of_memcached() {
    let crew = crew();
    let (let_go, lookup) = hanging_lookup();
    let client = memcached::client_with(&crew, "cache.test", |settings| settings.lookup(lookup.clone()));
    ends(client.get("k", TIMEOUT), Phase::Lookup);
    drop(let_go);
    let fake = AcceptsNothing::start();
    let client = memcached::client(&crew, address(&fake));
    ends(client.get("k", TIMEOUT), Phase::Connect);
    ends(client.get("k", Duration::ZERO), Phase::Wait);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // accepts, and reads nothing
    let large = |settings: MemcachedSettings| settings.max_value(64 << 20);
    let client = memcached::client_with(&crew, listener.local_addr().unwrap(), large);
    ends(client.set("k", vec![0; 64 << 20], SetOptions::default(), 5 * TIMEOUT), Phase::Send);
    let fake = FakeMemcached::answering(|_| vec![Deed::Hangs]);
    ends(memcached::client(&crew, fake.address()).get("k", TIMEOUT), Phase::Head);
    let fake = FakeMemcached::answering(|reply| vec![says(&reply[..5]), Deed::Hangs]);
    ends(memcached::client(&crew, fake.address()).get("k", TIMEOUT), Phase::Body);
}

#[test]
fn of_a_statement_before_its_login() {
    let crew = crew();
    let client = |settings: MySqlSettings| MySql::new(&crew, settings).unwrap();
    let (let_go, lookup) = hanging_lookup();
    ends(client(MySqlSettings::new("a").host("db.test").lookup(lookup)).query("SELECT 1", &[], TIMEOUT), Phase::Lookup);
    drop(let_go);
    let fake = AcceptsNothing::start();
    ends(client(MySqlSettings::new("a").port(address(&fake).port())).query("SELECT 1", &[], TIMEOUT), Phase::Connect);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = MySqlSettings::new("a").port(silent.local_addr().unwrap().port());
    ends(client(settings).query("SELECT 1", &[], TIMEOUT), Phase::Handshake);
}

#[needs("mariadbd")]
#[test]
fn of_a_statement() {
    let (client, server) = mariadb::client_with("phases", |settings| settings.max_connections(1).max_rows(usize::MAX));
    ends(client.query("SELECT SLEEP(30)", &[], 3 * TIMEOUT), Phase::Head);
    headstart_testing::eventually("it is ended", || client.ending() == 0);
    ends(client.query("SELECT seq, SLEEP(0.01), REPEAT('x', 20000) FROM seq_1_to_5000", &[], 8 * TIMEOUT), Phase::Body);
    headstart_testing::eventually("it is ended", || client.ending() == 0);
    let token = headstart::CancelToken::new();
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| client.query("SELECT SLEEP(31)", &[], &token));
        headstart_testing::eventually("the one connection is in use", || {
            server
                .connections_of("phases")
                .iter()
                .any(|(_, runs)| runs.as_deref().is_some_and(|sql| sql.contains("31")))
        });
        ends(client.query("SELECT 1", &[], TIMEOUT), Phase::Wait);
        token.cancel(headstart::CancelReason::Shutdown);
        busy.join().unwrap().unwrap_err();
    });
}
