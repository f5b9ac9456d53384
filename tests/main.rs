//! The library's tests but those that need a process of their own (`alone.rs`), those of promises about time
//! (`timing.rs`), and the models.

#[macro_use]
mod support;

mod cancel;
mod client_answers;
mod client_calls;
mod client_connections;
mod client_deadline;
mod client_losers;
mod client_oracle;
mod client_policy;
mod client_targets;
mod client_tls;
mod command;
mod crew;
mod fetch;
mod house;
mod memcached;
mod memcached_deadline;
mod mysql;
mod mysql_ends;
mod phases;
mod plain_example;
mod policy;
mod prose;
mod race_ends;
mod race_first;
mod race_hedging;
mod race_hedging_property;
mod race_observer;
mod race_on_caller;
mod race_property;
mod race_shedding;
mod race_single;
mod send_bodies;
mod send_hedged;
mod send_tls;
mod send_uploads;
mod slow_network;
mod timeout;
mod xmlrpc;
mod xmlrpc_hostile;
