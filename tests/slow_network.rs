//! A network that stalls, drips or breaks in the middle ends every resource's call in time, and does it no lasting
//! harm.

#![cfg(all(feature = "memcached", feature = "mysql", feature = "xmlrpc", target_os = "linux"))]

use crate::support::mariadb::user;
use crate::support::memcached;
use headstart::fetch;
use headstart::xmlrpc::{XmlRpc, XmlRpcSettings};
use headstart::{Crew, CrewSettings, Error, MySql};
use headstart_fault::{Direction, Drip, FaultProxy, Faults};
use headstart_testing::mariadb::MariaDb;
use headstart_testing::memcached::RealMemcached;
use headstart_testing::needs;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use headstart_testing::xmlrpc::Peer;
use std::fmt::Display;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_millis(250);

/// Has `call` made over every fault in turn, on new connections and on one that was good before, and over none in
/// between.
fn try_all_faults<T>(resource: impl Display, call: impl Fn(&FaultProxy, Duration) -> Result<T, Error>) {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let proxy = FaultProxy::start(&crew, "127.0.0.1:0", resource, Faults::default()).unwrap();
    let drip = Direction { drip: Some(Drip { bytes: 1, every: Duration::from_millis(50) }), ..Direction::default() };
    let stalled = Direction { stall_after: Some(3), ..Direction::default() };
    let broken = Direction { reset_after: Some(3), ..Direction::default() };
    let ends = |faults: Faults, is_timeout: fn(&Error) -> bool| {
        call(&proxy, PATIENCE).map(drop).expect("a good network");
        proxy.set(faults);
        let began = Instant::now();
        let error = call(&proxy, TIMEOUT).map(drop).expect_err("a bad network");
        assert!(is_timeout(&error), "{error:?} over {faults:?}");
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
        proxy.set(Faults::default());
    };
    for direction in [drip, stalled] {
        ends(Faults { to_client: direction, ..Faults::default() }, |error| matches!(error, Error::TimedOut { .. }));
    }
    ends(Faults { to_upstream: stalled, ..Faults::default() }, |error| matches!(error, Error::TimedOut { .. }));
    ends(Faults { to_client: broken, ..Faults::default() }, |error| !matches!(error, Error::Canceled(_)));
    call(&proxy, PATIENCE).map(drop).expect("a good network again");
    headstart_testing::eventually("nothing goes over the proxy any more but what is idle", || proxy.stats().open <= 1);
    headstart_testing::eventually("all threads but the proxy's are idle", || {
        crew.stats().threads - crew.stats().idle == 1
    });
}

#[test]
fn a_page() {
    let fake = FakeUpstream::start(Behavior::Answers("[1,2,3]"));
    try_all_faults(fake.address(), |proxy, limit| fetch(&format!("http://{}/", proxy.address()), limit));
}

#[needs("memcached")]
#[test]
fn a_value_of_memcached() {
    let server = RealMemcached::start();
    let (crew, clients) = (memcached::crew(), std::cell::OnceCell::new());
    try_all_faults(server.address(), |proxy, limit| {
        clients.get_or_init(|| memcached::client(&crew, proxy.address())).get("key", limit)
    });
}

#[needs("mariadbd")]
#[test]
fn rows_of_mariadb() {
    let database = MariaDb::start();
    let user = user(&database, "slow");
    let (crew, clients) = (Crew::new(CrewSettings::default()).unwrap(), std::cell::OnceCell::new());
    try_all_faults(format!("127.0.0.1:{}", database.port), |proxy, limit| {
        let client = clients.get_or_init(|| MySql::new(&crew, user.clone().port(proxy.address().port())).unwrap());
        client.query("SELECT 1", &[], limit)
    });
}

#[needs("python3")]
#[test]
fn an_xmlrpc_method() {
    let peer = Peer::start();
    let (crew, clients) = (Crew::new(CrewSettings::default()).unwrap(), std::cell::OnceCell::new());
    try_all_faults(peer.authority(), |proxy, limit| {
        let client = clients.get_or_init(|| {
            let settings = XmlRpcSettings::new(format!("http://{}/RPC2", proxy.address()));
            XmlRpc::new(&crew, settings).unwrap()
        });
        client.call("add", (1, 2), limit)
    });
}
