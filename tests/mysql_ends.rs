//! A call of MariaDB ends by its deadline or with its token, and so does its statement on the server.

#![cfg(all(feature = "mysql", unix))]

use crate::support::core::{SOON, crew, eventually, next, schedule, soon};
use crate::support::mariadb::user;
use crate::support::mariadb::{client, client_with, one};
use crossbeam_channel::bounded;
use headstart::mysql::Value;
use headstart::{CancelReason, CancelToken, Deadline, Error, MySql, MySqlSettings, Race, TimeLimit};
use headstart_testing::mariadb::MariaDb;
use headstart_testing::needs;
use mysql::prelude::Queryable;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);
/// Late is late: a call that was not ended would take thirty seconds and more.
const LATE: Duration = Duration::from_secs(5);

/// Runs what is to time out after [`SHORT`], and says when it did.
#[track_caller]
fn times_out<T: std::fmt::Debug>(call: impl FnOnce(Duration) -> Result<T, Error>) {
    let since = Instant::now();
    let result = call(SHORT);
    let took = since.elapsed();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(took >= SHORT && took < LATE, "{took:?}");
}

/// Waits until nothing of `user` is left on the server, nor on its way.
fn all_gone(client: &MySql, server: &MariaDb, user: &str) {
    eventually("the server has nothing left of it", || server.connections_of(user).is_empty());
    eventually("nothing is being ended", || client.ending() == 0);
    assert_eq!(client.idle_connections(), 0);
    assert_eq!(one(&client.query("SELECT 1", &[], SOON).unwrap()), &Value::Int(1));
}

/// Waits until `user` runs a statement with `part` in it.
fn runs(server: &MariaDb, user: &str, part: &str) {
    eventually("the statement runs", || {
        server.connections_of(user).iter().any(|(_, info)| info.as_ref().is_some_and(|info| info.contains(part)))
    });
}

#[needs("mariadbd")]
#[test]
fn a_sleeping_statement_ends_with_its_deadline_and_is_gone_from_the_process_list() {
    let (client, server) = client("sleeper");
    times_out(|short| client.query("SELECT SLEEP(30)", &[], short));
    all_gone(&client, server, "sleeper");
}

#[needs("mariadbd")]
#[test]
fn a_statement_that_waits_for_a_lock_ends_while_the_lock_is_held() {
    let (client, server) = client("waiter");
    client.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB", &[], SOON).unwrap();
    client.execute("INSERT INTO t VALUES (1, 0)", &[], SOON).unwrap();
    let mut holder = server.admin();
    holder.query_drop("START TRANSACTION").unwrap();
    holder.query_drop("UPDATE waiter.t SET v = 1 WHERE id = 1").unwrap();
    times_out(|short| client.execute("UPDATE t SET v = 2 WHERE id = 1", &[], short));
    all_gone(&client, server, "waiter");
    holder.query_drop("COMMIT").unwrap();
    assert_eq!(one(&client.query("SELECT v FROM t", &[], SOON).unwrap()), &Value::Int(1));
}

#[needs("mariadbd")]
#[test]
fn a_long_scan_ends_before_and_within_its_result() {
    let (client, server) = client_with("scanner", |settings| settings.max_rows(usize::MAX).max_bytes(u64::MAX));
    times_out(|short| {
        client.query(
            "SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_100000 b WHERE a.seq ^ b.seq = ?",
            &[7.into()],
            short,
        )
    });
    all_gone(&client, server, "scanner");
    // One row every hundredth of a second: each read ends soon, the whole does not.
    times_out(|short| client.query("SELECT seq, SLEEP(0.01), REPEAT('x', 20000) FROM seq_1_to_5000", &[], short));
    eventually("the server has nothing left of it", || server.connections_of("scanner").is_empty());
    times_out(|short| client.query("SELECT a.seq FROM seq_1_to_100000 a, seq_1_to_100000 b", &[], short));
    all_gone(&client, server, "scanner");
}

