//! The window of an inflater: the last bytes that it wrote, and where it writes next.

use alloc::vec::Vec;

/// What a window begins with, in bytes.
const FIRST: usize = 1 << 10;

/// A ring of at most 2^bits bytes. It grows to that with what is written, so that a connection on which little was
/// received holds little.
#[derive(Debug)]
pub(super) struct Window {
    buf: Vec<u8>,
    /// Where the next byte goes.
    end: usize,
    /// The ring was full once: all of it is history.
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

    /// Nothing was written.
    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0 && !self.wrapped
    }

    pub(super) const fn has_wrapped(&self) -> bool {
        self.wrapped
    }

    /// The ring and where to write in it.
    pub(super) fn parts(&mut self) -> (&mut [u8], usize) {
        (&mut self.buf, self.end)
    }

    /// There is no room to write.
    fn is_full(&self) -> bool {
        self.end == self.buf.len()
    }

    /// Makes sure that there is room to write: behind the end, or at the front again.
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

    /// `len` bytes were written.
    pub(super) const fn advance(&mut self, len: usize) {
        self.end += len;
    }

    /// The `len` bytes written last; they lie in one piece if they were written in one go.
    pub(super) fn last(&self, len: usize) -> &[u8] {
        self.buf.get(self.end - len..self.end).unwrap_or_default()
    }

    /// All that may be referred to, in two parts, the older first.
    #[cfg_attr(
        not(feature = "zlib-rs"),
        allow(dead_code, reason = "one back end keeps its history here alone")
    )]
    pub(super) fn history(&self) -> (&[u8], &[u8]) {
        let (new, old) = self.buf.split_at_checked(self.end).unwrap_or_default();
        if self.wrapped { (old, new) } else { (&[], new) }
    }

    /// Forgets the history, keeps the memory.
    pub(super) const fn clear(&mut self) {
        self.end = 0;
        self.wrapped = false;
    }

    /// Gives the memory back, and with it the history.
    pub(super) fn release(&mut self) {
        self.clear();
        self.buf = Vec::new();
    }
}
