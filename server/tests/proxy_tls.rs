//! The proxy with TLS towards clients, towards upstreams, and both.
#![cfg(all(feature = "cli", feature = "tls", target_os = "linux"))]

use crate::support::proxied::{Proxied, one};
use crate::support::script::Upstream;
use crate::support::tls::{BOTH, Certificate, TlsClient};
use headstart_testing::PATIENCE;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

/// The upstream's end of a connection beneath TLS.
struct SecureLink {
    stream: StreamOwned<ServerConnection, TcpStream>,
}

/// An upstream that speaks TLS and does as the test says.
struct SecureUpstream {
    listener: TcpListener,
    config: Arc<ServerConfig>,
    certificate: Certificate,
}

impl SecureUpstream {
    fn start() -> SecureUpstream {
        let certificate = Certificate::new();
        let key = PrivateKeyDer::from_pem_file(&certificate.files.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&BOTH).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der.clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SecureUpstream { listener, config: config.into(), certificate }
    }

    /// A proxy before it, with these arguments.
    fn proxied(&self, arguments: &[&str]) -> Proxied {
        let url = format!("https://localhost:{}", self.listener.local_addr().unwrap().port());
        let ca = self.certificate.files.cert.to_str().unwrap();
        Proxied::to(&[url], &[&["--upstream-ca", ca], arguments].concat())
    }

    /// The next connection that is more than a probe, and the head of its request.
    fn asked(&self) -> (SecureLink, String) {
        loop {
            let (socket, _) = self.listener.accept().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.set_nodelay(true).unwrap();
            if matches!(socket.peek(&mut [0]), Ok(1..)) {
                let stream = StreamOwned::new(ServerConnection::new(self.config.clone()).unwrap(), socket);
                let mut link = SecureLink { stream };
                let head = until(&mut link.stream, "\r\n\r\n");
                return (link, head);
            }
        }
    }
}

impl SecureLink {
    fn send(&mut self, text: &str) -> &mut SecureLink {
        self.stream.write_all(text.as_bytes()).unwrap();
        self.stream.flush().unwrap();
        self
    }

    /// Ends the connection with `close_notify`, or without.
    fn end(mut self, said: bool) {
        if said {
            self.stream.conn.send_close_notify();
            self.stream.flush().unwrap();
        }
        self.stream.sock.shutdown(Shutdown::Write).unwrap();
        let _ = self.stream.sock.read(&mut [0; 1_000]);
    }
}

/// Reads to these bytes, one by one.
fn until(stream: &mut impl Read, mark: &str) -> String {
    let mut read = String::new();
    while !read.ends_with(mark) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the end after {read:?}");
        read.push(byte[0].into());
    }
    read
}

/// The rest of the bytes, and whether they ended with `close_notify`.
fn rest(client: &mut TlsClient) -> (String, bool) {
    let mut rest = Vec::new();
    let is_said = match client.stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => false,
        Err(error) => panic!("{error}"),
    };
    (String::from_utf8(rest).unwrap(), is_said)
}

/// The arguments that have clients speak TLS.
fn behind(certificate: &Certificate) -> [&str; 4] {
    let [cert, key] = [&certificate.files.cert, &certificate.files.key].map(|path| path.to_str().unwrap());
    ["--tls-cert", cert, "--tls-key", key]
}

#[test]
fn with_tls_on_both_sides_requests_and_responses_are_those_of_the_clear() {
    let (certificate, upstream) = (Certificate::new(), SecureUpstream::start());
    let proxy = upstream.proxied(&behind(&certificate));
    let mut client = certificate.connect(proxy.address);
    client.send("POST //a%2f?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let (mut link, seen) = upstream.asked();
    assert!(seen.starts_with("POST //a%2f?b HTTP/1.1\r\nHost: h\r\n"), "{seen}");
    assert!(seen.contains("\r\nX-Forwarded-Proto: https\r\n"), "{seen}");
    assert_eq!(until(&mut link.stream, "abc\r\n"), "3\r\nabc\r\n");
    client.send("0\r\n\r\n");
    assert_eq!(until(&mut link.stream, "0\r\n\r\n"), "0\r\n\r\n");
    link.send("HTTP/1.1 201 Made\r\nX: y\r\nContent-Length: 4\r\n\r\n").send("done");
    let head = until(&mut client.stream, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 201 Made\r\nX: y\r\n"), "{head}");
    assert_eq!(until(&mut client.stream, "done"), "done");
}

#[test]
fn a_body_in_the_clear_is_https_by_what_the_client_speaks() {
    let upstream = SecureUpstream::start();
    let proxy = upstream.proxied(&[]);
    let mut client = proxy.connect();
    client.get("/");
    let (mut link, seen) = upstream.asked();
    assert!(seen.contains("\r\nX-Forwarded-Proto: http\r\n"), "{seen}");
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().1, "ok");
}

#[test]
fn a_body_until_the_close_is_whole_with_a_close_notify_only() {
    let upstream = SecureUpstream::start();
    let proxy = upstream.proxied(&[]);
    for said in [true, false] {
        let mut client = proxy.connect();
        client.get("/");
        let (mut link, _) = upstream.asked();
        link.send("HTTP/1.1 200 OK\r\n\r\nbegun");
        client.message();
        assert_eq!(client.chunk(), b"begun");
        link.end(said);
        match said {
            true => assert_eq!(client.chunk(), b""),
            // RFC 9112, 9.8: whoever cuts the connection must not be able to make a part look whole.
            false => assert_eq!(client.rest_and_end().0, ""),
        }
    }
}

#[test]
fn a_cut_body_ends_without_close_notify_and_a_whole_one_with_it() {
    let certificate = Certificate::new();
    let (proxy, upstream): (Proxied, Upstream) = one(&behind(&certificate));
    for (is_cut, request) in [(true, "1.1"), (true, "1.0"), (false, "1.0")] {
        let mut client = certificate.connect(proxy.address);
        client.send(format!("GET / HTTP/{request}\r\nHost: a\r\n\r\n"));
        let (mut link, _) = upstream.asked();
        link.send("HTTP/1.1 200 OK\r\n\r\nbegun");
        until(&mut client.stream, "begun");
        match is_cut {
            true => link.reset(),
            false => drop(link),
        }
        let (rest, is_said) = rest(&mut client);
        assert_eq!((rest.trim_end(), is_said), ("", !is_cut), "{request}");
    }
}

#[test]
fn a_tunnel_goes_through_tls_on_both_sides() {
    let (certificate, upstream) = (Certificate::new(), SecureUpstream::start());
    let proxy = upstream.proxied(&behind(&certificate));
    let mut client = certificate.connect(proxy.address);
    client.send("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly");
    let (mut link, seen) = upstream.asked();
    assert!(seen.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n"), "{seen}");
    link.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nalso early");
    assert!(until(&mut client.stream, "\r\n\r\n").starts_with("HTTP/1.1 101 "));
    assert_eq!(until(&mut client.stream, "also early"), "also early");
    assert_eq!(until(&mut link.stream, "early"), "early");
    for word in ["one", "two"] {
        client.send(word);
        assert_eq!(until(&mut link.stream, word), word);
        link.send(word);
        assert_eq!(until(&mut client.stream, word), word);
    }
    // A side that ends with close_notify may still hear the other.
    link.send("last").stream.conn.send_close_notify();
    link.stream.flush().unwrap();
    assert_eq!(rest(&mut client), ("last".to_owned(), true));
    client.send("still heard");
    assert_eq!(until(&mut link.stream, "heard"), "still heard");
}
