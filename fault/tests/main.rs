//! The fault proxy's tests but the one that needs a process of its own (`alone.rs`).

mod support;

mod fault_proxy;
