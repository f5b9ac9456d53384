//! A program's three pipes, our ends: none of them ever blocks.

use crate::error::{Error, Phase};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, ioctl_fionbio, ioctl_fionread, read, write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// How much is read at a time: what a pipe holds on Linux.
const CHUNK: usize = 64 << 10;

/// What the program is told and what it says.
pub(super) struct Pipes {
    pub(super) input: Input,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
}

impl Pipes {
    /// Passes on what can be passed on now.
    pub(super) fn exchange(&mut self) -> Result<(), Error> {
        self.input.feed()?;
        self.stdout.take_some()?;
        self.stderr.take_some()
    }

    /// What the program has got to, as far as its pipes tell.
    pub(super) fn phase(&self) -> Phase {
        if self.input.pipe.is_some() {
            Phase::Send
        } else if self.stdout.bytes.is_empty() {
            Phase::Head
        } else {
            Phase::Body
        }
    }

    /// What to wait for.
    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        let input = self.input.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT));
        let outputs = [&self.stdout, &self.stderr].into_iter().filter_map(|output| output.pipe.as_ref());
        input.chain(outputs.map(|pipe| PollFd::new(pipe, PollFlags::IN)))
    }
}

/// The program's standard input and what is to be written there.
pub(super) struct Input {
    /// `None` once all is written, or nobody reads it.
    pipe: Option<OwnedFd>,
    bytes: Arc<[u8]>,
    written: usize,
}

impl Input {
    pub(super) fn new(pipe: Option<OwnedFd>, bytes: Arc<[u8]>) -> Result<Input, Error> {
        pipe.as_ref().map_or(Ok(()), never_block)?;
        Ok(Input { pipe, bytes, written: 0 })
    }

    fn feed(&mut self) -> Result<(), Error> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        match write(pipe, &self.bytes[self.written..]) {
            Ok(written) => self.written += written,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(Errno::PIPE) => self.written = self.bytes.len(), // the program reads no more, as it may
            Err(error) => return Err(failed(error)),
        }
        if self.written == self.bytes.len() {
            self.pipe = None;
        }
        Ok(())
    }
}

/// One of the program's outputs and what came there.
pub(super) struct Captured {
    /// `None` at its end.
    pub(super) pipe: Option<OwnedFd>,
    pub(super) bytes: Vec<u8>,
    limit: usize,
}

impl Captured {
    pub(super) fn new(pipe: Option<OwnedFd>, limit: usize) -> Result<Captured, Error> {
        pipe.as_ref().map_or(Ok(()), never_block)?;
        Ok(Captured { pipe, bytes: Vec::new(), limit })
    }

    fn take_some(&mut self) -> Result<(), Error> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let room = (self.limit - self.bytes.len()).saturating_add(1); // the one byte too many is to be seen
        self.bytes.reserve(CHUNK.min(room));
        match read(pipe, spare_capacity(&mut self.bytes)) {
            Ok(0) => self.pipe = None,
            Ok(_) if self.bytes.len() > self.limit => return Err(Error::OutputTooLarge { limit: self.limit as u64 }),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(())
    }

    /// Takes what is in the pipe at this moment, and no more: others may go on writing for ever.
    pub(super) fn take_the_rest(&mut self) -> Result<(), Error> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let end = self.bytes.len() + ioctl_fionread(pipe).map_err(failed)? as usize;
        while self.bytes.len() < end {
            self.take_some()?;
        }
        Ok(())
    }
}

fn never_block(pipe: &OwnedFd) -> Result<(), Error> {
    ioctl_fionbio(pipe, true).map_err(failed)
}

pub(super) fn failed(error: Errno) -> Error {
    Error::Io(error.into())
}
