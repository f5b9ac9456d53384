//! One direction of one connection: the bytes that are held back, and what is to happen next.
//!
//! No sockets and no clock here: [`Flow::next`] takes the moment and the rules in effect, both of which may have
//! changed since the last time. So a change of rules also applies to bytes that are held already: only the moment a
//! piece came is kept, and the moment it is due is computed on each call.

use super::faults::{Break, Direction};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most bytes held back, and the most pieces: a piece may be a single byte.
const MOST_BYTES: usize = 1 << 20;
const MOST_PIECES: usize = 4_096;
/// The most bytes held where it is not a delay that holds them.
const ENOUGH: usize = 64 << 10;
/// Stands for a delay that the clock cannot express. When it is over, the delay is computed again.
const FAR: Duration = Duration::from_secs(86_400);

/// One direction of one connection.
#[derive(Default)]
pub(super) struct Flow {
    held: VecDeque<Piece>,
    held_bytes: usize,
    /// How the peer ended its sending, once that has been read.
    end: Option<Ended>,
    /// Whether that has been passed on, after which there is nothing left to do.
    pub(super) finished: bool,
    /// Bytes passed on since the connection began.
    pub(super) passed: u64,
    portion: Portion,
    /// Whether the last answer was [`Next::Stall`].
    pub(super) stalled: bool,
}

/// What one read brought.
struct Piece {
    bytes: Box<[u8]>,
    /// How many of them are passed on.
    passed: usize,
    came: Came,
}

#[derive(Clone, Copy)]
struct Came {
    at: Instant,
    /// Its share of the jitter, from 0 to 255 of 255.
    lot: u8,
}

struct Ended {
    how: End,
    came: Came,
}

/// How a peer ended its sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// FIN: it may still read.
    Closed,
    /// RST, or any other error of reading: it has left.
    Lost,
}

/// The current portion of the drip.
#[derive(Default)]
struct Portion {
    began: Option<Instant>,
    passed: u64,
    /// Whether the next portion was waited for.
    waited: bool,
}

/// What is to happen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// These bytes are due.
    Pass(&'a [u8]),
    /// The end of the sending is due.
    End(End),
    /// Nothing before this moment.
    Wait(Instant),
    /// Nothing before more is read.
    Idle,
    /// Nothing before the rules change.
    Stall,
    /// The connection is to be cut.
    Cut,
    /// The connection is to be reset.
    Reset,
}

/// Which faults delayed the bytes that were passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Late {
    /// They are the first of a piece that was held back.
    pub(super) delayed: bool,
    /// They are the first of a portion that was waited for.
    pub(super) dripped: bool,
}

impl Flow {
    /// Whether there is room and use for more. While nothing passes nothing is read, so that the sender blocks.
    pub(super) fn wants_more(&self, rules: &Direction) -> bool {
        let holds_for_long = rules.drip.is_none() && rules.delay.max(rules.jitter) > Duration::ZERO;
        let room = if holds_for_long { MOST_BYTES } else { ENOUGH };
        let open = rules.limit().is_none_or(|(after, _)| self.passed + (self.held_bytes as u64) < after);
        open && self.end.is_none() && self.held_bytes < room && self.held.len() < MOST_PIECES
    }

    /// Takes in what was read at `at`. `lot` decides about its jitter.
    pub(super) fn hold(&mut self, bytes: &[u8], at: Instant, lot: u8) {
        self.held_bytes += bytes.len();
        self.held.push_back(Piece { bytes: bytes.into(), passed: 0, came: Came { at, lot } });
    }

    /// The sending ended at `at`.
    pub(super) fn end(&mut self, how: End, at: Instant, lot: u8) {
        self.end = Some(Ended { how, came: Came { at, lot } });
    }

