//! Requests of any method to `https` upstreams: the same promises beneath TLS.

#![cfg(all(feature = "https", unix))]

use crate::support::scripted::{Scripted, client_with, crew};
use headstart::http::{Certificates, Request, Sending, UploadFrom};
use headstart::relay::Duplex;
use headstart::{Client, ClientSettings, Crew, Error, Phase};
use headstart_testing::{PATIENCE, eventually};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

/// The certificate of all upstreams, in PEM format, and what they prove themselves with.
static IDENTITY: LazyLock<(String, Arc<ServerConfig>)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), Arc::new(config))
});

type Secure = StreamOwned<ServerConnection, TcpStream>;

/// The next connection to `upstream`, through TLS.
fn accept(upstream: &Scripted) -> Secure {
    StreamOwned::new(ServerConnection::new(IDENTITY.1.clone()).unwrap(), upstream.accept().socket)
}

fn head(peer: &mut Secure) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn say(peer: &mut Secure, bytes: impl AsRef<[u8]>) {
    peer.write_all(bytes.as_ref()).unwrap();
    peer.flush().unwrap();
}

/// Says that nothing more will come, in TLS.
fn say_end(peer: &mut Secure) {
    peer.conn.send_close_notify();
    peer.flush().unwrap();
}

fn client(crew: &Crew, upstreams: &[&Scripted], change: impl FnOnce(ClientSettings) -> ClientSettings) -> Client {
    client_with(crew, upstreams, &[0], |settings| {
        let urls = upstreams.iter().map(|upstream| upstream.url().replace("http:", "https:"));
        let trusted = [Certificates::Pem(IDENTITY.0.clone().into_bytes())];
        change(settings.upstreams(urls).trusted(trusted))
    })
}

fn wait_for(of: &impl Duplex, flags: PollFlags) {
    let mut polled = [PollFd::from_borrowed_fd(of.as_fd(), flags)];
    assert_eq!(poll(&mut polled, Some(&Timespec::try_from(PATIENCE).unwrap())).unwrap(), 1, "nothing in time");
}

/// Has `done` tried until it is.
fn until(of: &mut impl Duplex, mut done: impl FnMut(&mut dyn Duplex) -> bool, flags: PollFlags) {
    while !done(of) {
        wait_for(of, flags);
    }
}

fn numbers(count: u32) -> Vec<u8> {
    (0..count).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn bodies_arrive_whole_and_the_connection_is_used_again() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], |settings| settings);
    let body = numbers(1_000_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut peer = accept(&upstream);
            for _ in 0..3 {
                head(&mut peer);
                say(&mut peer, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
                say(&mut peer, &body);
                head(&mut peer);
                say(&mut peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(30_001) {
                    say(&mut peer, [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
                }
                say(&mut peer, "0\r\n\r\n");
            }
        });
        for _ in 0..6 {
            let mut read = Vec::new();
            let response = client.send(&Request::get("/"), PATIENCE).unwrap();
            response.into_body().read_to_end(&mut read).unwrap();
            assert!(read == body);
            assert_eq!(client.idle_connections(), 1);
        }
    });
}

#[test]
fn a_large_upload_arrives_whole() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], |settings| settings);
    let body = numbers(1_000_000);
    for is_sent_from in [true, false] {
        thread::scope(|scope| {
            let served = scope.spawn(|| {
                let mut peer = accept(&upstream);
                assert!(head(&mut peer).contains("content-length: 4000000\r\n"));
                let mut read = vec![0; body.len()];
                peer.read_exact(&mut read).unwrap();
                assert!(read == body);
                say(&mut peer, "HTTP/1.1 204 x\r\n\r\n");
                peer
            });
            let request = Request::new("PUT", "/");
            let response = match is_sent_from {
                true => client.send_from(&request, &mut UploadFrom::new(&body[..], Some(body.len() as u64)), PATIENCE),
                false => client.send(&request.body(&body[..]), PATIENCE),
            };
            assert_eq!(response.unwrap().status(), 204);
            assert_eq!(client.idle_connections(), if is_sent_from { 1 } else { 2 });
            std::mem::forget(served.join().unwrap()); // stays open
        });
    }
}

#[test]
fn an_upload_goes_on_after_an_early_answer() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], |settings| settings);
    let body = numbers(2_000_000);
    thread::scope(|scope| {
        let (told, tells) = crossbeam_channel::bounded::<()>(1);
        let served = scope.spawn({
            let (upstream, body) = (&upstream, &body);
            move || {
                let mut peer = accept(upstream);
                head(&mut peer);
                say(&mut peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                // Nothing is read until the answer is there: what is sent meanwhile has to wait in the session.
                tells.recv_timeout(PATIENCE).unwrap();
                let mut read = vec![0; body.len()];
                peer.read_exact(&mut read).unwrap();
                assert!(read == *body);
                peer
            }
        });
        let mut upload = UploadFrom::new(&body[..], Some(body.len() as u64));
        let mut sent = 0;
        let mut counted = Counted { upload: &mut upload, sent: &mut sent };
        let response = client.send_from(&Request::new("PUT", "/"), &mut counted, PATIENCE).unwrap();
        let mut answer = response.into_body();
        assert!(answer.is_sending());
        told.send(()).unwrap();
        while answer.is_sending() {
            let written = if sent < body.len() { answer.write_now(&body[sent..]).unwrap() } else { 0 };
            sent += written;
            if !answer.flush_now().unwrap() || (written == 0 && answer.is_sending()) {
                wait_for(&answer, PollFlags::OUT);
            }
        }
        assert_eq!(sent, body.len());
        let mut text = String::new();
        answer.read_to_string(&mut text).unwrap();
        assert_eq!((&*text, client.idle_connections()), ("ok", 1));
        drop(served.join().unwrap());
    });
}

