//! Blocking clients that can be ended.