    /// What is to happen at `now` under `rules`.
    pub(super) fn next(&mut self, now: Instant, rules: &Direction) -> Next<'_> {
        if self.finished {
            return Next::Idle;
        }
        let mut most = u64::MAX;
        if let Some((after, what)) = rules.limit() {
            if self.passed >= after {
                return match what {
                    Break::Stall => Next::Stall,
                    Break::Cut => Next::Cut,
                    Break::Reset => Next::Reset,
                };
            }
            most = after - self.passed;
        }
        let Some(piece) = self.held.front() else {
            return match &self.end {
                None => Next::Idle,
                Some(ended) => match ended.came.wait(now, rules) {
                    Some(due) => Next::Wait(due),
                    None => Next::End(ended.how),
                },
            };
        };
        if let Some(due) = piece.came.wait(now, rules) {
            return Next::Wait(due);
        }
        if let Some(drip) = rules.drip {
            match self.portion.left(now, drip.bytes.max(1), drip.every) {
                Ok(left) => most = most.min(left),
                Err(due) => return Next::Wait(due),
            }
        }
        let left = &piece.bytes[piece.passed..];
        Next::Pass(&left[..left.len().min(usize::try_from(most).unwrap_or(usize::MAX))])
    }

    /// The first `count` of the bytes that were due have been passed on.
    pub(super) fn passed(&mut self, count: usize, now: Instant, rules: &Direction) -> Late {
        let Some(piece) = self.held.front_mut() else { return Late::default() };
        let delay = piece.came.delay(rules);
        let late = Late {
            delayed: piece.passed == 0 && delay > Duration::ZERO,
            dripped: std::mem::take(&mut self.portion.waited),
        };
        piece.passed += count;
        if piece.passed == piece.bytes.len() {
            self.held.pop_front();
        }
        self.held_bytes -= count;
        self.passed += count as u64;
        self.portion.began.get_or_insert(now);
        self.portion.passed += count as u64;
        late
    }
}

impl Came {
    fn delay(self, rules: &Direction) -> Duration {
        rules.delay.saturating_add(rules.jitter.saturating_mul(u32::from(self.lot)) / 255)
    }

    /// When it is due, if that is after `now`.
    fn wait(self, now: Instant, rules: &Direction) -> Option<Instant> {
        let due = self.at.checked_add(self.delay(rules)).unwrap_or(now + FAR);
        (due > now).then_some(due)
    }
}

