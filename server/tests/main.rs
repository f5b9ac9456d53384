//! The server's tests but those that need a process of their own (`alone.rs`), those of promises about time
//! (`timing.rs`), and the oracle.

#[macro_use]
mod support;

mod api_answers;
mod api_failure_status;
mod api_operation;
mod api_proxied;
mod api_query;
mod api_routes;
mod api_schedule;
mod api_success;
mod api_timeout;
mod cli;
mod cli_advise;
mod cli_fault;
mod cli_log;
mod cli_messages;
mod cli_proxy;
mod cli_routes;
mod cli_tls;
mod docs;
mod end_to_end;
mod hostile_sizes;
mod plain_bodies;
mod plain_front;
mod proxy_acceptance;
mod proxy_clients;
mod proxy_cuts;
mod proxy_failures;
mod proxy_flow;
mod proxy_forwarded;
mod proxy_fuzz;
mod proxy_hedging;
mod proxy_passing;
mod proxy_responses;
mod proxy_smuggling;
mod proxy_tls;
mod proxy_tunnels;
mod proxy_uploads;
mod sample;
mod server_bodies;
mod server_connection;
mod server_drain;
mod server_handler;
mod server_limits;
mod server_streams;
mod server_tls;
mod server_tls_streams;
mod server_tunnels;

mod stuck_lookup;
