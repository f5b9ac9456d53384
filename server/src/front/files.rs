//! How many files the process may have open, and how many of them are for clients.
//!
//! A request admitted without a descriptor left for its upstream is worse off than one refused. So clients get half of
//! them.

/// Descriptors for everything else: standard streams, listener, event queues, a few upstream connections.
const OTHERS: u64 = 64;

/// The number of files this process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileLimit {
    most: Option<u64>,
}

impl FileLimit {
    /// The limit that holds for this process now, its soft limit raised to the hard one before (`RLIMIT_NOFILE`).
    #[cfg(unix)]
    pub(crate) fn raise() -> FileLimit {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            // Some systems have a hard limit that cannot be reached; the soft one stays then.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        }
        FileLimit { most: getrlimit(Resource::Nofile).current }
    }

    /// There is no such limit here.
    #[cfg(not(unix))]
    pub(crate) fn raise() -> FileLimit {
        FileLimit { most: None }
    }

    /// The limit; `None` where there is none.
    pub(crate) fn files(self) -> Option<u64> {
        self.most
    }

    /// How many of them clients and upstreams may have together; `None` where there is no limit.
    pub(crate) fn for_calls(self) -> Option<u64> {
        self.most.map(|files| files.saturating_sub(OTHERS))
    }

    /// How many connections a server admits that would have `wanted`.
    pub(crate) fn connections(self, wanted: usize) -> usize {
        self.for_calls().map_or(wanted, |files| wanted.min((files / 2).max(1) as usize))
    }

    /// How many files it takes for a server to admit `connections`.
    pub(crate) fn needed_for(connections: usize) -> u64 {
        (connections as u64).saturating_mul(2).saturating_add(OTHERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_half_of_what_others_leave() {
        let limit = |most| FileLimit { most };
        assert_eq!(limit(Some(264)).connections(4_096), 100);
        assert_eq!(limit(Some(264)).connections(99), 99);
        assert_eq!(limit(Some(10)).connections(4_096), 1, "one at least");
        assert_eq!(limit(None).connections(4_096), 4_096);
        for connections in [1, 100, 4_096] {
            assert_eq!(limit(Some(FileLimit::needed_for(connections))).connections(usize::MAX), connections);
        }
    }
}
