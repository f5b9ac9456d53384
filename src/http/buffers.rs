//! Buffers that start small and grow for large response heads.
//!
//! ureq's own take 128 KiB each from the start, which is a lot for a connection that carries a few hundred bytes, and
//! do not grow, while a response head has to fit as a whole before it is parsed.

use ureq::unversioned::transport::Buffers;

/// Enough for most answers to be read in one go.
const INPUT: usize = 16 << 10;
/// The largest head ureq takes is 64 KiB; it gives up itself when more than that waits here.
const MAX_INPUT: usize = 128 << 10;

pub(super) struct GrowingBuffers {
    input: Vec<u8>,
    /// `input[consumed..filled]` is what was received and not yet used.
    consumed: usize,
    filled: usize,
    /// Whether the last use of the input made progress: if not, more is needed.
    progress: bool,
    output: Vec<u8>,
}

impl GrowingBuffers {
    /// Buffers whose output takes `output` bytes.
    pub(super) fn new(output: usize) -> GrowingBuffers {
        GrowingBuffers { input: vec![0; INPUT], consumed: 0, filled: 0, progress: false, output: vec![0; output] }
    }

    /// Gives back what a large answer took. The input has to be used up.
    pub(super) fn shrink(&mut self) {
        if self.input.len() > INPUT {
            self.input = vec![0; INPUT];
        }
        (self.consumed, self.filled) = (0, 0);
    }
}

impl Buffers for GrowingBuffers {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.consumed > 0 {
            self.input.copy_within(self.consumed..self.filled, 0);
            self.filled -= self.consumed;
            self.consumed = 0;
        }
        if self.filled == self.input.len() && self.filled < MAX_INPUT {
            self.input.resize(self.filled * 2, 0);
        }
        &mut self.input[self.filled..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed += amount;
        debug_assert!(self.consumed <= self.filled);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        // For request bodies of undeclared length, of which there are none.
        (&mut self.input[self.filled..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.progress && !self.input().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffers: &mut GrowingBuffers, bytes: &[u8]) {
        let room = buffers.input_append_buf();
        room[..bytes.len()].copy_from_slice(bytes);
        buffers.input_appended(bytes.len());
    }

    #[test]
    fn what_is_not_consumed_stays_in_order() {
        let mut buffers = GrowingBuffers::new(16);
        receive(&mut buffers, b"abcdef");
        buffers.input_consume(2);
        receive(&mut buffers, b"gh");
        assert_eq!(buffers.input(), b"cdefgh");
        assert!(buffers.can_use_input());
        buffers.input_consume(0);
        assert!(!buffers.can_use_input(), "no progress: more is needed");
    }

    #[test]
    fn a_full_input_grows_up_to_its_bound_and_shrinks_again() {
        let mut buffers = GrowingBuffers::new(16);
        let mut received = 0;
        while !buffers.input_append_buf().is_empty() {
            let room = buffers.input_append_buf().len();
            buffers.input_appended(room);
            received += room;
        }
        assert_eq!(received, MAX_INPUT);
        buffers.input_consume(received);
        buffers.shrink();
        assert_eq!(buffers.input_append_buf().len(), INPUT);
    }
}
