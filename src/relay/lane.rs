//! One direction of a relay: what moves, and what it waits for.

use super::duplex::Duplex;
use std::io;

/// How often a lane moves something before the other one has its turn.
const TURNS: usize = 16;

/// One direction.
pub(super) struct Lane {
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes move. What keeps more of them from it, if that is known.
    Flowing {
        source: bool,
        sink: bool,
    },
    /// The source has ended, and the sink is yet to be told.
    Finishing,
    Over,
}

/// Which side failed.
pub(super) enum Failure {
    Read(io::Error),
    Write(io::Error),
}

impl Lane {
    pub(super) fn new() -> Lane {
        Lane { state: State::Flowing { source: false, sink: false } }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Nothing more is to be moved.
    pub(super) fn give_up(&mut self) {
        self.state = State::Over;
    }

    /// Whether there was nothing more to read.
    pub(super) fn waits_for_source(&self) -> bool {
        matches!(self.state, State::Flowing { source: true, .. })
    }

    /// Whether there was no more room to write.
    pub(super) fn waits_for_sink(&self) -> bool {
        matches!(self.state, State::Flowing { sink: true, .. } | State::Finishing)
    }

    /// Moves what can be moved now, and tells whether that was anything.
    pub(super) fn advance(&mut self, from: &mut dyn Duplex, to: &mut dyn Duplex) -> Result<bool, Failure> {
        let mut moved = false;
        for _ in 0..TURNS {
            match self.state {
                State::Over => break,
                State::Finishing => {
                    if to.finish_now().map_err(Failure::Write)? {
                        self.state = State::Over;
                        moved = true;
                    }
                    break;
                }
                State::Flowing { .. } => match from.peek_now().map_err(Failure::Read)? {
                    None => {
                        let sink = !to.flush_now().map_err(Failure::Write)?;
                        self.state = State::Flowing { source: true, sink };
                        break;
                    }
                    Some([]) => self.state = State::Finishing,
                    Some(bytes) => {
                        let taken = to.write_now(bytes).map_err(Failure::Write)?;
                        self.state = State::Flowing { source: false, sink: taken == 0 };
                        if taken == 0 {
                            break;
                        }
                        from.consume(taken);
                        moved = true;
                    }
                },
            }
        }
        Ok(moved)
    }
}