#[needs("mariadbd")]
#[test]
fn what_a_call_had_begun_to_change_is_rolled_back_when_it_is_ended() {
    let (client, server) = client("changer");
    client.execute("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB", &[], SOON).unwrap();
    times_out(|short| client.execute("INSERT INTO t SELECT seq + SLEEP(0.01) FROM seq_1_to_100000", &[], short));
    all_gone(&client, server, "changer");
    assert_eq!(one(&client.query("SELECT COUNT(*) FROM t", &[], SOON).unwrap()), &Value::Int(0));
}

#[needs("mariadbd")]
#[test]
fn a_canceled_call_ends_at_once_and_says_why() {
    let (client, server) = client("canceled");
    let token = CancelToken::new();
    let limit = TimeLimit::new(Deadline::after(Duration::from_secs(60)), &token);
    let call = thread::spawn({
        let client = client.clone();
        move || (client.query("SELECT SLEEP(40)", &[], limit), Instant::now())
    });
    runs(server, "canceled", "SLEEP");
    let canceled = Instant::now();
    token.cancel(CancelReason::ClientGone);
    let (result, ended) = call.join().unwrap();
    assert!(matches!(result, Err(Error::Canceled(CancelReason::ClientGone))), "{result:?}");
    assert!(ended - canceled < LATE);
    all_gone(&client, server, "canceled");
    let before = client.query("SELECT 1", &[], TimeLimit::new(Deadline::Never, &token));
    assert!(matches!(before, Err(Error::Canceled(CancelReason::ClientGone))), "{before:?}");
}

#[needs("mariadbd")]
#[test]
fn a_call_waits_for_a_connection_within_its_deadline_and_there_are_never_more() {
    let (client, server) = client_with("crowd", |settings| settings.max_connections(1));
    let token = CancelToken::new();
    let limit = TimeLimit::new(soon(), &token);
    let first = thread::spawn({
        let client = client.clone();
        move || client.query("SELECT SLEEP(30)", &[], limit)
    });
    runs(server, "crowd", "SLEEP");
    times_out(|short| client.query("SELECT 1", &[], short));
    let canceled = CancelToken::new();
    let second = thread::spawn({
        let (client, limit) = (client.clone(), TimeLimit::new(soon(), &canceled));
        move || client.query("SELECT 1", &[], limit)
    });
    canceled.cancel(CancelReason::Shutdown);
    assert!(matches!(second.join().unwrap(), Err(Error::Canceled(CancelReason::Shutdown))));
    assert_eq!(server.connections_of("crowd").len(), 1, "who waits has no connection");
    token.cancel(CancelReason::Superseded);
    assert!(first.join().unwrap().is_err());
    // The permit is free once the statement is ended.
    assert_eq!(one(&client.query("SELECT 1", &[], SOON).unwrap()), &Value::Int(1));
}

#[needs("mariadbd")]
#[test]
fn a_stopped_server_costs_its_callers_no_more_than_their_timeout_and_keeps_nothing_when_it_goes_on() {
    let server = MariaDb::start();
    let settings = user(&server, "frozen").kill_timeout(Duration::from_secs(60));
    let crew = crew(16);
    let client = MySql::new(&crew, settings).unwrap();
    let (tell, told) = bounded(1);
    let asleep = thread::spawn({
        let client = client.clone();
        let limit = TimeLimit::new(soon(), &CancelToken::new());
        move || {
            tell.send(limit.token().clone()).unwrap();
            client.query("SELECT SLEEP(30)", &[], limit)
        }
    });
    let token = next(&told);
    runs(&server, "frozen", "SLEEP");
    server.signal(Signal::STOP);
    // Over a connection to be made, over one in the middle of a statement, and while one is to be ended.
    times_out(|short| client.query("SELECT 1", &[], short));
    token.cancel(CancelReason::Superseded);
    assert!(matches!(asleep.join().unwrap(), Err(Error::Canceled(CancelReason::Superseded))));
    assert_eq!(client.ending(), 1);
    times_out(|short| client.query("SELECT 2", &[], short));
    assert_eq!(client.ending(), 1, "what was not sent has no statement to be ended");
    server.signal(Signal::CONT);
    all_gone(&client, &server, "frozen");
    eventually("all threads are home", || crew.stats().threads == crew.stats().idle);
}

