//! The accepting thread's work, turn by turn, on the test's own thread.

use super::*;
use crate::front::listen::listen;
use crate::front::message::Request;
use crate::front::settings::ServerSettings;
use crate::front::watch::Watch;
use headstart::crew::{Crew, CrewSettings};

/// Every wait of a test ends by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// An acceptor that nobody runs, and what its server would own.
struct Stage {
    acceptor: Acceptor,
    shared: Arc<Shared>,
    at: SocketAddr,
    /// Kept, so that the queue of events stays whole.
    _waker: Waker,
}

/// Has `act` play with an acceptor, and ends what that has begun.
fn on_stage(settings: ServerSettings, act: impl FnOnce(Stage)) {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let (watch, watching) = Watch::start().unwrap();
    let handler = |_: &Request<'_>| Response::new(200, "text/plain", &b"admitted"[..]);
    let (listener, at) = listen("127.0.0.1:0").unwrap();
    let shared = Arc::new(Shared::new(settings, None, crew.clone(), Arc::new(handler), watch.clone()));
    let (acceptor, waker) = Acceptor::new(listener, shared.clone()).unwrap();
    act(Stage { acceptor, shared, at, _waker: waker });
    assert_eq!(crew.shutdown(PATIENCE), 0, "a connection is left");
    watch.stop();
    watching.join().unwrap();
}

/// Settings under which nobody is admitted.
fn full() -> ServerSettings {
    ServerSettings::new("127.0.0.1:0").max_connections(0)
}

impl Stage {
    /// A client in the queue of the listener, which has sent `bytes`.
    fn client(&self, bytes: &[u8]) -> net::TcpStream {
        let mut client = net::TcpStream::connect(self.at).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(bytes).unwrap();
        client
    }

    /// Takes turns until it is so.
    fn turn_until(&mut self, is_so: impl Fn(&Acceptor) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Events::with_capacity(256);
        while !is_so(&self.acceptor) {
            assert!(Instant::now() < deadline, "never so");
            self.acceptor.starved = true; // a turn then ends in any case
            self.acceptor.turn(&mut events).unwrap();
        }
    }

    /// Refuses so many clients.
    fn refuse(&mut self, clients: usize) -> Vec<net::TcpStream> {
        let clients: Vec<_> = (0..clients).map(|_| self.client(b"")).collect();
        let refused = clients.len() as u64;
        let counters = self.shared.clone();
        self.turn_until(|_| counters.counters.refused_connections.load(Ordering::Relaxed) == refused);
        clients
    }
}

/// A connection, with our end as the acceptor has it.
fn pair() -> (net::TcpStream, TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    (client, TcpStream::from_std(ours))
}

