//! What goes into MariaDB and what comes out, and that calls leave nothing to each other.

#![cfg(all(feature = "mysql", unix))]

use crate::support::core::{SOON, crew, eventually};
use crate::support::mariadb::user;
use crate::support::mariadb::{client, client_with, one};
use headstart::mysql::Value;
use headstart::{Error, MySql};
use headstart_testing::mariadb::{MariaDb, PASSWORD};
use headstart_testing::needs;
use mysql::prelude::Queryable;

#[needs("mariadbd")]
#[test]
fn every_type_comes_out_as_it_is_documented() {
    let (client, _) = client("types");
    client
        .execute(
            "CREATE TABLE t (n INT NULL, tiny TINYINT, yes BOOLEAN, big BIGINT, huge BIGINT UNSIGNED, y YEAR, \
             bits BIT(12), f FLOAT, d DOUBLE, money DECIMAL(30,2), day DATE, at DATETIME(3), whole DATETIME, \
             stamp TIMESTAMP(6) NULL, span TIME(1), c CHAR(5), v VARCHAR(20) CHARACTER SET latin1, txt TEXT, \
             e ENUM('a','b'), s SET('x','y'), j JSON, bin VARBINARY(9), blb BLOB) CHARACTER SET utf8mb4",
            &[],
            SOON,
        )
        .unwrap();
    client
        .execute(
            "INSERT INTO t VALUES (NULL, -128, TRUE, -9223372036854775808, 18446744073709551615, 2024, \
             b'101000000001', 0.1, 1e-7, '12345678901234567890123456.70', '2024-02-29', '2024-02-29 23:59:59.5', \
             '1000-01-01 00:00:00', '2024-02-29 01:02:03.000004', '-838:59:59.5', 'abc', 'Grüße', \
             'π \"quoted\"\\n', 'b', 'x,y', '{\"a\": [1]}', x'00ff10', x'')",
            &[],
            SOON,
        )
        .unwrap();
    let json = client.query("SELECT * FROM t", &[], SOON).unwrap().to_json();
    assert_eq!(
        json,
        r#"[{"n":null,"tiny":-128,"yes":1,"big":-9223372036854775808,"huge":18446744073709551615,"y":2024,"bits":2561,"#
            .to_owned()
            + r#""f":0.1,"d":1e-7,"money":"12345678901234567890123456.70","day":"2024-02-29","#
            + r#""at":"2024-02-29 23:59:59.500","#
            + r#""whole":"1000-01-01 00:00:00","stamp":"2024-02-29 01:02:03.000004","span":"-838:59:59.5","c":"abc","#
            + r#""v":"Grüße","txt":"π \"quoted\"\n","e":"b","s":"x,y","j":"{\"a\": [1]}","bin":"00FF10","blb":""}]"#
    );
}

#[needs("mariadbd")]
#[test]
fn columns_of_the_same_name_do_not_hide_each_other() {
    let (client, _) = client("names");
    let rows = client.query("SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a", &[], SOON).unwrap();
    assert_eq!(rows.to_json(), r#"[{"a":1,"a_2":2,"a_2_2":3,"a_3":4}]"#);
    assert_eq!(client.query("SELECT 1 WHERE FALSE", &[], SOON).unwrap().to_json(), "[]");
}

#[needs("mariadbd")]
#[test]
fn parameters_are_bound_and_never_pasted() {
    let (client, _) = client("params");
    client.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT)", &[], SOON).unwrap();
    let attempts =
        ["'; DROP TABLE t; -- ", "\\'; DROP TABLE t", "\" OR 1=1 #", "?", ":name", "\0\n\u{1a}", "", "1) OR (1=1"];
    for (before, attempt) in attempts.iter().enumerate() {
        let done = client.execute("INSERT INTO t (v) VALUES (?)", &[(*attempt).into()], SOON).unwrap();
        assert_eq!((done.affected_rows, done.last_insert_id), (1, Some(before as u64 + 1)));
        let found =
            client.query("SELECT v FROM t WHERE v = ? AND id > ?", &[(*attempt).into(), 0.into()], SOON).unwrap();
        assert_eq!(one(&found), &Value::from(*attempt));
    }
    assert_eq!(one(&client.query("SELECT COUNT(*) FROM t", &[], SOON).unwrap()), &Value::Int(attempts.len() as i64));
    let values = [
        Value::Null,
        Value::Int(i64::MIN),
        Value::Unsigned(u64::MAX),
        Value::Float(0.1),
        Value::Text("ß".to_owned()),
        Value::Bytes(vec![0, 255, b'\'']),
    ];
    let back = client.query("SELECT ?, ?, ?, ?, ?, CAST(? AS BINARY)", &values, SOON).unwrap();
    assert_eq!(back.rows, [values.to_vec()]);
    // A second statement is a mistake, not a statement.
    let both = client.query("SELECT 1; DROP TABLE t", &[], SOON);
    assert!(matches!(both, Err(Error::Database { code: 1064, .. })), "{both:?}");
    for params in [&[][..], &[1.into(), 2.into()]] {
        let wrong = client.query("SELECT ?", params, SOON).unwrap_err();
        assert_eq!(wrong.to_string(), format!("params cannot be '{}': the statement has 1 placeholders", params.len()));
    }
}