impl Portion {
    /// How many bytes of the portion may pass now, or when the next one begins.
    fn left(&mut self, now: Instant, bytes: u64, every: Duration) -> Result<u64, Instant> {
        if let Some(began) = self.began {
            let next = began.checked_add(every).unwrap_or(now + FAR);
            if now >= next {
                *self = Portion { waited: self.waited, ..Portion::default() };
            } else if self.passed >= bytes {
                self.waited = true;
                return Err(next);
            }
        }
        Ok(bytes.saturating_sub(self.passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Drip;

    const MS: Duration = Duration::from_millis(1);

    fn delay(delay: Duration) -> Direction {
        Direction { delay, ..Direction::default() }
    }

    /// Passes on the bytes that are due.
    fn pass(flow: &mut Flow, now: Instant, rules: &Direction) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let Next::Pass(bytes) = flow.next(now, rules) else { return all };
            let count = bytes.len();
            all.extend_from_slice(bytes);
            flow.passed(count, now, rules);
        }
    }

    #[test]
    fn pieces_are_all_as_late_as_the_delay_and_not_one_after_the_other() {
        let (mut flow, start, rules) = (Flow::default(), Instant::now(), delay(100 * MS));
        flow.hold(b"one", start, 0);
        flow.hold(b"two", start + 30 * MS, 0);
        assert_eq!(flow.next(start + 99 * MS, &rules), Next::Wait(start + 100 * MS));
        assert_eq!(pass(&mut flow, start + 100 * MS, &rules), b"one");
        assert_eq!(flow.next(start + 100 * MS, &rules), Next::Wait(start + 130 * MS));
        assert_eq!(pass(&mut flow, start + 130 * MS, &rules), b"two");
    }

    #[test]
    fn jitter_never_changes_the_order() {
        let (mut flow, start) = (Flow::default(), Instant::now());
        let rules = Direction { jitter: 50 * MS, ..delay(10 * MS) };
        flow.hold(b"late", start, 255);
        flow.hold(b"early", start, 0);
        assert_eq!(flow.next(start + 10 * MS, &rules), Next::Wait(start + 60 * MS));
        assert_eq!(pass(&mut flow, start + 60 * MS, &rules), b"lateearly");
    }

    #[test]
    fn the_end_is_as_late_as_everything_else_and_comes_last() {
        let (mut flow, start, rules) = (Flow::default(), Instant::now(), delay(100 * MS));
        flow.hold(b"one", start, 0);
        flow.end(End::Closed, start + 5 * MS, 0);
        assert!(!flow.wants_more(&rules));
        assert_eq!(pass(&mut flow, start + 100 * MS, &rules), b"one");
        assert_eq!(flow.next(start + 100 * MS, &rules), Next::Wait(start + 105 * MS));
        assert_eq!(flow.next(start + 105 * MS, &rules), Next::End(End::Closed));
    }

    #[test]
    fn other_rules_meet_what_is_held_already() {
        let (mut flow, start) = (Flow::default(), Instant::now());
        flow.hold(b"one", start, 0);
        assert_eq!(flow.next(start + MS, &delay(100 * MS)), Next::Wait(start + 100 * MS));
        assert_eq!(flow.next(start + MS, &delay(10 * MS)), Next::Wait(start + 10 * MS));
        assert_eq!(flow.next(start + MS, &Direction { stall_after: Some(0), ..Direction::default() }), Next::Stall);
        assert_eq!(flow.next(start + MS, &Direction::default()), Next::Pass(b"one"));
    }

    #[test]
    fn a_drip_lets_a_portion_pass_and_then_nothing_for_its_time() {
        let (mut flow, start) = (Flow::default(), Instant::now());
        let rules = Direction { drip: Some(Drip { bytes: 2, every: 50 * MS }), ..Direction::default() };
        flow.hold(b"a", start, 0);
        flow.hold(b"bcde", start, 0);
        assert_eq!(pass(&mut flow, start, &rules), b"ab");
        assert_eq!(flow.next(start + 49 * MS, &rules), Next::Wait(start + 50 * MS));
        assert_eq!(pass(&mut flow, start + 50 * MS, &rules), b"cd");
        // A pause is not caught up: at most one portion at a time.
        flow.hold(b"fghi", start + 500 * MS, 0);
        assert_eq!(pass(&mut flow, start + 500 * MS, &rules), b"ef");
    }

    #[test]
    fn a_limit_is_exact_and_the_smallest_comes_first() {
        let (mut flow, start) = (Flow::default(), Instant::now());
        let rules = Direction { stall_after: Some(3), cut_after: Some(4), ..Direction::default() };
        flow.hold(b"abcdef", start, 0);
        assert!(!flow.wants_more(&rules), "what cannot pass is not read");
        assert_eq!(pass(&mut flow, start, &rules), b"abc");
        assert_eq!(flow.next(start, &rules), Next::Stall);
        let rules = Direction { stall_after: None, ..rules };
        assert_eq!(pass(&mut flow, start, &rules), b"d");
        assert_eq!(flow.next(start, &rules), Next::Cut);
        let rules = Direction { reset_after: Some(4), ..rules };
        assert_eq!(flow.next(start, &rules), Next::Reset);
    }

    #[test]
    fn what_is_held_is_bounded_in_bytes_and_in_pieces() {
        let (now, rules) = (Instant::now(), delay(MS));
        let mut flow = Flow::default();
        while flow.wants_more(&rules) {
            flow.hold(&[0; 16 << 10], now, 0);
        }
        assert_eq!(flow.held_bytes, MOST_BYTES);
        assert!(!flow.wants_more(&Direction::default()));
        let mut flow = Flow::default();
        while flow.wants_more(&rules) {
            flow.hold(&[0], now, 0);
        }
        assert_eq!(flow.held.len(), MOST_PIECES);
    }
}
