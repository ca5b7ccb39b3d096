//! The other back end: `zlib-rs`, faster, with a larger state.

use alloc::vec::Vec;

use zlib_rs::{DeflateFlush, InflateFlush, Status};

use super::{
    progress::{Flush, Progress, StopReason},
    window::Window,
};

/// The only window it inflates with: with a smaller one it would accept distances beyond it, or not, depending on where
/// the input was cut.
pub(super) const BITS: u8 = 15;

/// A raw inflater. It keeps a history of its own, and writes into a [`Window`].
pub(crate) struct Inflate(zlib_rs::Inflate);

impl Inflate {
    pub(super) fn new(window: &Window) -> Self {
        let mut inflate = Self(zlib_rs::Inflate::new(false, BITS));
        inflate.remember(window);
        inflate
    }

    /// Begins a new stream that may refer to the window's history.
    pub(super) fn restart(&mut self, window: &Window) {
        self.0.reset(false);
        self.remember(window);
    }

    fn remember(&mut self, window: &Window) {
        if window.is_empty() {
            return;
        }
        let (old, new) = window.history();
        for part in [old, new] {
            // For a raw stream, any bytes will do.
            let _checksum = self.0.set_dictionary(part);
        }
    }

    /// As the other back end's. An end of a block is told from an end of the input by bytes that are left over.
    pub(super) fn run(&mut self, input: &[u8], window: &mut Window, stop_at_block: bool) -> Progress {
        let (buf, end) = window.parts();
        let room = buf.get_mut(end..).unwrap_or_default();
        let space = room.len() as u64;
        let (from_in, from_out) = (self.0.total_in(), self.0.total_out());
        let flush = if stop_at_block {
            InflateFlush::Block
        } else {
            InflateFlush::NoFlush
        };
        let status = self.0.decompress(input, room, flush);
        let (consumed, produced) = (self.0.total_in() - from_in, self.0.total_out() - from_out);
        let stop = match status {
            Err(_) => StopReason::Corrupt,
            Ok(Status::StreamEnd) => StopReason::StreamEnd,
            Ok(Status::Ok | Status::BufError) if produced == space => StopReason::OutputFull,
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
    /// Whether the deflater itself keeps to a window of `bits`. For 8, it would take 9.
    pub(super) const fn keeps_to(bits: u8) -> bool {
        bits > 8
    }

    pub(super) fn new(level: u8, bits: u8) -> Self {
        Self(zlib_rs::Deflate::new(level.into(), false, bits.max(9)))
    }

    /// Forgets everything.
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
            // A flush is complete when it leaves some of the room: as zlib's manual says, at least six bytes.
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
