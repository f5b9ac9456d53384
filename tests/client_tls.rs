//! `https` upstreams: real handshakes, trusted and not, reused and cut.

#![cfg(feature = "https")]

use headstart::http::{Certificates, Fetch};
use headstart::race::Schedule;
use headstart::{Client, ClientSettings, Crew, CrewSettings, Error};
use headstart_testing::PATIENCE;
use headstart_testing::upstream;
use headstart_testing::upstream::answer;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Speaks TLS for `localhost` with a certificate of its own and says the same to every request.
struct TlsUpstream {
    address: SocketAddr,
    certificate: String,
    accepts: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What happens after each answer.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Keep,
    /// Close the connection without a word of TLS.
    Cut,
}

impl TlsUpstream {
    fn start(says: &[u8], then: Then) -> TlsUpstream {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepts, stopping) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (accepts, stopping, says) = (accepts.clone(), stopping.clone(), says.to_vec());
            move || {
                // One connection at a time; the last one comes from `drop`.
                for socket in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        break;
                    }
                    let socket = socket.unwrap();
                    accepts.fetch_add(1, Ordering::SeqCst);
                    socket.set_read_timeout(Some(PATIENCE)).unwrap();
                    let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), socket);
                    let mut head = Vec::new();
                    let mut byte = [0; 1];
                    while matches!(stream.read(&mut byte), Ok(1)) {
                        head.extend(byte);
                        if head.ends_with(b"\r\n\r\n") {
                            head.clear();
                            // After a cut a request that was under way can still be read, and not be answered.
                            if stream.write_all(&says).and_then(|()| stream.flush()).is_err() {
                                break;
                            }
                            if then == Then::Cut {
                                stream.sock.shutdown(Shutdown::Both).unwrap();
                                break; // the next request may be here already, and finds nobody
                            }
                        }
                    }
                }
            }
        });
        TlsUpstream { address, certificate: made.cert.pem(), accepts, stopping, thread: Some(thread) }
    }

    fn client(&self, crew: &Crew, host: &str, trusted: Vec<Certificates>) -> Client {
        let settings = ClientSettings::new([format!("https://{host}:{}/", self.address.port())])
            .schedule(Schedule::new(&[Duration::ZERO]).unwrap())
            .trusted(trusted)
            .lookup(Arc::new(Loopback));
        Client::new(crew, settings).unwrap()
    }

    fn trusted(&self) -> Vec<Certificates> {
        vec![Certificates::Pem(self.certificate.clone().into_bytes())]
    }
}

impl Drop for TlsUpstream {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Every name is this machine.
struct Loopback;

impl headstart::Lookup for Loopback {
    fn lookup(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()])
    }
}

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

#[test]
fn a_trusted_upstream_answers_and_its_connection_is_used_again() {
    let body = format!("[{}0]", "123456789,".repeat(20_000));
    let (crew, fake) = (crew(), TlsUpstream::start(&answer(&body), Then::Keep));
    let client = fake.client(&crew, "localhost", fake.trusted());
    for _ in 0..20 {
        assert_eq!(client.get(PATIENCE).unwrap().as_str(), body);
    }
    assert_eq!((fake.accepts.load(Ordering::SeqCst), client.idle_connections()), (1, 1));
    drop(client);
}

#[test]
fn certificates_can_come_from_a_file() {
    let (crew, fake) = (crew(), TlsUpstream::start(&answer("{}"), Then::Keep));
    let path = std::env::temp_dir().join(format!("headstart-{}.pem", std::process::id()));
    std::fs::write(&path, &fake.certificate).unwrap();
    let client = fake.client(&crew, "localhost", vec![Certificates::File(path.clone())]);
    std::fs::remove_file(&path).unwrap();
    assert!(client.get(PATIENCE).is_ok());
    drop(client);
}

#[test]
fn an_unknown_certificate_and_a_wrong_name_are_refused() {
    let (crew, fake) = (crew(), TlsUpstream::start(&answer("{}"), Then::Keep));
    for (host, trusted) in [("localhost", vec![]), ("another.test", fake.trusted())] {
        let result = fake.client(&crew, host, trusted).get(PATIENCE);
        assert!(matches!(&result, Err(Error::Tls { to, .. }) if to.starts_with(host)), "{result:?}");
    }
}

#[test]
fn a_plain_upstream_is_refused_as_such() {
    let fake = upstream::FakeUpstream::start(upstream::Behavior::Answers("{}"));
    let settings = ClientSettings::new([fake.url().replace("http:", "https:")])
        .schedule(Schedule::new(&[Duration::ZERO]).unwrap());
    // A client's greeting has no line break to end a head with, so the fake waits until the client gives up.
    let result = Client::new(&crew(), settings.connect_timeout(Duration::from_millis(200))).unwrap().get(PATIENCE);
    assert!(matches!(result, Err(Error::Tls { .. } | Error::Connect { .. })), "{result:?}");
}

#[test]
fn a_body_cut_off_beneath_tls_is_a_failure_even_when_it_parses() {
    let says = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n123";
    let (crew, fake) = (crew(), TlsUpstream::start(says, Then::Cut));
    let result = fake.client(&crew, "localhost", fake.trusted()).get(PATIENCE);
    assert!(matches!(result, Err(Error::Lost { .. })), "{result:?}");
}

#[test]
fn a_connection_closed_while_idle_costs_no_error() {
    let (crew, fake) = (crew(), TlsUpstream::start(&answer("{}"), Then::Cut));
    let client = fake.client(&crew, "localhost", fake.trusted());
    for _ in 0..20 {
        client.get(PATIENCE).unwrap();
    }
}

#[test]
fn what_follows_an_answer_is_not_taken_for_the_next_one() {
    let says = [answer("1"), answer("2")].concat();
    let (crew, fake) = (crew(), TlsUpstream::start(&says, Then::Keep));
    let client = fake.client(&crew, "localhost", fake.trusted());
    for call in 1..=3 {
        assert_eq!(client.get(PATIENCE).unwrap().as_str(), "1");
        assert_eq!((fake.accepts.load(Ordering::SeqCst), client.idle_connections()), (call, 0));
    }
}

#[test]
fn what_is_no_certificate_is_refused_by_name() {
    for trusted in [Certificates::Pem(b"nonsense".to_vec()), Certificates::File("/does/not/exist.pem".into())] {
        let settings = ClientSettings::new(["https://localhost/".to_owned()]).trusted(vec![trusted]);
        let result = Client::new(&crew(), settings);
        assert!(matches!(&result, Err(Error::Setting { key, .. }) if key == "trusted"), "{result:?}");
    }
}

#[test]
fn no_redirect_leads_from_https_to_http() {
    let plain = upstream::FakeUpstream::start(upstream::Behavior::Answers("{}"));
    let location = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", plain.url());
    let (crew, fake) = (crew(), TlsUpstream::start(location.as_bytes(), Then::Keep));
    let mut fetch = Fetch::new(format!("https://localhost:{}/", fake.address.port())).on(&crew).max_redirects(3);
    for certificates in fake.trusted() {
        fetch = fetch.trust(certificates);
    }
    let result = fetch.run(PATIENCE);
    assert!(matches!(&result, Err(Error::Protocol(why)) if why.contains("from https to http")), "{result:?}");
    assert_eq!(plain.accepts(), 0);
}
