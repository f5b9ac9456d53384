//! The fault proxy applies its faults to a connection, in both directions and at once, and changes nothing else.

use crate::support::{crew, soon};
use headstart::{Crew, Deadline};
use headstart_fault::{Admission, Direction, Drip, FaultProxy, Faults};
use headstart_testing::PATIENCE as SOON;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// A proxy before an upstream that the test plays itself.
struct Bench {
    proxy: FaultProxy,
    upstream: TcpListener,
    _crew: Crew,
}

impl Bench {
    fn new(faults: Faults) -> Bench {
        let crew = crew(4);
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        // Where the system has it for listeners too, accepting fails instead of hanging.
        socket2::SockRef::from(&upstream).set_read_timeout(Some(SOON)).unwrap();
        let proxy = FaultProxy::start(&crew, "127.0.0.1:0", upstream.local_addr().unwrap(), faults).unwrap();
        Bench { proxy, upstream, _crew: crew }
    }

    fn client(&self) -> TcpStream {
        bounded(TcpStream::connect(self.proxy.address()).unwrap())
    }

    /// The upstream's end of the oldest connection not taken yet.
    fn upstream(&self) -> TcpStream {
        bounded(self.upstream.accept().unwrap().0)
    }

    /// A client and its upstream.
    fn connect(&self) -> (TcpStream, TcpStream) {
        (self.client(), self.upstream())
    }
}

