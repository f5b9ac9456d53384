//! What is stored, and for how long.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A value as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The value, any bytes.
    pub value: Vec<u8>,
    /// What [`SetOptions::flags`] was when it was stored.
    pub flags: u32,
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// A number kept beside the value, for whatever its users agree on. Defaults to 0.
    pub flags: u32,
    /// When the value is forgotten. Defaults to [`Expiry::Never`].
    pub expiry: Expiry,
}

/// When a value is forgotten, if the server does not need its room before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Not by time. The default.
    #[default]
    Never,
    /// So long after the call reached the server, rounded up to whole seconds, at least one. The server's clock ticks
    /// in seconds, so it can be up to one less. Counted by this machine's clock when longer than 30 days, and ended in
    /// January 2038 at the latest: later the protocol cannot tell.
    After(Duration),
}

impl Expiry {
    /// For the wire. The protocol takes up to 30 days as a length of time and more as a moment, in seconds since 1970.
    pub(super) fn seconds(self, now: SystemTime) -> i64 {
        const MONTH: u64 = 30 * 24 * 60 * 60;
        let Expiry::After(time) = self else { return 0 };
        let whole = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1);
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let number = if whole <= MONTH { whole } else { whole.saturating_add(since_1970) };
        i64::from(i32::try_from(number).unwrap_or(i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_length_of_time_up_to_thirty_days_and_a_moment_beyond() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let month = 30 * 24 * 60 * 60;
        for (expiry, seconds) in [
            (Expiry::Never, 0),
            (Expiry::After(Duration::ZERO), 1),
            (Expiry::After(Duration::from_millis(1001)), 2),
            (Expiry::After(Duration::from_secs(month)), month as i64),
            (Expiry::After(Duration::from_secs(month + 1)), 1_800_000_000 + month as i64 + 1),
            (Expiry::After(Duration::MAX), i64::from(i32::MAX)),
        ] {
            assert_eq!(expiry.seconds(now), seconds, "{expiry:?}");
        }
    }
}