#[needs("mariadbd")]
#[test]
fn a_statement_that_cannot_be_ended_is_given_up_and_its_permit_is_free() {
    let server = MariaDb::start();
    let settings = user(&server, "given_up").max_connections(1).kill_timeout(SHORT);
    let client = MySql::new(&crew(16), settings).unwrap();
    client.query("SELECT 1", &[], SOON).unwrap();
    eventually("its connection is clean", || client.idle_connections() == 1);
    server.signal(Signal::STOP);
    times_out(|short| client.query("SELECT SLEEP(1)", &[], short));
    assert_eq!(client.ending(), 1);
    eventually("it is given up", || client.ending() == 0);
    server.signal(Signal::CONT);
    assert_eq!(one(&client.query("SELECT 1", &[], SOON).unwrap()), &Value::Int(1));
}

#[needs("mariadbd")]
#[test]
fn of_two_replicas_the_one_that_answers_wins_and_the_other_statement_is_ended() {
    let (primary, second) = (MariaDb::shared(), MariaDb::start());
    let crew = crew(32);
    let replicas = [primary, &second].map(|server| {
        let client = MySql::new(&crew, user(server, "hedged")).unwrap();
        client.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB", &[], SOON).unwrap();
        client.execute("INSERT INTO t VALUES (1, 42)", &[], SOON).unwrap();
        client
    });
    let mut holder = primary.admin();
    holder.query_drop("START TRANSACTION").unwrap();
    holder.query_drop("UPDATE hedged.t SET v = 0 WHERE id = 1").unwrap();
    let outcome = Race::new(&crew).schedule(schedule(&[0, 50])).limit(soon()).first({
        let replicas = replicas.clone();
        move |attempt| replicas[attempt.number()].query("SELECT v FROM t WHERE id = 1 FOR UPDATE", &[], attempt)
    });
    let winner = outcome.winner().expect("the hedge answers");
    assert_eq!((winner.attempt, one(&winner.value)), (1, &Value::Int(42)));
    all_gone(&replicas[0], primary, "hedged");
    eventually("the winner's is kept", || replicas[1].idle_connections() == 1);
}

/// Sends a byte of a greeting now and then, for ever.
fn drips_its_greeting() -> (u16, crossbeam_channel::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (gone, is_gone) = bounded(1);
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        // A packet of 4 MB, which is to be waited for.
        socket.write_all(&[0, 0, 0x40, 0]).unwrap();
        while socket.write_all(&[10]).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
        gone.send(()).unwrap();
    });
    (port, is_gone)
}

#[test]
fn a_server_that_drips_its_greeting_is_left_at_the_deadline() {
    let (port, is_gone) = drips_its_greeting();
    let crew = crew(8);
    let settings = MySqlSettings::new("anybody").port(port);
    let client = MySql::new(&crew, settings).unwrap();
    times_out(|short| client.query("SELECT 1", &[], short));
    next(&is_gone);
    eventually("all threads are home", || crew.stats().threads == crew.stats().idle);
    assert_eq!(client.ending(), 0, "there was no statement yet");
}

#[test]
fn a_server_that_accepts_and_says_nothing_costs_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = MySqlSettings::new("anybody").port(listener.local_addr().unwrap().port()).connect_timeout(SHORT);
    let client = MySql::new(&crew(8), settings).unwrap();
    let since = Instant::now();
    let error = client.query("SELECT 1", &[], SOON).unwrap_err();
    assert!(
        matches!(&error, Error::Connect { source, .. } if source.kind() == std::io::ErrorKind::TimedOut),
        "{error:?}"
    );
    assert!(since.elapsed() >= SHORT);
    let (mut socket, _) = listener.accept().unwrap();
    assert_eq!(socket.read(&mut [0; 9]).unwrap_or(0), 0, "its side is closed");
}

#[test]
fn nobody_listening_is_an_error_of_its_own() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = MySqlSettings::new("anybody").port(port);
    let error = MySql::new(&crew(8), settings).unwrap().query("SELECT 1", &[], SOON).unwrap_err();
    assert!(
        matches!(&error, Error::Connect { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused),
        "{error:?}"
    );
}
