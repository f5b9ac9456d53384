//! Promises about wall-clock time. A machine that is busy with something else may break them, so they are apart from
//! all other tests, and each takes its turn (`in_turn`). Alone: `cargo test --all-features --test timing`.

mod support;

mod client_loser_ends;
mod idle_connections;
mod slow_network_delay;
