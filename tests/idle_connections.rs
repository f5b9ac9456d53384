//! A server that closes idle connections at a random moment costs no call, whatever the client.

#![cfg(all(feature = "memcached", feature = "mysql", feature = "xmlrpc", target_os = "linux"))]

use crate::support::closes_idle::ClosesIdle;
use crate::support::mariadb::user;
use crate::support::memcached;
use headstart::memcached::SetOptions;
use headstart::xmlrpc::{XmlRpc, XmlRpcSettings};
use headstart::{Client, ClientSettings, Crew, CrewSettings, Error, MySql, Schedule};
use headstart_testing::PATIENCE;
use headstart_testing::mariadb::MariaDb;
use headstart_testing::memcached::{FakeMemcached, says};
use headstart_testing::needs;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CALLS: usize = 80;
/// For how long a connection is in use in any case after an answer: between the parts of one call no server closes it.
const IN_USE: Duration = Duration::from_millis(25);

/// Makes calls in the rhythm in which `server` closes idle connections. `least` is how long it leaves each of them.
fn none_is_lost<T>(
    server: SocketAddr,
    least: Duration,
    make: impl FnOnce(&Crew, SocketAddr) -> T,
    call: impl Fn(&T) -> Result<(), Error>,
) -> usize {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let closing = ClosesIdle::start(server, least, least + Duration::from_millis(8));
    let client = make(&crew, closing.address());
    for number in 0..CALLS {
        call(&client).unwrap_or_else(|error| panic!("call {number}: {error:?}"));
        std::thread::sleep(closing.chance((least + Duration::from_millis(8)) * 3 / 2));
    }
    drop(client);
    closing.closed()
}

fn http(crew: &Crew, server: SocketAddr, max_redirects: u32) -> Client {
    let settings = ClientSettings::new([format!("http://{server}/")]).max_redirects(max_redirects);
    Client::new(crew, settings.schedule(Schedule::new(&[Duration::ZERO]).unwrap())).unwrap()
}

#[test]
fn of_a_get_by_either_way() {
    let _turn = headstart_testing::in_turn();
    // Without redirects a GET goes by the wire, with them by an agent.
    for max_redirects in [0, 1] {
        let fake = FakeUpstream::start(Behavior::Answers("{}"));
        let make = |crew: &Crew, server| http(crew, server, max_redirects);
        let closed = none_is_lost(fake.address(), Duration::ZERO, make, |client| client.get(PATIENCE).map(drop));
        assert!(closed > CALLS / 10, "{closed} closed");
    }
}

#[test]
fn of_an_xmlrpc_method_which_is_called_once() {
    let _turn = headstart_testing::in_turn();
    const ONE: &str = "<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>";
    let fake = FakeUpstream::start(Behavior::Says(answer_with("200 OK", "text/xml", ONE)));
    let make = |crew: &Crew, server| XmlRpc::new(crew, XmlRpcSettings::new(format!("http://{server}/"))).unwrap();
    none_is_lost(fake.address(), Duration::ZERO, make, |client| client.call("m", (), PATIENCE).map(drop));
    assert_eq!(fake.requests(), CALLS);
}

/// Answers as a server would, and counts the changes.
fn counting() -> (FakeMemcached, Arc<AtomicUsize>) {
    let changes = Arc::new(AtomicUsize::new(0));
    let count = changes.clone();
    let fake = FakeMemcached::start(move |request| {
        if !request.line.starts_with("ms ") {
            return vec![says(request.value("hi"))];
        }
        count.fetch_add(1, Ordering::SeqCst);
        vec![says(format!("HD k{} O{}\r\n", request.key(), request.opaque()))]
    });
    (fake, changes)
}

#[test]
fn of_a_read_of_memcached() {
    let _turn = headstart_testing::in_turn();
    let (fake, _) = counting();
    let make = |crew: &Crew, server: SocketAddr| memcached::client(crew, server);
    let closed = none_is_lost(fake.address(), Duration::ZERO, make, |client| client.get("k", PATIENCE).map(drop));
    assert!(closed > CALLS / 10, "{closed} closed");
}

#[test]
fn of_a_change_in_memcached_which_is_made_once() {
    let _turn = headstart_testing::in_turn();
    let (fake, changes) = counting();
    let make = |crew: &Crew, server: SocketAddr| memcached::client(crew, server);
    let set = |client: &headstart::memcached::Memcached| client.set("k", "v", SetOptions::default(), PATIENCE);
    let closed = none_is_lost(fake.address(), IN_USE, make, set);
    assert!(closed > CALLS / 10, "{closed} closed");
    assert_eq!(changes.load(Ordering::SeqCst), CALLS);
}

#[needs("mariadbd")]
#[test]
fn of_a_statement_of_mariadb_which_is_run_once() {
    let _turn = headstart_testing::in_turn();
    let server = MariaDb::shared();
    let login = user(server, "idle").max_connections(1);
    let address = SocketAddr::from(([127, 0, 0, 1], server.port));
    let make = |crew: &Crew, server: SocketAddr| {
        let client = MySql::new(crew, login.port(server.port())).unwrap();
        client.execute("CREATE TABLE t (id INT)", &[], PATIENCE).unwrap();
        client
    };
    let insert = |client: &MySql| client.execute("INSERT INTO t VALUES (1)", &[], PATIENCE).map(drop);
    let closed = none_is_lost(address, IN_USE, make, insert);
    assert!(closed > CALLS / 10, "{closed} closed");
    let mut admin = server.admin();
    let count: Option<usize> =
        mysql::prelude::Queryable::query_first(&mut admin, "SELECT COUNT(*) FROM idle.t").unwrap();
    assert_eq!(count, Some(CALLS));
}
