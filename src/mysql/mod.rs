//! Queries of MySQL and MariaDB that can be ended, here and on the server.
//!
//! The problem: a blocking query waits in `read(2)` for as long as the server likes, and when its client gives up the
//! server goes on: it sleeps, scans, waits for its lock and holds others, without looking whether anybody is there.
//!
//! The answer: [`MySql`], whose calls end by their deadline or with their token in every phase: waiting for a
//! connection, name lookup, TCP, login, statement, result. This is what happens when the time is over:
//!
//! 1. The connection is shut down, the thread that worked for the call is home, and the caller has
//!    [`Error::TimedOut`](crate::Error::TimedOut):
//!    within milliseconds, also when the server has stopped or drips.
//! 2. The statement is ended on the server by `KILL QUERY` over another connection, and so is its connection, by `KILL
//!    CONNECTION`. That goes on, on a thread of the crew, after the caller was told, and takes milliseconds more where
//!    the server answers (MariaDB now and then takes a second or two for a `KILL`). It is tried for
//!    [`MySqlSettings::kill_timeout`]; [`MySql::ending`] tells how many statements are being ended, and what could not
//!    be ended is logged as a warning with the connection's number.
//!
//! A connection whose call was ended is never used again. Any other is logged in anew (`COM_CHANGE_USER`) before it
//! rests. The caller has its result then, since a thread of the crew does that; the connection counts as in use
//! meanwhile, and a call that finds none idle waits for it rather than for a new one. So no transaction, lock,
//! temporary table, variable or chosen database comes to the next call; a statement with the word `role` in it costs
//! its connection, since MariaDB leaves roles as they are (so it does with one that a stored procedure takes, which
//! goes unseen). Each call is one statement, hence, and what it does is rolled back if it leaves a transaction open.
//! Statements are prepared, and parameters bound: they never become part of the text.
//!
//! - [`settings`](MySqlSettings), [`url`](MySqlUrl): how the server is reached
//! - `tunnel`, `connection`: a connection and what is done with it
//! - `permits`, `cleaning`, `ending`: how many there are, how they are made clean, and how statements end
//! - [`client`](MySql), `shared`: the calls, and what they share with the jobs that follow them
//! - [`Value`], [`Rows`]: what comes out, and as JSON
//!
//! What this does not do: TLS (use it within a trusted network or through a tunnel; the password goes hashed or
//! encrypted, the data does not), transactions over several calls, several statements in one call, Windows. A statement
//! that the server cannot prepare is refused by it. Behind a proxy that shares connections, `KILL` would meet the
//! proxy's numbers.

mod cleaning;
mod client;
mod connection;
mod ending;
mod permits;
mod rows;
mod settings;
mod shared;
mod tunnel;
mod url;
mod value;

pub use client::MySql;
pub use rows::{Executed, Rows};
pub use settings::MySqlSettings;
pub use url::MySqlUrl;
pub use value::Value;