/// With reads and writes that fail instead of hanging.
fn bounded(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

fn read(mut from: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

/// All bytes until the end.
fn rest(mut from: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// How reading ends.
fn error(mut from: &TcpStream) -> ErrorKind {
    from.read_to_end(&mut Vec::new()).unwrap_err().kind()
}

fn write(mut to: &TcpStream, bytes: &[u8]) {
    to.write_all(bytes).unwrap();
}

fn to_client(direction: Direction) -> Faults {
    Faults { to_client: direction, ..Faults::default() }
}

fn to_upstream(direction: Direction) -> Faults {
    Faults { to_upstream: direction, ..Faults::default() }
}

/// Nothing can be read now. The proxy has answered a later request, so all it did before has arrived.
fn assert_nothing_to_read(stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.peek(&mut [0; 1]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    stream.set_nonblocking(false).unwrap();
}

#[test]
fn without_faults_everything_passes_as_it_came() {
    let bench = Bench::new(Faults::default());
    let (client, upstream) = bench.connect();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    thread::scope(|scope| {
        for (from, to) in [(&client, &upstream), (&upstream, &client)] {
            scope.spawn(|| {
                write(from, &sent);
                from.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(|| assert!(rest(to) == sent));
        }
    });
    assert!(bench.proxy.wait_until(soon(), |stats| stats.open == 0));
    let stats = bench.proxy.stats();
    assert_eq!((stats.total, stats.to_upstream.bytes, stats.to_client.bytes), (1, 3_000_000, 3_000_000));
    assert_eq!((stats.to_upstream.delayed, stats.to_client.delayed), (0, 0));
}

#[test]
fn a_half_close_is_passed_on_and_the_other_half_lives() {
    let bench = Bench::new(Faults::default());
    let (client, upstream) = bench.connect();
    write(&client, b"question");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&upstream), b"question");
    write(&upstream, b"answer");
    assert_eq!(read(&client, 6), b"answer");
    drop(upstream);
    assert_eq!(rest(&client), b"");
    assert!(bench.proxy.wait_until(soon(), |stats| stats.open == 0));
}

#[test]
fn a_reset_by_either_end_reaches_the_other() {
    let bench = Bench::new(Faults::default());
    for upstream_resets in [false, true] {
        let (client, upstream) = bench.connect();
        let (resets, hears) = if upstream_resets { (upstream, client) } else { (client, upstream) };
        socket2::SockRef::from(&resets).set_linger(Some(Duration::ZERO)).unwrap();
        drop(resets);
        assert_eq!(error(&hears), ErrorKind::ConnectionReset);
    }
    assert!(bench.proxy.wait_until(soon(), |stats| stats.open == 0));
}

#[test]
fn an_upstream_that_refuses_is_a_reset_for_the_client() {
    let bench = Bench::new(Faults::default());
    let Bench { proxy, upstream, .. } = bench;
    drop(upstream);
    assert_eq!(error(&TcpStream::connect(proxy.address()).unwrap()), ErrorKind::ConnectionReset);
    assert_eq!(proxy.stats().unconnected, 1);
}

#[test]
fn a_delay_is_added_once_each_way() {
    let bench = Bench::new(Faults::both_ways(Direction { delay: 100 * MS, ..Direction::default() }));
    let (client, upstream) = bench.connect();
    let began = Instant::now();
    write(&client, b"ping");
    read(&upstream, 4);
    assert!(began.elapsed() >= 100 * MS);
    write(&upstream, b"pong");
    upstream.shutdown(Shutdown::Write).unwrap();
    read(&client, 4);
    assert!(began.elapsed() >= 200 * MS);
    let stats = bench.proxy.stats();
    assert_eq!((stats.to_upstream.delayed, stats.to_client.delayed), (1, 1));
    let began = Instant::now();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&upstream), b"");
    assert!(began.elapsed() >= 100 * MS, "the end of the sending is as late as the rest");
}

#[test]
fn a_delay_is_no_limit_to_the_rate() {
    const PIECES: u8 = 50;
    let delay = 400 * MS;
    let bench = Bench::new(to_upstream(Direction { delay, ..Direction::default() }));
    let (client, upstream) = bench.connect();
    let began = Instant::now();
    for number in 1..=PIECES {
        write(&client, &[number]);
        // The next byte is another piece: when the proxy answers, it has read this one.
        bench.proxy.stats();
    }
    assert_eq!(read(&upstream, PIECES.into()), (1..=PIECES).collect::<Vec<_>>());
    let took = began.elapsed();
    // One after the other they would take 20 s.
    assert!(took >= delay && took < 10 * delay, "{took:?}");
    assert!(bench.proxy.stats().to_upstream.delayed > 10);
}

#[test]
fn jitter_keeps_the_order() {
    let bench = Bench::new(to_client(Direction { jitter: 20 * MS, ..Direction::default() }));
    let (client, upstream) = bench.connect();
    for number in 0..200 {
        write(&upstream, &[number]);
        bench.proxy.stats();
    }
    assert_eq!(read(&client, 200), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_drip_lets_so_many_bytes_pass_at_a_time() {
    let drip = Drip { bytes: 2, every: 30 * MS };
    let bench = Bench::new(to_client(Direction { drip: Some(drip), ..Direction::default() }));
    let (client, upstream) = bench.connect();
    let began = Instant::now();
    write(&upstream, b"12345678");
    for portion in 0..4 {
        read(&client, 2);
        assert!(began.elapsed() >= portion * drip.every);
    }
    assert_eq!(bench.proxy.stats().to_client.dripped, 3);
    write(&client, &[0; 1_000]);
    read(&upstream, 1_000); // the other direction is untouched
}

#[test]
fn a_stalled_direction_is_silent_and_open_until_it_may_go_on() {
    let bench = Bench::new(to_client(Direction { stall_after: Some(3), ..Direction::default() }));
    let (client, upstream) = bench.connect();
    write(&upstream, b"abcdef");
    upstream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(&client, 3), b"abc");
    assert!(bench.proxy.wait_until(soon(), |stats| stats.to_client.stalls == 1));
    assert_nothing_to_read(&client);
    write(&client, b"the other way");
    read(&upstream, 13);
    assert_eq!(bench.proxy.stats().open, 1);

    bench.proxy.set(Faults::default());
    assert_eq!(rest(&client), b"def");
}

#[test]
fn a_sender_into_a_stall_is_made_to_wait() {
    let bench = Bench::new(to_upstream(Direction { stall_after: Some(0), ..Direction::default() }));
    let (mut client, _upstream) = bench.connect();
    client.set_nonblocking(true).unwrap();
    let (mut sent, mut quiet) = (0, 0);
    // Neither the proxy nor the system buffer without end. Full buffers may drain a little for a while.
    while quiet < 100 {
        match client.write(&[0; 64 << 10]) {
            Ok(count) => (sent, quiet) = (sent + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => quiet += 1,
            Err(error) => panic!("{error}"),
        }
        bench.proxy.stats();
        assert!(sent < 64 << 20, "{sent} bytes taken in");
    }
    assert_eq!(bench.proxy.stats().to_upstream.bytes, 0);
}

#[test]
fn a_cut_closes_both_ends_in_order_after_so_many_bytes() {
    // With unread bytes of the client in the proxy, which would turn an ordinary close into a reset.
    let stall = Direction { stall_after: Some(0), ..Direction::default() };
    let cut = Direction { cut_after: Some(4), ..Direction::default() };
    let bench = Bench::new(Faults { to_upstream: stall, ..to_client(cut) });
    let (client, upstream) = bench.connect();
    write(&client, b"a request that nobody reads");
    write(&upstream, b"HTTP/1.1 200 OK");
    assert_eq!(rest(&client), b"HTTP");
    rest(&upstream);
    for end in [&client, &upstream] {
        assert!(end.take_error().unwrap().is_none(), "no reset follows");
    }
    drop((client, upstream));
    assert!(bench.proxy.wait_until(soon(), |stats| stats.open == 0 && stats.to_client.cuts == 1));
}

#[test]
fn a_cut_connection_whose_ends_stay_is_closed_all_the_same() {
    let bench = Bench::new(to_client(Direction { cut_after: Some(0), ..Direction::default() }));
    let (client, upstream) = bench.connect();
    assert_eq!((rest(&client), rest(&upstream)), (vec![], vec![]));
    assert!(bench.proxy.wait_until(soon(), |stats| stats.open == 0));
}

#[test]
fn a_reset_after_so_many_bytes_reaches_both_ends() {
    let bench = Bench::new(to_upstream(Direction { reset_after: Some(5), ..Direction::default() }));
    let (client, upstream) = bench.connect();
    write(&client, b"1234");
    read(&upstream, 4);
    write(&client, b"56");
    assert_eq!(error(&client), ErrorKind::ConnectionReset);
    assert_eq!(error(&upstream), ErrorKind::ConnectionReset);
    let stats = bench.proxy.stats();
    assert_eq!((stats.open, stats.to_upstream.resets, stats.to_upstream.bytes), (0, 1, 5));
}

#[test]
fn a_silent_admission_says_nothing_to_anybody_and_can_be_lifted() {
    let bench = Bench::new(Faults { admission: Admission::Silent, ..Faults::default() });
    let client = bench.client();
    write(&client, b"hello?");
    assert!(bench.proxy.wait_until(soon(), |stats| stats.silenced == 1));
    assert_nothing_to_read(&client);
    bench.upstream.set_nonblocking(true).unwrap();
    assert_eq!(bench.upstream.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    bench.upstream.set_nonblocking(false).unwrap();

    bench.proxy.set(Faults::default());
    assert_eq!(read(&bench.upstream(), 6), b"hello?");
}

#[test]
fn a_reset_admission_turns_every_connection_away() {
    let bench = Bench::new(Faults { admission: Admission::Reset, ..Faults::default() });
    assert_eq!(error(&bench.client()), ErrorKind::ConnectionReset);
    assert_eq!(error(&bench.client()), ErrorKind::ConnectionReset);
    let stats = bench.proxy.stats();
    assert_eq!((stats.open, stats.turned_away), (0, 2));
}

/// The system decides how many connections the listening queue takes. On Linux it is one.
#[cfg(target_os = "linux")]
#[test]
fn where_nothing_is_accepted_connecting_hangs_until_it_is() {
    let bench = Bench::new(Faults { admission: Admission::Never, ..Faults::default() });
    let queued = bench.client();
    write(&queued, b"first");
    let address = bench.proxy.address();
    let refused = TcpStream::connect_timeout(&address, 300 * MS).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TimedOut);
    assert_eq!(bench.proxy.stats().total, 0);

    bench.proxy.set(Faults::default());
    assert_eq!(read(&bench.upstream(), 5), b"first");
    let (client, upstream) = bench.connect();
    write(&client, b"next");
    assert_eq!(read(&upstream, 4), b"next");
}

#[test]
fn one_in_so_many_connections_meets_the_faults() {
    let bench = Bench::new(Faults { one_in: 3, admission: Admission::Reset, ..Faults::default() });
    for number in 1..=6 {
        let client = bench.client();
        if number % 3 == 0 {
            assert_eq!(error(&client), ErrorKind::ConnectionReset, "connection {number}");
        } else {
            let upstream = bench.upstream();
            write(&upstream, b"fine");
            assert_eq!(read(&client, 4), b"fine", "connection {number}");
        }
    }
    assert_eq!(bench.proxy.stats().turned_away, 2);
}

#[test]
fn once_set_nothing_passes_by_the_old_rules() {
    let bench = Bench::new(Faults::default());
    let (client, upstream) = bench.connect();
    for round in 0..200_u8 {
        write(&client, &[round]);
        assert_eq!(read(&upstream, 1), [round]);
        bench.proxy.set(to_upstream(Direction { stall_after: Some(0), ..Direction::default() }));
        write(&client, &[round]);
        bench.proxy.stats();
        assert_nothing_to_read(&upstream);
        bench.proxy.set(Faults::default());
        assert_eq!(read(&upstream, 1), [round]);
    }
}

#[test]
fn a_delay_that_is_lifted_lets_go_what_it_held() {
    let hour = Direction { delay: Duration::from_secs(3_600), ..Direction::default() };
    let bench = Bench::new(to_upstream(hour));
    let (client, upstream) = bench.connect();
    write(&client, b"late");
    bench.proxy.stats();
    assert_nothing_to_read(&upstream);
    bench.proxy.set(Faults::default());
    assert_eq!(read(&upstream, 4), b"late");
}

#[test]
fn sixty_four_connections_at_a_time_wait_beside_each_other() {
    let delay = 200 * MS;
    let bench = Bench::new(Faults::both_ways(Direction { delay, ..Direction::default() }));
    let began = Instant::now();
    let pairs: Vec<_> = (0..64).map(|_| bench.client()).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..64 {
                let upstream = bench.upstream();
                scope.spawn(move || {
                    let echo = read(&upstream, 1_000);
                    write(&upstream, &echo);
                });
            }
        });
        for (number, client) in pairs.iter().enumerate() {
            scope.spawn(move || {
                let sent = vec![number as u8; 1_000];
                write(client, &sent);
                assert_eq!(read(client, 1_000), sent);
            });
        }
    });
    let took = began.elapsed();
    // One after the other they would take 25 s.
    assert!(took >= 2 * delay && took < Duration::from_secs(10), "{took:?}");
    let stats = bench.proxy.stats();
    assert_eq!((stats.total, stats.to_upstream.bytes, stats.to_client.bytes), (64, 64_000, 64_000));
}

