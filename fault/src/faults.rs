//! What is to go wrong, and what has gone wrong.

use std::time::Duration;

/// What a [`FaultProxy`](super::FaultProxy) does to the connections that go through it. By default, nothing.
///
/// ```
/// use headstart_fault::{Direction, Drip, Faults};
/// use std::time::Duration;
///
/// // Requests pass at once; answers come 100 ms late, then stop after 1,000 bytes.
/// let faults = Faults {
///     to_client: Direction { delay: Duration::from_millis(100), stall_after: Some(1_000), ..Direction::default() },
///     ..Faults::default()
/// };
/// # let _ = faults;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// What becomes of a connection before a byte of it has passed. Defaults to [`Admission::Pass`].
    pub admission: Admission,
    /// What the bytes from the client to the upstream meet. Defaults to nothing.
    pub to_upstream: Direction,
    /// What the bytes from the upstream to the client meet. Defaults to nothing.
    pub to_client: Direction,
    /// One in so many connections meets all this, the last of each such group; the others pass untouched. Defaults to 1: every
    /// one; 0 counts as 1. [`Admission::Never`] makes no difference between connections.
    pub one_in: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            admission: Admission::default(),
            to_upstream: Direction::default(),
            to_client: Direction::default(),
            one_in: 1,
        }
    }
}

impl Faults {
    /// The same in both directions.
    pub fn both_ways(direction: Direction) -> Faults {
        Faults { to_upstream: direction, to_client: direction, ..Faults::default() }
    }

    /// What the connection of this number meets; the first is 1.
    pub(super) fn of(&self, connection: u64) -> Faults {
        let spared = !connection.is_multiple_of(self.one_in.max(1));
        if spared { Faults::default() } else { *self }
    }
}

/// What becomes of a connection before a byte of it has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// It is accepted, and connected to the upstream.
    #[default]
    Pass,
    /// It is accepted, and nothing more: nobody reads what the client sends, nobody answers, and the upstream hears nothing. It
    /// goes on when this becomes [`Admission::Pass`].
    Silent,
    /// It is accepted and reset. (A connection that is *refused* needs no proxy: nobody listens on a port that was closed.)
    Reset,
    /// Nothing is accepted. The system still completes the handshake of the first connection or two, which then wait in the
    /// listening queue, seeming open and silent; once that is full, `connect` hangs. On Linux it is full with the first.
    /// They all go on when this becomes [`Admission::Pass`].
    Never,
}

/// What the bytes of one direction meet, on each connection for itself.
///
/// Counts of bytes are those of the direction from the connection's beginning on. A limit below what has passed already takes
/// effect at once; of several the smallest does, a reset before a cut before a stall when they are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// How much later than they came bytes are passed on, the end of the sending too. A latency, no limit to the rate: what
    /// follows meanwhile is as late, not later. At most 1 MiB is held back; more waits with its sender. Defaults to none.
    pub delay: Duration,
    /// Up to so much is added to the delay, by chance for each piece that is read. The order is kept. Defaults to none.
    pub jitter: Duration,
    /// Bytes pass only so many at a time. Defaults to no such limit.
    pub drip: Option<Drip>,
    /// After so many bytes nothing passes any more, not even the end of the sending; the connection stays open, until this is
    /// changed or the proxy ends. Nobody reads what is sent, so a sender that goes on will block. Defaults to never.
    pub stall_after: Option<u64>,
    /// After so many bytes the connection is closed towards both its ends, orderly (FIN). Defaults to never.
    pub cut_after: Option<u64>,
    /// After so many bytes the connection is reset towards both its ends (RST). As with every reset, bytes that its ends have
    /// not read by then may be lost to them. Defaults to never.
    pub reset_after: Option<u64>,
}

/// So many bytes, then nothing for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drip {
    /// How many bytes pass at a time; 0 counts as 1.
    pub bytes: u64,
    /// The time from one such portion to the next.
    pub every: Duration,
}

/// What a limit on bytes brings when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    Reset,
    Cut,
    Stall,
}

impl Direction {
    /// The first of the limits, and what it brings.
    pub(super) fn limit(&self) -> Option<(u64, Break)> {
        let limits = [(self.reset_after, Break::Reset), (self.cut_after, Break::Cut), (self.stall_after, Break::Stall)];
        limits.into_iter().filter_map(|(after, what)| Some((after?, what))).min_by_key(|(after, _)| *after)
    }
}

/// The figures of a [`FaultProxy`](super::FaultProxy) at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultStats {
    /// Open connections, those included that are kept silent.
    pub open: u64,
    /// Connections accepted so far.
    pub total: u64,
    /// Connections so far that found no upstream: their clients were reset.
    pub unconnected: u64,
    /// Connections so far that were kept silent after they were accepted.
    pub silenced: u64,
    /// Connections so far that were reset as soon as they were accepted.
    pub turned_away: u64,
    /// From the clients to the upstream.
    pub to_upstream: DirectionStats,
    /// From the upstream to the clients.
    pub to_client: DirectionStats,
}

/// What has happened in one direction so far, on all connections together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionStats {
    /// Bytes passed on.
    pub bytes: u64,
    /// Pieces that were held back by delay and jitter before they were passed on. A piece is what one read brought.
    pub delayed: u64,
    /// Portions that a drip was waited for.
    pub dripped: u64,
    /// How often a stall began.
    pub stalls: u64,
    /// Connections cut.
    pub cuts: u64,
    /// Connections reset.
    pub resets: u64,
}
