//! The faults to inject, and the figures of those injected.

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
    /// What happens to a connection before its first byte passes. Defaults to [`Admission::Pass`].
    pub admission: Admission,
    /// The faults for bytes from the client to the upstream. Defaults to nothing.
    pub to_upstream: Direction,
    /// The faults for bytes from the upstream to the client. Defaults to nothing.
    pub to_client: Direction,
    /// One in so many connections gets the faults, the last of each such group. The others pass untouched. Defaults to
    /// 1, every connection; 0 counts as 1. [`Admission::Never`] makes no difference between connections.
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

    /// The faults for the connection of this number. The first is 1.
    pub(super) fn of(&self, connection: u64) -> Faults {
        let spared = !connection.is_multiple_of(self.one_in.max(1));
        if spared { Faults::default() } else { *self }
    }
}

/// What happens to a connection before its first byte passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// It is accepted, and connected to the upstream.
    #[default]
    Pass,
    /// It is accepted and then ignored: what the client sends is not read, and the upstream is not connected. It goes
    /// on when this becomes [`Admission::Pass`].
    Silent,
    /// It is accepted and reset. (For a connection that is *refused*, use a closed port; that needs no proxy.)
    Reset,
    /// Nothing is accepted. The system still completes the handshake of the first connection or two, which then wait
    /// in the listening queue and look open and silent. Once the queue is full, `connect` hangs. On Linux it is full
    /// with the first. They all go on when this becomes [`Admission::Pass`].
    Never,
}

/// The faults of one direction. They apply to each connection separately.
///
/// Bytes are counted for each direction from the beginning of the connection. A limit below the count takes effect at
/// once. Of several limits the smallest takes effect; of equal ones a reset before a cut before a stall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// How much later bytes are passed on, and the FIN too. This is a latency; it does not limit the rate. At most 1
    /// MiB is held back; then nothing more is read from the sender. Defaults to none.
    pub delay: Duration,
    /// A random addition to the delay, up to this long, for each piece that is read. The order is kept. Defaults to
    /// none.
    pub jitter: Duration,
    /// Only so many bytes pass at a time. Defaults to no such limit.
    pub drip: Option<Drip>,
    /// After so many bytes nothing passes any more, not even a FIN. The connection stays open until this is changed or
    /// the proxy ends. Nothing is read, so a sender that goes on will block. Defaults to never.
    pub stall_after: Option<u64>,
    /// After so many bytes the connection is closed towards both peers with a FIN. Defaults to never.
    pub cut_after: Option<u64>,
    /// After so many bytes the connection is reset towards both peers (RST). As with every reset, bytes that a peer
    /// has not read by then may be lost. Defaults to never.
    pub reset_after: Option<u64>,
}

/// This many bytes, then nothing for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drip {
    /// How many bytes pass at a time; 0 counts as 1.
    pub bytes: u64,
    /// The time from one such portion to the next.
    pub every: Duration,
}

/// What happens when a limit on bytes is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    Reset,
    Cut,
    Stall,
}

impl Direction {
    /// The smallest of the limits, and what happens there.
    pub(super) fn limit(&self) -> Option<(u64, Break)> {
        let limits = [(self.reset_after, Break::Reset), (self.cut_after, Break::Cut), (self.stall_after, Break::Stall)];
        limits.into_iter().filter_map(|(after, what)| Some((after?, what))).min_by_key(|(after, _)| *after)
    }
}

/// The figures of a [`FaultProxy`](super::FaultProxy) at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultStats {
    /// Open connections, including those that are kept silent.
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

/// The figures of one direction so far, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionStats {
    /// Bytes passed on.
    pub bytes: u64,
    /// Pieces that were held back by delay and jitter before they were passed on. A piece is what one read brought.
    pub delayed: u64,
    /// Portions that waited for a drip.
    pub dripped: u64,
    /// How often a stall began.
    pub stalls: u64,
    /// Connections cut.
    pub cuts: u64,
    /// Connections reset.
    pub resets: u64,
}
