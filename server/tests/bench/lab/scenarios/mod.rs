//! The scenarios of the lab, in their order.

mod steady;
mod trouble;

use crate::scenario::{Scenario, Size};

pub(crate) fn all(size: Size) -> Vec<Scenario> {
    let mut all = steady::all(size);
    all.extend(trouble::all(size));
    all
}
