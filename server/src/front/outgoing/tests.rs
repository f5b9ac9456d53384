use super::*;
use crate::front::link::Link;
use crate::front::settings::ServerSettings;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection with little room, and its client.
fn connected() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, peer) = listener.accept().unwrap();
    socket2::SockRef::from(&socket).set_send_buffer_size(32 << 10).unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    let settings = ServerSettings::new("127.0.0.1:0");
    (Stream::new(Arc::new(Link::new(socket, peer)), &settings).unwrap(), client)
}

fn is_misuse<T: std::fmt::Debug>(done: io::Result<T>) -> bool {
    done.unwrap_err().kind() == ErrorKind::InvalidInput
}

/// What a client receives of `bytes` that are sent piece by piece, without waiting wherever there is room.
fn received(frame: Frame, bytes: &[u8], early: usize) -> Vec<u8> {
    let (mut stream, mut client) = connected();
    let mut outgoing = Outgoing::new(frame, b"HEAD".to_vec(), early);
    let reader = std::thread::Builder::new()
        .spawn(move || {
            // Nothing is read before the socket is full, so that pieces are taken in part.
            std::thread::sleep(Duration::from_millis(20));
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        })
        .unwrap();
    let (mut left, mut was_full) = (bytes, false);
    while !left.is_empty() {
        let taken = outgoing.write_now(&mut stream, left).unwrap();
        assert!(outgoing.held.len() - outgoing.sent <= WINDOW + 32, "more than a window is held");
        was_full |= taken == 0;
        left = &left[taken..];
        if taken == 0 {
            std::thread::yield_now();
        }
    }
    assert!(was_full || bytes.len() < WINDOW, "the socket was never full");
    while !outgoing.finish_now(&mut stream).unwrap() {
        std::thread::yield_now();
    }
    assert!(outgoing.finish_now(&mut stream).unwrap(), "it has ended");
    assert!(is_misuse(outgoing.write_now(&mut stream, b"more")));
    assert_eq!(outgoing.sent_body(), bytes.len() as u64);
    drop(stream);
    reader.join().unwrap()
}

#[cfg(unix)]
#[test]
fn what_does_not_go_out_at_once_goes_out_later_and_nothing_twice() {
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    for frame in [Frame::Length(bytes.len() as u64), Frame::UntilClose, Frame::Tunnel] {
        assert!(received(frame, &bytes, 1) == [b"EAD", &bytes[..]].concat(), "{frame:?}");
    }
    let all = received(Frame::Chunked, &bytes, 4);
    let mut chunks = crate::front::chunked::Chunked::new();
    let (mut data, mut at) = (Vec::new(), 0);
    while !chunks.is_done() {
        at += chunks.take_framing(&all[at..], u64::MAX).unwrap();
        let here = chunks.data() as usize;
        data.extend_from_slice(&all[at..at + here]);
        chunks.take_data(here as u64);
        at += here;
    }
    assert!(at == all.len() && data == bytes);
    assert_eq!(received(Frame::Chunked, b"", 0), b"HEAD0\r\n\r\n");
}

#[test]
fn a_length_is_neither_exceeded_nor_left_short() {
    let (mut stream, mut client) = connected();
    let mut outgoing = Outgoing::new(Frame::Length(4), Vec::new(), 0);
    assert!(is_misuse(outgoing.write(&mut stream, b"abcde", TIMEOUT)));
    assert_eq!(outgoing.write(&mut stream, b"abc", TIMEOUT).unwrap(), 3);
    assert!(is_misuse(outgoing.finish(&mut stream, TIMEOUT)));
    assert!(is_misuse(outgoing.write(&mut stream, b"de", TIMEOUT)));
    assert_eq!(outgoing.write(&mut stream, b"d", TIMEOUT).unwrap(), 1);
    outgoing.finish(&mut stream, TIMEOUT).unwrap();
    assert_eq!(outgoing.write(&mut stream, b"", TIMEOUT).unwrap_err().kind(), ErrorKind::InvalidInput);
    drop(stream);
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert_eq!(all, "abcd");
}

#[test]
fn the_head_goes_out_with_the_first_bytes_or_a_flush() {
    let (mut stream, mut client) = connected();
    for (bytes, came) in [(&b"ab"[..], &b"HEADab"[..]), (b"", b"HEAD")] {
        let mut outgoing = Outgoing::new(Frame::Tunnel, b"HEAD".to_vec(), 0);
        outgoing.write(&mut stream, bytes, TIMEOUT).unwrap();
        outgoing.flush(&mut stream, TIMEOUT).unwrap();
        let mut room = vec![0; came.len()];
        client.read_exact(&mut room).unwrap();
        assert_eq!(room, came);
    }
}
