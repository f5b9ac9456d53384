//! One direction of a connection at work: its flow between the two sockets.

use super::faults::{Direction, DirectionStats};
use super::flow::{End, Flow, Next};
use mio::net::TcpStream;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Instant;

/// How many pieces pass before other connections get their turn.
pub(super) const ROUNDS: usize = 32;

/// A socket, and its readiness as last seen.
pub(super) struct Side {
    pub(super) stream: TcpStream,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

/// How a flow ended the connection.
pub(super) enum Broken {
    Cut,
    Reset,
    /// One peer has left, and the other one has to be told.
    Lost,
}

/// The two directions, as log lines name them.
#[derive(Clone, Copy)]
pub(super) enum Way {
    ToUpstream,
    ToClient,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::ToUpstream => "to the upstream",
            Way::ToClient => "to the client",
        })
    }
}

/// A flow between its sockets, as far as they are there yet.
pub(super) struct Lane<'a> {
    pub(super) flow: &'a mut Flow,
    pub(super) from: Option<&'a mut Side>,
    pub(super) to: Option<&'a mut Side>,
    pub(super) rules: &'a Direction,
    pub(super) stats: &'a mut DirectionStats,
}

impl Lane<'_> {
    /// Reads and writes what is possible now, and returns when to try again if neither socket is ready before.
    pub(super) fn pump(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        chance: &RandomState,
    ) -> Result<Option<Instant>, Broken> {
        for _ in 0..ROUNDS {
            let read = self.read(now, buffer, chance);
            let stalled = std::mem::take(&mut self.flow.stalled);
            let wrote = match self.flow.next(now, self.rules) {
                Next::Pass(bytes) => match self.to.as_deref_mut().filter(|to| to.writable) {
                    Some(to) => write(to, bytes)?,
                    None => None,
                },
                Next::End(End::Lost) => return Err(Broken::Lost),
                Next::End(End::Closed) => {
                    if let Some(to) = &self.to {
                        let _ = to.stream.shutdown(Shutdown::Write);
                        self.flow.finished = true;
                    }
                    return Ok(None);
                }
                Next::Wait(due) if !read => return Ok(Some(due)),
                Next::Wait(_) | Next::Idle => None,
                Next::Stall => {
                    self.flow.stalled = true;
                    self.stats.stalls += u64::from(!stalled);
                    return Ok(None);
                }
                Next::Cut => {
                    self.stats.cuts += 1;
                    return Err(Broken::Cut);
                }
                Next::Reset => {
                    self.stats.resets += 1;
                    return Err(Broken::Reset);
                }
            };
            if let Some(count) = wrote {
                let late = self.flow.passed(count, now, self.rules);
                self.stats.bytes += count as u64;
                self.stats.delayed += u64::from(late.delayed);
                self.stats.dripped += u64::from(late.dripped);
            } else if !read {
                return Ok(None);
            }
        }
        // There is more, after the others had their turn.
        Ok(Some(now))
    }

    /// One read, if there is room and something to read. Whether it brought anything.
    fn read(&mut self, now: Instant, buffer: &mut [u8], chance: &RandomState) -> bool {
        let wanted = self.flow.wants_more(self.rules);
        let Some(from) = self.from.as_deref_mut().filter(|from| wanted && from.readable) else { return false };
        let lot = chance.hash_one((now, self.flow.passed)) as u8;
        match from.stream.read(buffer) {
            Ok(0) => self.flow.end(End::Closed, now, lot),
            Ok(count) => self.flow.hold(&buffer[..count], now, lot),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                from.readable = false;
                return false;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.flow.end(End::Lost, now, lot),
        }
        true
    }
}

/// One write; `None` when there was no room.
fn write(to: &mut Side, bytes: &[u8]) -> Result<Option<usize>, Broken> {
    match to.stream.write(bytes) {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            to.writable = false;
            Ok(None)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Some(0)),
        Err(_) => Err(Broken::Lost),
    }
}