/// Waits until something has arrived.
fn wait_readable(stream: &TcpStream) {
    let deadline = Instant::now() + PATIENCE;
    while stream.peek(&mut [0; 1]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        assert!(Instant::now() < deadline, "nothing arrives");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn read_to_end(mut client: net::TcpStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn clients_in_the_queue_when_the_drain_begins_are_answered() {
    on_stage(ServerSettings::new("127.0.0.1:0"), |stage| {
        let client = stage.client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        stage.shared.lifecycle.drain();
        stage.acceptor.run();
        let answer = read_to_end(client);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("admitted"), "{answer}");
    });
}

#[test]
fn a_silent_client_that_is_admitted_under_a_drain_is_let_go_at_once() {
    on_stage(ServerSettings::new("127.0.0.1:0").idle_timeout(PATIENCE * 2), |stage| {
        let client = stage.client(b"");
        stage.shared.lifecycle.drain();
        stage.acceptor.run();
        assert_eq!(read_to_end(client), "");
    });
}

#[test]
fn a_client_that_comes_while_the_server_serves_may_be_silent() {
    on_stage(ServerSettings::new("127.0.0.1:0").idle_timeout(PATIENCE * 2), |mut stage| {
        let mut client = stage.client(b"");
        let shared = stage.shared.clone();
        stage.turn_until(|_| shared.connections() == 1);
        assert!(!shared.lifecycle.is_draining());
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(client.read(&mut [0; 1]).is_err(), "the connection is open");
    });
}

#[test]
fn a_refused_client_is_kept_until_it_closes() {
    on_stage(full(), |mut stage| {
        let began = Instant::now();
        let clients = stage.refuse(2);
        let kept = &mut stage.acceptor.farewells;
        assert!(kept.iter().all(|farewell| farewell.until >= began + FAREWELL));
        kept.iter_mut().for_each(|farewell| farewell.until += PATIENCE * 2);
        stage.turn_until(|_| true);
        assert_eq!(stage.acceptor.farewells.len(), 2);
        let mut clients = clients.into_iter();
        drop(clients.next());
        stage.turn_until(|acceptor| acceptor.farewells.len() == 1);
        assert_eq!(stage.acceptor.farewells[0].token, Token(FIRST_FAREWELL + 1), "the other one is still kept");
        assert!(read_to_end(clients.next().unwrap()).starts_with("HTTP/1.1 503 "));
    });
}

#[test]
fn a_refused_client_that_does_not_close_is_kept_for_its_moment_only() {
    on_stage(full(), |mut stage| {
        let _clients = stage.refuse(2);
        let now = Instant::now();
        stage.acceptor.farewells[0].until = now;
        stage.acceptor.farewells[1].until = now + PATIENCE * 2;
        stage.acceptor.starved = true;
        stage.acceptor.turn(&mut Events::with_capacity(256)).unwrap();
        assert_eq!(stage.acceptor.farewells.len(), 1);
        assert!(stage.acceptor.farewells[0].until > now);
    });
}

#[test]
fn of_many_refused_clients_the_last_ones_are_kept() {
    on_stage(full(), |mut stage| {
        let _clients = stage.refuse(MAX_FAREWELLS + 3);
        assert_eq!(stage.acceptor.farewells.len(), MAX_FAREWELLS);
        assert_eq!(stage.acceptor.farewells[0].token, Token(FIRST_FAREWELL + 3));
    });
}

#[test]
fn without_descriptors_a_client_is_answered_at_the_reserves_expense() {
    on_stage(ServerSettings::new("127.0.0.1:0"), |mut stage| {
        let client = stage.client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let error = io::Error::other("no descriptor, as it were");
        assert!(matches!(stage.acceptor.relieve(&error), Relief::GoOn));
        assert!(read_to_end(client).starts_with("HTTP/1.1 503 "));
        assert!(stage.acceptor.reserve.is_some(), "there is a reserve again");
        assert!(matches!(stage.acceptor.relieve(&error), Relief::NotNeeded), "the queue is empty");
        assert!(stage.acceptor.reserve.is_some());
    });
}

/// With it given up for an empty queue, a client that came at that moment would be refused for nothing.
#[test]
fn the_reserve_is_not_given_up_for_an_empty_queue() {
    on_stage(ServerSettings::new("127.0.0.1:0"), |mut stage| {
        // Another file than a new reserve would be, which is empty.
        stage.acceptor.reserve = Some(File::open(std::env::current_exe().unwrap()).unwrap());
        stage.acceptor.accept_all();
        let mut reserve = stage.acceptor.reserve.take().unwrap();
        assert_eq!(reserve.read(&mut [0; 1]).unwrap(), 1, "it is still the same one");
    });
}

#[test]
fn without_a_reserve_a_refused_client_gives_its_descriptor_up() {
    on_stage(full(), |mut stage| {
        let _clients = stage.refuse(2);
        let error = io::Error::other("no descriptor, as it were");
        for left in [1, 0] {
            stage.acceptor.reserve = None;
            assert!(matches!(stage.acceptor.relieve(&error), Relief::GoOn));
            assert_eq!(stage.acceptor.farewells.len(), left);
        }
        assert!(matches!(stage.acceptor.relieve(&error), Relief::None));
        stage.acceptor.accept_all();
        assert!(stage.acceptor.reserve.is_some(), "the reserve is taken again when there is a descriptor");
    });
}

#[test]
fn what_a_refused_client_sends_is_dropped_until_it_closes() {
    let (mut client, mut ours) = pair();
    assert!(!has_closed(&mut ours), "it is silent");
    client.write_all(&[b'a'; 10_000]).unwrap();
    wait_readable(&ours);
    assert!(!has_closed(&mut ours), "it sends");
    drop(client);
    wait_readable(&ours);
    assert!(has_closed(&mut ours));
}

#[test]
fn a_refused_client_that_resets_has_closed() {
    let (client, mut ours) = pair();
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    wait_readable(&ours);
    assert!(has_closed(&mut ours));
}

#[test]
fn warnings_that_follow_each_other_closely_are_counted_instead() {
    let mut complaint = Complaint::default();
    complaint.raise("first");
    let first = complaint.last.expect("it was raised");
    assert_eq!(complaint.withheld, 0);
    complaint.raise("second");
    complaint.raise("third");
    assert_eq!((complaint.last, complaint.withheld), (Some(first), 2));
    complaint.last = first.checked_sub(Duration::from_secs(6));
    complaint.raise("after a while");
    assert_eq!(complaint.withheld, 0);
    assert!(complaint.last >= Some(first));
}
