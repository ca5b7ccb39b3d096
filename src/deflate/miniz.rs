//! The default back end: `miniz_oxide`.

use alloc::boxed::Box;

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress_with_limit, inflate_flags as flags},
};

use super::{
    progress::{Progress, StopReason},
    window::Window,
};

/// A raw inflater that writes into a [`Window`], which is all of its history.
pub(crate) struct Inflate(Box<DecompressorOxide>);

impl Inflate {
    pub(super) fn new() -> Self {
        Self(Box::default())
    }

    /// Starts a new stream.
    pub(super) fn restart(&mut self) {
        self.0.init();
    }

    /// Inflates until the input is consumed, the free part of the window is full or has
    /// `max_output` more bytes, or a block ends.
    pub(super) fn run(&mut self, input: &[u8], window: &mut Window, max_output: usize) -> Progress {
        let mut options = flags::TINFL_FLAG_HAS_MORE_INPUT | flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        if !window.has_wrapped() {
            // Before the ring is full, this flag makes it detect a distance before the first byte.
            options |= flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        }
        let (buf, end) = window.parts();
        let (status, consumed, produced) = decompress_with_limit(&mut self.0, input, buf, end, max_output, options);
        let stop = match status {
            TINFLStatus::NeedsMoreInput => StopReason::InputEnd,
            TINFLStatus::HasMoreOutput => StopReason::OutputFull,
            TINFLStatus::BlockBoundary => StopReason::BlockEnd,
            TINFLStatus::Done => StopReason::StreamEnd,
            _ => StopReason::Corrupt,
        };
        Progress {
            consumed,
            produced,
            stop,
        }
    }
}

#[cfg(not(feature = "zlib-rs"))]
pub(crate) use self::deflate::Deflate;

#[cfg(not(feature = "zlib-rs"))]
mod deflate {
    use alloc::{boxed::Box, vec::Vec};

    use miniz_oxide::deflate::core::{
        CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
    };

    use crate::deflate::progress::Flush;

    /// A raw deflater.
    pub(crate) struct Deflate(Box<CompressorOxide>);

    impl Deflate {
        /// Returns whether the deflater supports a window of `bits`. `miniz_oxide` supports 15 bits
        /// only.
        pub(in crate::deflate) const fn supports(bits: u8) -> bool {
            bits == 15
        }

        pub(in crate::deflate) fn new(level: u8, _bits: u8) -> Self {
            // Negative bits: a raw stream.
            let options = create_comp_flags_from_zip_params(level.into(), -15, 0);
            Self(Box::new(CompressorOxide::new(options)))
        }

        /// Resets the deflater: what follows refers to nothing before.
        pub(in crate::deflate) fn reset(&mut self) {
            self.0.reset();
        }

        /// Deflates all of `input`, appending to `out`.
        pub(in crate::deflate) fn run(&mut self, input: &[u8], out: &mut Vec<u8>, flush: Flush) {
            let flush = match flush {
                Flush::Sync => TDEFLFlush::Sync,
                Flush::Full => TDEFLFlush::Full,
            };
            // A callback that takes all output lets one call process all input.
            compress_to_output(&mut self.0, input, flush, |bytes| {
                out.extend_from_slice(bytes);
                true
            });
        }
    }
}