#[needs("mariadbd")]
#[test]
fn what_the_server_refuses_is_an_error_with_its_number() {
    let (client, server) = client_with("refusals", |settings| settings.max_connections(1));
    client.execute("CREATE TABLE t (id INT PRIMARY KEY)", &[], SOON).unwrap();
    client.execute("INSERT INTO t VALUES (1)", &[], SOON).unwrap();
    let before = server.connections_of("refusals");
    for (sql, expected) in [
        ("INSERT INTO t VALUES (1)", 1062),
        ("SELEC 1", 1064),
        ("SELECT * FROM nowhere", 1146),
        ("SELECT * FROM mysql.user", 1142),
        ("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 3000, MESSAGE_TEXT = 'own'", 3000),
    ] {
        match client.execute(sql, &[], SOON) {
            Err(Error::Database { code, message }) => {
                assert_eq!(code, expected, "{message}");
                assert!(!message.is_empty());
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert_eq!(server.connections_of("refusals"), before, "an error costs no connection");
}

#[needs("mariadbd")]
#[test]
fn a_wrong_password_is_told_without_any_password() {
    let wrong = "wr0ng-s3cret";
    let (client, _) = client_with("stranger", |settings| settings.password(wrong.to_owned()));
    let error = client.query("SELECT 1", &[], SOON).unwrap_err();
    assert!(matches!(error, Error::Database { code: 1045, .. }), "{error:?}");
    for text in [error.to_string(), format!("{error:?}"), format!("{client:?}")] {
        assert!(!text.contains(wrong) && !text.contains(PASSWORD), "{text}");
    }
    assert_eq!(client.idle_connections(), 0);
}

#[needs("mariadbd")]
#[test]
fn a_connection_is_used_again_and_nothing_of_the_call_before_is_left_on_it() {
    let (client, server) = client_with("clean", |settings| settings.max_connections(1));
    let ask = |sql: &str| one(&client.query(sql, &[], SOON).unwrap()).clone();
    let run = |sql: &str| client.execute(sql, &[], SOON).unwrap_or_else(|error| panic!("{sql}: {error}"));
    server.admin().query_drop("CREATE ROLE reader; GRANT reader TO clean@'127.0.0.1'").unwrap();
    run("CREATE TABLE t (id INT PRIMARY KEY)");
    let id = ask("SELECT CONNECTION_ID()");

    run("SET @mine = 1");
    assert_eq!(ask("SELECT @mine"), Value::Null);
    run("SET SESSION sql_mode = 'ANSI_QUOTES', SESSION lock_wait_timeout = 7, NAMES latin1");
    assert_eq!(
        ask("SELECT @@lock_wait_timeout = @@global.lock_wait_timeout AND @@sql_mode = @@global.sql_mode"),
        1.into()
    );
    assert_eq!(ask("SELECT 'ß'"), "ß".into());
    run("START TRANSACTION");
    run("INSERT INTO t VALUES (1)");
    run("ROLLBACK");
    assert_eq!(ask("SELECT COUNT(*) FROM t"), 1.into(), "the transaction had ended with its call");
    run("SET autocommit = 0");
    run("INSERT INTO t VALUES (2)");
    assert_eq!(ask("SELECT COUNT(*) FROM t"), 2.into());
    assert_eq!(ask("SELECT GET_LOCK('l', 0)"), 1.into());
    assert_eq!(ask("SELECT IS_FREE_LOCK('l')"), 1.into());
    run("CREATE TEMPORARY TABLE temporary_one (id INT)");
    assert!(matches!(client.query("SELECT * FROM temporary_one", &[], SOON), Err(Error::Database { code: 1146, .. })));
    run("USE information_schema");
    assert_eq!(ask("SELECT DATABASE()"), "clean".into());
    assert_eq!(ask("SELECT CONNECTION_ID()"), id, "all over one connection");

    // The one thing that a server keeps, so the connection is not.
    run("SET ROLE reader");
    assert_eq!(client.idle_connections(), 0);
    assert_eq!(ask("SELECT CURRENT_ROLE()"), Value::Null);
    assert_eq!(client.idle_connections(), 0);
    assert_ne!(ask("SELECT CONNECTION_ID()"), id);
    eventually("it is clean", || client.idle_connections() == 1);
    drop(client);
    eventually("it is closed", || server.connections_of("clean").is_empty());
}

#[needs("mariadbd")]
#[test]
fn a_call_of_a_procedure_gives_its_first_result_and_leaves_the_connection_usable() {
    let (client, _) = client_with("several", |settings| settings.max_connections(1));
    client.execute("CREATE PROCEDURE two() BEGIN SELECT 1 AS a; SELECT 2 AS b; END", &[], SOON).unwrap();
    let id = client.query("SELECT CONNECTION_ID()", &[], SOON).unwrap();
    assert_eq!(client.query("CALL two()", &[], SOON).unwrap().to_json(), r#"[{"a":1}]"#);
    let failing = "CREATE PROCEDURE failing() BEGIN SELECT 1 AS a; SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 3000; END";
    client.execute(failing, &[], SOON).unwrap();
    let late = client.query("CALL failing()", &[], SOON);
    assert!(matches!(late, Err(Error::Database { code: 3000, .. })), "{late:?}");
    let late = client.execute("CALL failing()", &[], SOON);
    assert!(matches!(late, Err(Error::Database { code: 3000, .. })), "{late:?}");
    assert_eq!(client.query("SELECT CONNECTION_ID()", &[], SOON).unwrap(), id);
}

#[needs("mariadbd")]
#[test]
fn a_result_beyond_the_limits_is_refused_and_its_statement_ended() {
    let (client, server) =
        client_with("limits", |settings| settings.max_connections(1).max_rows(100).max_bytes(1 << 20));
    assert_eq!(client.query("SELECT seq FROM seq_1_to_100", &[], SOON).unwrap().rows.len(), 100);
    let many = client.query("SELECT seq FROM seq_1_to_10000", &[], SOON);
    assert!(matches!(many, Err(Error::TooManyRows { limit: 100 })), "{many:?}");
    // Beyond both, and which of them is seen first is up to the scheduler: bytes are counted ahead of rows.
    let endless = client.query("SELECT seq FROM seq_1_to_100000000", &[], SOON);
    assert!(matches!(endless, Err(Error::TooManyRows { .. } | Error::BodyTooLarge { .. })), "{endless:?}");
    let large = client.query("SELECT REPEAT('x', 60000) FROM seq_1_to_99", &[], SOON);
    assert!(matches!(large, Err(Error::BodyTooLarge { limit: 1_048_576 })), "{large:?}");
    eventually("all are gone", || server.connections_of("limits").is_empty());
    assert_eq!(one(&client.query("SELECT 1", &[], SOON).unwrap()), &Value::Int(1));
}

#[needs("mariadbd")]
#[test]
fn a_large_value_goes_both_ways() {
    let (client, _) = client("large");
    let text = "0123456789abcdef".repeat(100_000);
    let back = client.query("SELECT CAST(? AS CHAR)", &[text.as_str().into()], SOON).unwrap();
    assert!(one(&back) == &Value::Text(text));
}

#[needs("mariadbd")]
#[test]
fn after_a_restart_of_the_server_a_fresh_connection_serves() {
    let server = MariaDb::start();
    let client = MySql::new(&crew(16), user(&server, "patient")).unwrap();
    assert_eq!(one(&client.query("SELECT 1", &[], SOON).unwrap()), &Value::Int(1));
    eventually("it is clean", || client.idle_connections() == 1);
    let _server = server.restarted();
    assert_eq!(one(&client.query("SELECT 2", &[], SOON).unwrap()), &Value::Int(2));
    eventually("it is clean", || client.idle_connections() == 1);
}
