//! Behind a network that is only slow, a call takes the round trips it needs and no more.

#![cfg(all(feature = "memcached", feature = "mysql", feature = "xmlrpc", target_os = "linux"))]

use crate::support::mariadb::one;
use crate::support::mariadb::user;
use crate::support::memcached;
use headstart::memcached::SetOptions;
use headstart::mysql::Value;
use headstart::xmlrpc::{XmlRpc, XmlRpcSettings};
use headstart::{Client, ClientSettings, Crew, CrewSettings, Error, MySql, Schedule};
use headstart_fault::{Direction, FaultProxy, Faults};
use headstart_testing::mariadb::MariaDb;
use headstart_testing::memcached::FakeMemcached;
use headstart_testing::needs;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use headstart_testing::{PATIENCE, eventually};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Each way.
const DELAY: Duration = Duration::from_millis(200);

fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

fn proxy(crew: &Crew, server: impl Display) -> FaultProxy {
    FaultProxy::start(crew, "127.0.0.1:0", server, Faults::default()).unwrap()
}

/// Makes `call` with time for its `round_trips` and less than one more.
#[track_caller]
fn takes<T>(round_trips: u32, call: impl FnOnce(Duration) -> Result<T, Error>) -> T {
    let began = Instant::now();
    let result = call(2 * DELAY * round_trips + DELAY * 7 / 4);
    let took = began.elapsed();
    let value = result.unwrap_or_else(|error| panic!("{error:?} after {took:?}"));
    assert!(took >= 2 * DELAY * round_trips, "{took:?}");
    value
}

fn slow(proxy: &FaultProxy) {
    proxy.set(Faults::both_ways(Direction { delay: DELAY, ..Direction::default() }));
}

#[test]
fn a_get_takes_one_round_trip() {
    let _turn = headstart_testing::in_turn();
    for max_redirects in [0, 1] {
        let (crew, fake) = (crew(), FakeUpstream::start(Behavior::Answers("{}")));
        let proxy = proxy(&crew, fake.address());
        let settings = ClientSettings::new([format!("http://{}/", proxy.address())]).max_redirects(max_redirects);
        let client = Client::new(&crew, settings.schedule(Schedule::new(&[Duration::ZERO]).unwrap())).unwrap();
        slow(&proxy);
        takes(1, |limit| client.get(limit));
        takes(1, |limit| client.get(limit));
    }
}

#[test]
fn a_value_takes_one_round_trip_and_a_change_over_an_idle_connection_two() {
    let _turn = headstart_testing::in_turn();
    let fake = FakeMemcached::start(|request| {
        vec![headstart_testing::memcached::says(match request.line.starts_with("ms ") {
            true => format!("HD k{} O{}\r\n", request.key(), request.opaque()),
            false => request.value("hi"),
        })]
    });
    let crew = crew();
    let proxy = proxy(&crew, fake.address());
    let client = memcached::client(&crew, proxy.address());
    slow(&proxy);
    takes(1, |limit| client.set("k", "v", SetOptions::default(), limit));
    takes(1, |limit| client.get("k", limit));
    takes(2, |limit| client.set("k", "v", SetOptions::default(), limit));
}

#[test]
fn an_xmlrpc_call_takes_one_round_trip() {
    let _turn = headstart_testing::in_turn();
    const ONE: &str = "<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>";
    let fake = FakeUpstream::start(Behavior::Says(answer_with("200 OK", "text/xml", ONE)));
    let crew = crew();
    let proxy = proxy(&crew, fake.address());
    let client = XmlRpc::new(&crew, XmlRpcSettings::new(format!("http://{}/", proxy.address()))).unwrap();
    slow(&proxy);
    takes(1, |limit| client.call("m", (), limit));
    takes(1, |limit| client.call("m", (), limit));
}

#[needs("mariadbd")]
#[test]
fn a_statement_takes_two_round_trips_and_its_result_does_not_wait_for_the_clean_up() {
    let _turn = headstart_testing::in_turn();
    let (crew, server) = (crew(), MariaDb::shared());
    let proxy = proxy(&crew, format!("127.0.0.1:{}", server.port));
    let client = MySql::new(&crew, user(server, "far").port(proxy.address().port())).unwrap();
    client.execute("CREATE TABLE t (id INT)", &[], PATIENCE).unwrap();
    let clean = || eventually("the connection is clean", || client.idle_connections() == 1);
    clean();
    slow(&proxy);
    assert_eq!(one(&takes(2, |limit| client.query("SELECT 42", &[], limit))), &Value::Int(42));
    clean();
    assert_eq!(takes(2, |limit| client.execute("INSERT INTO t VALUES (1)", &[], limit)).affected_rows, 1);
    // The next call waits for the clean-up, not for a new login.
    takes(4, |limit| client.query("SELECT 1", &[], limit));
    assert_eq!(server.connections_of("far").len(), 1);
    clean();
    eventually("all threads but the proxy's are home", || crew.stats().threads - crew.stats().idle == 1);
}

/// The end of a statement comes to the server before the statement itself, and still ends it.
#[needs("mariadbd")]
#[test]
fn a_statement_that_is_late_is_not_run_after_its_call_was_ended() {
    let _turn = headstart_testing::in_turn();
    const INSERT: &str = "INSERT INTO t VALUES (1)";
    let (crew, server) = (crew(), MariaDb::shared());
    let proxy = proxy(&crew, format!("127.0.0.1:{}", server.port));
    let client = MySql::new(&crew, user(server, "late").port(proxy.address().port())).unwrap();
    client.execute("CREATE TABLE t (id INT)", &[], PATIENCE).unwrap();
    for _ in 0..5 {
        client.query("SELECT 1", &[], PATIENCE).unwrap();
    }
    eventually("the connection is clean", || client.idle_connections() == 1);
    // What prepares the statement still passes, and what runs it is held back: 4 bytes of length and number, 1 of
    // command.
    assert_eq!(proxy.stats().total, 1);
    let stall_after = Some(proxy.stats().to_upstream.bytes + 5 + INSERT.len() as u64);
    proxy.set(Faults { to_upstream: Direction { stall_after, ..Direction::default() }, ..Faults::default() });
    let result = client.execute(INSERT, &[], Duration::from_millis(300));
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    eventually("the server was told", || client.ending() == 0);
    assert_eq!(proxy.stats().to_upstream.stalls, 1);
    proxy.set(Faults::default()); // and now the statement comes
    eventually("nothing is left of it", || proxy.stats().open == 0 && server.connections_of("late").is_empty());
    assert_eq!(one(&client.query("SELECT COUNT(*) FROM t", &[], PATIENCE).unwrap()), &Value::Int(0));
}
