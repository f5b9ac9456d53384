//! The binary serves every kind of source over real servers, ends what hangs there, and tells nobody a password.

#![cfg(all(feature = "cli", feature = "command", feature = "memcached", feature = "mysql", feature = "xmlrpc"))]
#![cfg(target_os = "linux")]

use crate::support::http::get;
use crate::support::process::{Process, finish, headstart};
use headstart::memcached::{Memcached, MemcachedSettings, SetOptions};
use headstart::{Crew, CrewSettings};
use headstart_testing::PATIENCE;
use headstart_testing::mariadb::{MariaDb, PASSWORD};
use headstart_testing::memcached::RealMemcached;
use headstart_testing::needs;
use headstart_testing::xmlrpc::Peer;
use mysql::prelude::Queryable;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file that is gone with this.
struct File(PathBuf);

impl File {
    fn with(name: &str, text: &str) -> File {
        static MADE: AtomicUsize = AtomicUsize::new(0); // the tests of this file run beside each other
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("headstart-routes-{}-{number}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The binary with these routes in its file.
fn serve(routes: &str) -> (Process, SocketAddr, File) {
    let file = File::with("config", &format!("listen = '127.0.0.1:0'\n{routes}"));
    let mut process = Process::start(headstart(&["--config", file.path()]));
    let address = process.address().parse().unwrap();
    (process, address, file)
}

#[track_caller]
fn assert_answers(server: SocketAddr, path: &str, response: &str) {
    let reply = get(server, path);
    assert_eq!((reply.status, reply.text()), (200, &*format!(r#"{{"success":true,"response":{response}}}"#)));
}

#[needs("memcached")]
#[test]
fn values_of_memcached() {
    let cache = RealMemcached::start();
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let client = Memcached::new(&crew, MemcachedSettings::new(cache.address())).unwrap();
    for (key, value) in [("greeting", "gr\u{fc}n \"1\""), ("document", "{\"a\": 1.50}")] {
        client.set(key, value, SetOptions::default(), PATIENCE).unwrap();
    }
    let at = cache.address();
    let (_process, server, _file) = serve(&format!(
        "route = ['/text=memcached://{at}/greeting', '/json=memcached://{at}/document?as=json', \
         '/none=memcached://{at}/absent']"
    ));
    assert_answers(server, "/text", r#""grün \"1\"""#);
    assert_answers(server, "/json", r#"{"a": 1.50}"#);
    assert_answers(server, "/none", "null");
    let (_process, frugal, _file) = serve(&format!(
        "upstream-max-body = 8\nroute = ['/text=memcached://{at}/greeting', '/none=memcached://{at}/absent']"
    ));
    assert_eq!(get(frugal, "/text").text(), r#"{"success":false,"response":{}}"#);
    assert_answers(frugal, "/none", "null");
    cache.stop();
    assert_eq!(get(server, "/text?timeout=200").status, 408);
    cache.go_on();
    assert_answers(server, "/text", r#""grün \"1\"""#);
}

#[needs("mariadbd")]
#[test]
fn rows_of_mariadb_and_a_statement_that_hangs_is_ended_there() {
    let database = MariaDb::start();
    database.create_user("shop");
    let mut admin = database.admin();
    admin.query_drop("CREATE TABLE shop.item (id INT, name TEXT)").unwrap();
    admin.query_drop("INSERT INTO shop.item VALUES (7, 'screw'), (8, NULL)").unwrap();
    let password = File::with("password", &format!("{PASSWORD}\n"));
    let url = |query: &str| {
        format!("mysql://shop@127.0.0.1:{}/shop?password-file={}&query={query}", database.port, password.path())
    };
    let (mut process, server, _file) = serve(&format!(
        "[[route]]\npath = '/rows'\nsource = '{}'\n\
         [[route]]\npath = '/hangs'\nsource = '{}'\nschedule = [0]\ntimeout = 300",
        url("SELECT * FROM item WHERE id > ? ORDER BY id&param=6"),
        url("SELECT SLEEP(1000)"),
    ));
    assert_answers(server, "/rows", r#"[{"id":7,"name":"screw"},{"id":8,"name":null}]"#);
    assert_eq!(get(server, "/hangs").status, 408);
    headstart_testing::eventually("the statement is gone", || {
        database
            .connections_of("shop")
            .iter()
            .all(|(_, statement)| !statement.as_deref().unwrap_or("").contains("SLEEP"))
    });
    for page in ["/", "/metrics", "/openapi.json"] {
        assert!(!get(server, page).text().contains(PASSWORD));
    }
    let (_frugal, frugal, _frugal_file) = serve(&format!(
        "upstream-max-body = 2000\n[[route]]\npath = '/few'\nsource = '{}'\n[[route]]\npath = '/many'\nsource = '{}'",
        url("SELECT 1 AS a"),
        url("SELECT REPEAT(1, 3000) AS a"),
    ));
    assert_answers(frugal, "/few", r#"[{"a":1}]"#);
    assert_eq!(get(frugal, "/many").text(), r#"{"success":false,"response":{}}"#);
    process.signal(rustix::process::Signal::TERM);
    let (status, log) = process.wait();
    assert!(status.success() && !log.contains(PASSWORD), "{status:?} {log}");
}

#[needs("python3")]
#[test]
fn answers_of_an_xmlrpc_method() {
    let peer = Peer::start();
    let at = peer.authority();
    let (_process, server, _file) = serve(&format!(
        "route = ['/echo=xmlrpc://{at}/RPC2?method=echo&param=gr%C3%BCn', '/fault=xmlrpc://{at}/RPC2?method=refuse',
                  '/hang=xmlrpc://{at}/RPC2?method=hang']"
    ));
    assert_answers(server, "/echo", "\"grün\"");
    assert_eq!(get(server, "/fault").text(), r#"{"success":false,"response":{}}"#);
    assert_eq!(get(server, "/hang?timeout=200").status, 408);
    peer.sees_hanging_then_left();
}

#[test]
fn output_of_a_program_and_one_that_hangs_is_ended() {
    let (process, server, _file) = serve(
        "route = ['''/ok=command:printf '{\"a\":1}' ''', '/fails=command:false', '/text=command:echo hello',
                  '''/hang=command:sh -c 'echo $$ > /dev/stderr; exec sleep 1000' ''']",
    );
    assert_answers(server, "/ok", r#"{"a":1}"#);
    for path in ["/fails", "/text"] {
        assert_eq!(get(server, path).text(), r#"{"success":false,"response":{}}"#);
    }
    assert_eq!(get(server, "/hang?timeout=100").status, 408);
    headstart_testing::eventually("the program is gone", || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap().flatten();
        tasks
            .map(|task| task.path().join("children"))
            .all(|list| std::fs::read_to_string(list).unwrap_or_default().is_empty())
    });
}

#[test]
fn what_cannot_be_served_is_a_mistake_that_shows_no_password() {
    for (route, message) in [
        ("/x=mysql://shop:geheim@a/shop?query=SELECT 1", "a URL without password, which the process list would show"),
        ("/x=mysql://shop@a/shop", "a URL with query=SELECT"),
        ("/x=mysql://shop@a/shop?query=SELECT 1&password-file=/does/not/exist", "password-file"),
        ("/x=mysql://shop:geheim/shop?query=SELECT 1", "1 to 65535 for its port"),
        ("/x=mysql://shop@a/shop?query=SELECT 1&password=geheim", "query, param, password-file or password-env"),
        ("/x=mysql://shop:ge?geheim@a/shop?query=SELECT 1", "for its port"),
        ("/x=mysql:shop:geheim@a/shop", "without password"),
        ("/x=MySQL://shop:geheim/shop", "begins with one of"),
        ("/x=mariadb://shop/?password=geheim", "begins with one of"),
        ("/x=memcached://a:geheim@b/k", "user name and password"),
        ("/x=xmlrpc://a:geheim@b/?method=m", "user name and password"),
        ("/x=xmlrpc://b/", "method"),
        ("/x=command:echo 'open", "quote"),
        ("/x=ftp://a/", "begins with one of http:, https:, memcached:, mysql:, xmlrpc:, xmlrpcs:, command:"),
    ] {
        let finished = finish(headstart(&["--check", "--route", route]));
        assert_eq!(finished.code, Some(2), "{route}");
        let said = finished.stderr;
        assert!(said.starts_with("headstart: --route cannot be '") && said.contains(message), "{said}");
        assert!(!said.contains("geheim"), "{said}");
    }
}
