//! A request that is sent as its body comes, while its response may come.
//!
//! The problem: a body comes when it likes, is taken when its peer likes, and the peer may answer before all of it was
//! sent: who waits for one of these alone misses the others. The answer: everything is tried without waiting, and when
//! nothing moves, one `poll` waits for all. The deadline and the token end it by shutting the connection down, which
//! ends the `poll`. A body may take longer than any deadline: it has a time in which something has to move, and the
//! head another one, from the end of the body on.

use super::current::Patience;
use super::heads::{Heads, Heard};
use super::link::{Failure, Link};
use super::outflow::Outflow;
use super::upload::Upload;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::net::lease::Reached;
use crate::ready;
use rustix::event::{PollFd, PollFlags};
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// How much is sent before a look at what the peer says.
const ROUND: usize = 1 << 20;

/// What the sending waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// For more of the body.
    ForBody,
    /// For room.
    ForRoom,
    /// For nothing: it only stopped to look.
    No,
    /// All is sent.
    Over,
}

/// What a request with a body waits for, and how long.
pub(super) struct Times {
    /// Whether the body waits for 100, and the head goes out alone.
    pub(super) expects: bool,
    /// In which something has to move.
    pub(super) idle: Duration,
    /// Which the head has once all of the body was sent.
    pub(super) respond: Option<Duration>,
}

/// Sends what `outflow` and `upload` have on `link`, and returns the final head. All of the request was sent by then,
/// or `outflow` has the rest.
pub(super) fn pump(
    link: &mut Link,
    outflow: &mut Outflow,
    upload: &mut dyn Upload,
    heads: &mut Heads,
    times: &Times,
) -> Result<Heard, Failure> {
    link.phase = Phase::Send;
    let mut expects = times.expects;
    loop {
        link.check()?;
        let waits = match send(link, outflow, upload, std::mem::take(&mut expects)) {
            Ok(waits) => waits,
            Err(Stop::Peer(error)) => {
                // A peer that takes no more may have said why.
                link.check()?;
                outflow.abandon();
                return heads.wait(link, &mut Some(upload)).map_err(|failure| match failure {
                    Failure::Io(_) => Failure::Io(error),
                    failure => failure,
                });
            }
            Err(Stop::Upload(error)) => return Err(Failure::Unwanted(Error::Io(error))),
        };
        match waits {
            Waits::Over => return respond(link, upload, heads, times.respond),
            Waits::ForBody => {
                if !wait(link, PollFlags::IN, upload.as_fd(), Deadline::after(times.idle))? {
                    return Err(Failure::Unwanted(Error::Io(ErrorKind::TimedOut.into())));
                }
            }
            Waits::ForRoom => {
                if !wait(link, PollFlags::IN | PollFlags::OUT, None, Deadline::after(times.idle))? {
                    return Err(Failure::Unwanted(Error::TimedOut { during: Phase::Send }));
                }
            }
            Waits::No => {}
        }
        link.check()?;
        match link.more(Patience::TakesWhatIsHere) {
            Err(Failure::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            received => {
                received?;
                if let Some(heard) = heads.next(link, &mut Some(upload))? {
                    return Ok(heard);
                }
            }
        }
    }
}

/// Why the sending stopped.
enum Stop {
    /// The connection failed.
    Peer(io::Error),
    /// The body did.
    Upload(io::Error),
}

/// Sends until something has to be waited for, or for one round.
fn send(link: &mut Link, outflow: &mut Outflow, upload: &mut dyn Upload, only_the_head: bool) -> Result<Waits, Stop> {
    let waits = if only_the_head { flush(link, outflow, Waits::No)? } else { send_round(link, outflow, upload)? };
    link.reached = link.reached.max(Reached::Sent);
    Ok(waits)
}

fn send_round(link: &mut Link, outflow: &mut Outflow, upload: &mut dyn Upload) -> Result<Waits, Stop> {
    let mut sent = 0;
    while sent < ROUND {
        if outflow.is_ended() {
            return flush(link, outflow, Waits::Over);
        }
        match upload.peek_now().map_err(Stop::Upload)? {
            None => return flush(link, outflow, Waits::ForBody),
            Some([]) => {
                return match outflow.finish(link.stream()) {
                    Ok(true) => Ok(Waits::Over),
                    Ok(false) => Ok(Waits::ForRoom),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Stop::Upload(error)),
                    Err(error) => Err(Stop::Peer(error)),
                };
            }
            Some(bytes) => {
                let went = match outflow.write(link.stream(), bytes) {
                    Ok(went) => went,
                    Err(error) if error.kind() == ErrorKind::InvalidInput => return Err(Stop::Upload(error)),
                    Err(error) => return Err(Stop::Peer(error)),
                };
                upload.consume(went);
                if went == 0 {
                    return Ok(Waits::ForRoom);
                }
                sent += went;
            }
        }
    }
    Ok(Waits::No)
}

/// Sends what is pending, and waits for `then` if that is all gone.
fn flush(link: &mut Link, outflow: &mut Outflow, then: Waits) -> Result<Waits, Stop> {
    match outflow.flush(link.stream()) {
        Ok(true) => Ok(then),
        Ok(false) => Ok(Waits::ForRoom),
        Err(error) => Err(Stop::Peer(error)),
    }
}

/// The final head of a request that was sent, for which there is `timeout`.
fn respond(
    link: &mut Link,
    upload: &mut dyn Upload,
    heads: &mut Heads,
    timeout: Option<Duration>,
) -> Result<Heard, Failure> {
    let Some(timeout) = timeout else { return heads.wait(link, &mut Some(upload)) };
    link.phase = Phase::Head;
    let until = Deadline::after(timeout);
    loop {
        if let Some(heard) = heads.next(link, &mut Some(upload))? {
            return Ok(heard);
        }
        match link.more(Patience::TakesWhatIsHere) {
            Err(Failure::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                if !wait(link, PollFlags::IN, None, until)? {
                    return Err(Failure::Unwanted(Error::TimedOut { during: Phase::Head }));
                }
            }
            received => received?,
        }
    }
}

/// Waits for the socket, or for more of the body. `false` when `until` has passed.
fn wait(link: &Link, flags: PollFlags, body: Option<BorrowedFd<'_>>, until: Deadline) -> io::Result<bool> {
    let socket = PollFd::new(link.socket(), flags);
    let happened = match body {
        Some(body) => ready::wait(&mut [socket, PollFd::from_borrowed_fd(body, PollFlags::IN)], until)?,
        None => ready::wait(&mut [socket], until)?,
    };
    Ok(happened > 0 || !until.has_passed())
}
