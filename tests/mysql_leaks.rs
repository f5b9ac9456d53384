//! After a hundred ended calls of MariaDB there is nothing left of them: no thread, no descriptor, no connection.

#![cfg(all(feature = "mysql", target_os = "linux"))]

use crate::support::core::{SOON, eventually};
use crate::support::mariadb::user;
use headstart::{Crew, CrewSettings, Error, MySql};
use headstart_testing::mariadb::MariaDb;
use headstart_testing::needs;
use headstart_testing::proc::Held;
use std::thread;
use std::time::Duration;

#[needs("mariadbd")]
#[test]
fn ended_calls_leave_no_thread_no_descriptor_and_no_connection() {
    headstart_testing::alone!();
    let server = MariaDb::start();
    let settings = user(&server, "leaks");
    let me = std::process::id();
    let before = Held::by(me);
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let client = MySql::new(&crew, settings).unwrap();
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let client = client.clone();
            thread::spawn(move || {
                for call in 0..25 {
                    // Some end while connecting, some within the statement, some are done.
                    let timeout = Duration::from_millis(call % 5 * 4 + 1);
                    match client.query("SELECT SLEEP(?)", &[(f64::from(caller) * 0.008).into()], timeout) {
                        Ok(_) | Err(Error::TimedOut { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert!(client.query("SELECT SLEEP(30)", &[], Duration::from_millis(100)).is_err());
    client.query("SELECT 1", &[], SOON).unwrap();
    eventually("nothing is being ended", || client.ending() == 0);
    eventually("the last connection is clean", || client.idle_connections() > 0);
    eventually("the server has what is kept, and no more", || {
        server.connections_of("leaks").len() == client.idle_connections()
    });
    drop(client);
    eventually("the server has none", || server.connections_of("leaks").is_empty());
    assert_eq!(crew.shutdown(SOON), 0, "threads are still busy");
    drop(crew);
    Held::until(me, SOON, &format!("as before: {before:#?}"), |held| *held == before);
}
