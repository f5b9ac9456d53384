//! Tests that count what belongs to a whole process, or change it: its threads, descriptors and children, its limits,
//! its logger, its default timeout. Each runs in a process of its own (`alone!`).

mod support;

mod client_leaks;
mod command_leaks;
mod crew_limits;
mod memcached_leaks;
mod mysql_leaks;
mod race_leaks;
mod secrets;
mod timeout_default;
mod xmlrpc_leaks;
