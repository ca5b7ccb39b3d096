//! The optional back end: `zlib-rs`, which is faster and has a larger state.

use alloc::vec::Vec;

use zlib_rs::{DeflateFlush, InflateFlush, Status};

use super::{
    progress::{Flush, Progress, StopReason},
    window::Window,
};

/// The only window bits that it inflates with: with fewer, it accepts distances before the window
/// or not, depending on where the input is cut.
pub(super) const BITS: u8 = 15;

/// A raw inflater, which holds its own history and writes into a [`Window`].
pub(crate) struct Inflate(zlib_rs::Inflate);

impl Inflate {
    pub(super) fn new(window: &Window) -> Self {
        let mut inflate = Self(zlib_rs::Inflate::new(false, BITS));
        inflate.set_history(window);
        inflate
    }

    /// Starts a new stream that may refer to the history in the window.
    pub(super) fn restart(&mut self, window: &Window) {
        self.0.reset(false);
        self.set_history(window);
    }

    fn set_history(&mut self, window: &Window) {
        if window.is_empty() {
            return;
        }
        let (old, new) = window.history();
        for part in [old, new] {
            // For a raw stream, there is no checksum to match.
            let _checksum = self.0.set_dictionary(part);
        }
    }

    /// Like the other back end. Input that is left over tells the end of a block from the end of
    /// the input.
    pub(super) fn run(&mut self, input: &[u8], window: &mut Window, max_output: usize) -> Progress {
        let (buf, end) = window.parts();
        let space = (buf.len() - end).min(max_output);
        let room = buf.get_mut(end..end + space).unwrap_or_default();
        let (from_in, from_out) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, room, InflateFlush::Block);
        let (consumed, produced) = (self.0.total_in() - from_in, self.0.total_out() - from_out);
        let stop = match status {
            Err(_) => StopReason::Corrupt,
            Ok(Status::StreamEnd) => StopReason::StreamEnd,
            Ok(Status::Ok | Status::BufError) if produced == space as u64 => StopReason::OutputFull,
            Ok(Status::Ok | Status::BufError) if consumed < input.len() as u64 => StopReason::BlockEnd,
            Ok(Status::Ok | Status::BufError) => StopReason::InputEnd,
        };
        // Both are lengths of slices.
        let size = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        Progress {
            consumed: size(consumed),
            produced: size(produced),
            stop,
        }
    }
}

/// A raw deflater.
pub(crate) struct Deflate(zlib_rs::Deflate);

impl Deflate {
    /// Returns whether the deflater supports a window of `bits`. It uses 9 bits for 8.
    pub(super) const fn supports(bits: u8) -> bool {
        bits > 8
    }

    pub(super) fn new(level: u8, bits: u8) -> Self {
        Self(zlib_rs::Deflate::new(level.into(), false, bits.max(9)))
    }

    /// Resets the deflater: what follows refers to nothing before.
    pub(super) fn reset(&mut self) {
        self.0.reset();
    }

    /// Deflates all of `input`, appending to `out`.
    pub(super) fn run(&mut self, input: &[u8], out: &mut Vec<u8>, flush: Flush) {
        let flush = match flush {
            Flush::Sync => DeflateFlush::SyncFlush,
            Flush::Full => DeflateFlush::FullFlush,
        };
        let mut rest = input;
        loop {
            let start = out.len();
            // A flush is complete when it leaves room, of which it needs at least six bytes, as the
            // manual of zlib says.
            out.resize(start + rest.len() / 2 + 64, 0);
            let (from_in, from_out) = (self.0.total_in(), self.0.total_out());
            let room = out.get_mut(start..).unwrap_or_default();
            let space = room.len() as u64;
            let status = self.0.compress(rest, room, flush);
            let (consumed, produced) = (self.0.total_in() - from_in, self.0.total_out() - from_out);
            out.truncate(start + usize::try_from(produced).unwrap_or(0));
            rest = rest.get(usize::try_from(consumed).unwrap_or(0)..).unwrap_or_default();
            if produced < space || status.is_err() {
                return;
            }
        }
    }
}
