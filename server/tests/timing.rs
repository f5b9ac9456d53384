//! Promises about wall-clock time, and what depends on the machine's time most. A machine that is busy with something
//! else may break them, so they are apart from all other tests, and each takes its turn (`in_turn`). Alone: `cargo test
//! --package headstart-server --all-features --test timing`.

mod support;

mod hostile_counts;
mod hostile_handshakes;
mod hostile_leavers;
mod hostile_time;
mod hostile_upstreams;
mod proxy_time;
mod refused_threads;
mod server_client_gone;
mod stop_rounds;
