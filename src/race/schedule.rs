//! When attempts start.

use crate::error::Error;
use crate::sync::Arc;
use std::time::Duration;

/// When each attempt of a race starts, as offsets from the race's beginning.
///
/// Defaults to 0, 300 and 300 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Arc<[Duration]>);

impl Schedule {
    /// The most attempts a race can have.
    pub const MAX_ATTEMPTS: usize = 16;

    /// A schedule of these start offsets.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless there are 1 to 16 offsets, the first is 0 and none is smaller than the one before it.
    pub fn new(offsets: &[Duration]) -> Result<Schedule, Error> {
        let in_order = offsets.first() == Some(&Duration::ZERO) && offsets.is_sorted();
        if !in_order || offsets.len() > Self::MAX_ATTEMPTS {
            let millis: Vec<String> = offsets.iter().map(|offset| offset.as_millis().to_string()).collect();
            return Err(Error::Setting {
                key: "schedule".to_owned(),
                value: millis.join(","),
                allowed: "1 to 16 start offsets in milliseconds, the first 0, none smaller than the one before it"
                    .to_owned(),
            });
        }
        Ok(Schedule(offsets.into()))
    }

    /// As many attempts as this schedule has, all at once.
    pub fn at_once(&self) -> Schedule {
        Schedule(vec![Duration::ZERO; self.0.len()].into())
    }

    /// The start offsets.
    pub fn offsets(&self) -> &[Duration] {
        &self.0
    }
}

impl Default for Schedule {
    fn default() -> Self {
        let late = Duration::from_millis(300);
        Schedule([Duration::ZERO, late, late].into())
    }
}
