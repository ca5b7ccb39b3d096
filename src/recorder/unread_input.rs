//! A copy of the input that a connection has not consumed.

use alloc::{collections::VecDeque, vec::Vec};

/// What is kept for the next call is at most of this capacity.
pub(super) const MAX_SPARE: usize = 16 << 10;

/// How many bytes are compared to find out whether a caller passes again what was left.
const COMPARED: usize = 4 << 10;

/// The copy is made before the call: a call of `receive` unmasks in place, and does not tell in
/// advance how much it will consume.
///
/// Of what the connection has left to its caller, nothing is copied again, so that the time for an
/// input with many messages is in proportion to its length.
#[derive(Default)]
pub(crate) struct UnreadInput(VecDeque<u8>);

impl UnreadInput {
    /// Makes it a copy of `input`.
    pub(crate) fn update(&mut self, input: &[u8]) {
        let left = self.0.iter().zip(input).take(COMPARED);
        // A caller that loses input is a fault that the recording has to show.
        if input.len() < self.0.len() || left.clone().any(|(left, byte)| left != byte) {
            self.0.clear();
        }
        let new = input.get(self.0.len()..).unwrap_or_default();
        self.0.extend(new);
    }

    /// Removes the first `len` bytes, and returns them.
    pub(crate) fn consume(&mut self, len: usize) -> Vec<u8> {
        let bytes = self.0.drain(..len.min(self.0.len())).collect();
        if self.0.is_empty() {
            self.0.shrink_to(MAX_SPARE);
        }
        bytes
    }
}
