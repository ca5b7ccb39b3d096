//! The window of an inflater: the last bytes that it wrote, and the position of the next one.

use alloc::vec::Vec;

/// The initial size of a window, in bytes.
const FIRST: usize = 1 << 10;

/// A ring buffer of at most 2^bits bytes. It grows with what is written, so that a connection that
/// received little holds little.
#[derive(Debug)]
pub(super) struct Window {
    buf: Vec<u8>,
    /// The position of the next byte.
    end: usize,
    /// The ring was full before: all of it is history.
    wrapped: bool,
    size: usize,
}

impl Window {
    pub(super) const fn new(bits: u8) -> Self {
        Self {
            buf: Vec::new(),
            end: 0,
            wrapped: false,
            size: 1 << bits,
        }
    }

    /// Returns whether nothing was written.
    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0 && !self.wrapped
    }

    pub(super) const fn has_wrapped(&self) -> bool {
        self.wrapped
    }

    /// Returns the ring and the position of the next byte.
    pub(super) fn parts(&mut self) -> (&mut [u8], usize) {
        (&mut self.buf, self.end)
    }

    /// Returns whether there is no room after the position.
    fn is_full(&self) -> bool {
        self.end == self.buf.len()
    }

    /// Makes room to write: after the position, or at the front again.
    pub(super) fn make_room(&mut self) {
        if !self.is_full() {
            return;
        }
        if self.end < self.size {
            let grown = (2 * self.buf.len()).clamp(FIRST.min(self.size), self.size);
            self.buf.resize(grown, 0);
        } else {
            self.end = 0;
            self.wrapped = true;
        }
    }

    /// Notes that `len` bytes were written.
    pub(super) const fn advance(&mut self, len: usize) {
        self.end += len;
    }

    /// Returns the last `len` bytes. They are contiguous if they were written at once.
    pub(super) fn last(&self, len: usize) -> &[u8] {
        self.buf.get(self.end - len..self.end).unwrap_or_default()
    }

    /// Returns the history in two parts, the older first.
    #[cfg(feature = "zlib-rs")]
    pub(super) fn history(&self) -> (&[u8], &[u8]) {
        let (new, old) = self.buf.split_at_checked(self.end).unwrap_or_default();
        if self.wrapped { (old, new) } else { (&[], new) }
    }

    /// Clears the history and keeps the memory.
    pub(super) const fn clear(&mut self) {
        self.end = 0;
        self.wrapped = false;
    }

    /// Frees the memory and clears the history.
    pub(super) fn release(&mut self) {
        self.clear();
        self.buf = Vec::new();
    }
}