#[test]
fn shutdown_lets_connections_finish_for_a_time_and_then_ends_them() {
    let Bench { proxy, upstream: listener, _crew: crew } = Bench::new(Faults::default());
    let connect = || {
        let client = bounded(TcpStream::connect(proxy.address()).unwrap());
        (client, bounded(listener.accept().unwrap().0))
    };
    let ((patient, patient_upstream), (client, upstream)) = (connect(), connect());
    let address = proxy.address();
    drop(listener); // what connects from here on gets nowhere
    thread::scope(|scope| {
        let ended = scope.spawn(|| proxy.shutdown(SOON));
        // Nothing more is accepted once it has begun.
        while TcpStream::connect(address).is_ok() {}
        for (client, upstream) in [(patient, patient_upstream), (client, upstream)] {
            write(&client, b"in flight");
            assert_eq!(read(&upstream, 9), b"in flight");
        }
        assert_eq!(ended.join().unwrap(), 0);
    });
    assert_eq!(crew.shutdown(SOON), 0);

    let bench = Bench::new(to_client(Direction { stall_after: Some(0), ..Direction::default() }));
    let (client, upstream) = bench.connect();
    assert_eq!(bench.proxy.shutdown(50 * MS), 1);
    assert_eq!((rest(&client), rest(&upstream)), (vec![], vec![]));
}

#[test]
fn a_wait_for_figures_ends_by_its_deadline() {
    let bench = Bench::new(Faults::default());
    assert!(!bench.proxy.wait_until(Deadline::after(10 * MS), |stats| stats.total > 0));
}
