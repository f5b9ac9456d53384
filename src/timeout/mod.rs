//! One blocking call against a deadline.

mod limit;

pub use limit::{IntoTimeLimit, TimeLimit};