/// An upload that counts what was taken of it.
struct Counted<'a> {
    upload: &'a mut dyn headstart::http::Upload,
    sent: &'a mut usize,
}

impl headstart::http::Upload for Counted<'_> {
    fn length(&self) -> Option<u64> {
        self.upload.length()
    }

    fn peek_now(&mut self) -> std::io::Result<Option<&[u8]>> {
        self.upload.peek_now()
    }

    fn consume(&mut self, bytes: usize) {
        *self.sent += bytes;
        self.upload.consume(bytes);
    }

    fn as_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

#[test]
fn a_body_that_ends_with_its_connection_ends_in_tls() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], |settings| settings);
    for is_cut in [false, true] {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut peer = accept(&upstream);
                head(&mut peer);
                say(&mut peer, "HTTP/1.1 200 OK\r\n\r\nabc");
                if !is_cut {
                    say_end(&mut peer);
                }
            });
            let mut read = Vec::new();
            let result = client.send(&Request::get("/"), PATIENCE).unwrap().into_body().read_to_end(&mut read);
            assert_eq!((read, result.is_err()), (b"abc".to_vec(), is_cut));
        });
    }
}

#[test]
fn a_tunnel_passes_bytes_both_ways_and_each_end_is_told() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], |settings| settings);
    let request = Request::get("/").field("Connection", "upgrade").field("Upgrade", "x");
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut peer = accept(&upstream);
            head(&mut peer);
            say(&mut peer, "HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\nearly");
            let mut read = vec![0; 1_000_000];
            peer.read_exact(&mut read).unwrap();
            assert_eq!(peer.read(&mut [0]).unwrap(), 0, "an end in TLS");
            say(&mut peer, "late");
            say_end(&mut peer);
            peer
        });
        let mut tunnel = client.send(&request, PATIENCE).unwrap().into_body().into_tunnel();
        assert_eq!(tunnel.peek_now().unwrap(), Some(&b"early"[..]));
        tunnel.consume(5);
        let bytes = [b'x'; 1_000_000];
        let mut sent = 0;
        while sent < bytes.len() {
            sent += tunnel.write_now(&bytes[sent..]).unwrap();
            until(&mut tunnel, |tunnel| tunnel.flush_now().unwrap(), PollFlags::OUT);
        }
        until(&mut tunnel, |tunnel| tunnel.finish_now().unwrap(), PollFlags::OUT);
        until(&mut tunnel, |tunnel| tunnel.peek_now().unwrap() == Some(b"late"), PollFlags::IN);
        tunnel.consume(4);
        until(&mut tunnel, |tunnel| tunnel.peek_now().unwrap() == Some(b""), PollFlags::IN);
        drop(served.join().unwrap());
    });
}

#[test]
fn a_handshake_is_ended_by_the_limit() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], |settings| settings);
    for request in [Request::get("/"), Request::get("/").sending(Sending::Once)] {
        let limit = Duration::from_millis(150);
        let began = Instant::now();
        let result = client.send(&request, limit);
        assert!(matches!(result, Err(Error::TimedOut { during: Phase::Handshake })), "{result:?}");
        assert!(began.elapsed() >= limit);
        assert_ne!(upstream.accept().rest(), b"", "a greeting, and the end");
    }
}

#[test]
fn an_upstream_that_shakes_no_hands_costs_no_request() {
    let (crew, [silent, wrong, right]) = (crew(), [Scripted::start(), Scripted::start(), Scripted::start()]);
    let client =
        client(&crew, &[&silent, &wrong, &right], |settings| settings.connect_timeout(Duration::from_millis(300)));
    // In which order they are tried is a matter of chance.
    thread::scope(|scope| {
        scope.spawn(|| wrong.accept().say("HTTP/1.1 400 What\r\n\r\n"));
        scope.spawn(|| {
            let mut peer = accept(&right);
            assert!(head(&mut peer).starts_with("POST / "));
            say(&mut peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            eventually("one connection is kept", || client.idle_connections() == 1);
        });
        let response = client.send(&Request::new("POST", "/").body(*b"abc"), PATIENCE).unwrap();
        assert_eq!(response.upstream(), right.address().to_string());
        drop(response);
        // Who was not tried waits no longer.
        drop(TcpStream::connect(wrong.address()));
    });
    let untrusting =
        client_with(&crew, &[], &[0], |settings| settings.upstreams([right.url().replace("http:", "https:")]));
    thread::scope(|scope| {
        scope.spawn(|| {
            let error = accept(&right).read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "an alert");
        });
        let result = untrusting.send(&Request::get("/"), PATIENCE);
        assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
    });
}
