//! When to hedge, and where to.

mod curve;

pub use curve::{Curve, Observed};
