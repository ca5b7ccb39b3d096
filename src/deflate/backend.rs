//! What does the work: the inflater for each window size, and the deflater.

use alloc::vec::Vec;

#[cfg(not(feature = "zlib-rs"))]
use super::miniz as library;
#[cfg(feature = "zlib-rs")]
use super::zlib::{self, self as library};
use super::{
    low_memory, miniz,
    params::DirectionParams,
    progress::{Flush, Progress},
    window::Window,
};

/// The inflater for a window size.
pub(crate) enum Inflate {
    Miniz(miniz::Inflate),
    #[cfg(feature = "zlib-rs")]
    Zlib(zlib::Inflate),
}

impl Inflate {
    /// Returns an inflater whose stream may refer to the history in the window.
    pub(super) fn new(bits: u8, window: &Window) -> Self {
        match bits {
            #[cfg(feature = "zlib-rs")]
            zlib::BITS => Self::Zlib(zlib::Inflate::new(window)),
            _ => {
                let _ = window;
                Self::Miniz(miniz::Inflate::new())
            }
        }
    }

    /// Starts a new stream that may refer to the history in the window.
    pub(super) fn restart(&mut self, window: &Window) {
        match self {
            Self::Miniz(inflate) => {
                let _ = window;
                inflate.restart();
            }
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(inflate) => inflate.restart(window),
        }
    }

    /// Returns whether it holds a history besides the window.
    pub(super) const fn holds_history(&self) -> bool {
        match self {
            Self::Miniz(_) => false,
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(_) => true,
        }
    }

    /// Returns whether a block takes far longer than its bytes. Such an inflater reports the end of
    /// every block.
    pub(super) const fn has_slow_blocks(&self) -> bool {
        match self {
            Self::Miniz(_) => true,
            // It keeps the tables of fixed codes. It reports the end of a block only if more input
            // follows.
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(_) => false,
        }
    }

    /// Returns whether it is the inflater for a window size.
    pub(super) const fn serves(&self, bits: u8) -> bool {
        match self {
            #[cfg(feature = "zlib-rs")]
            Self::Miniz(_) => bits != zlib::BITS,
            #[cfg(not(feature = "zlib-rs"))]
            Self::Miniz(_) => {
                let _ = bits;
                true
            }
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(_) => bits == zlib::BITS,
        }
    }

    /// Inflates until the input is consumed, the free part of the window is full or has
    /// `max_output` more bytes, or a block ends.
    pub(super) fn run(&mut self, input: &[u8], window: &mut Window, max_output: usize) -> Progress {
        match self {
            Self::Miniz(inflate) => inflate.run(input, window, max_output),
            #[cfg(feature = "zlib-rs")]
            Self::Zlib(inflate) => inflate.run(input, window, max_output),
        }
    }
}

/// The deflater: that of a library, or the one whose memory follows its window.
pub(super) enum Deflate {
    Library(library::Deflate),
    LowMemory(low_memory::Deflate),
}

impl Deflate {
    pub(super) fn new(params: DirectionParams) -> Self {
        if params.low_memory {
            Self::LowMemory(low_memory::Deflate::new(params.level, params.bits))
        } else {
            Self::Library(library::Deflate::new(params.level, params.bits))
        }
    }

    /// Returns whether it limits itself to the window. If not, a full flush does.
    pub(super) const fn keeps_to_window(params: DirectionParams) -> bool {
        params.low_memory || library::Deflate::supports(params.bits)
    }

    /// Resets the deflater: what follows refers to nothing before.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Library(deflate) => deflate.reset(),
            Self::LowMemory(deflate) => deflate.reset(),
        }
    }

    /// Frees all memory but that of the window. Returns whether it can; if not, nothing is freed.
    pub(super) fn release(&mut self) -> bool {
        match self {
            Self::Library(_) => false,
            Self::LowMemory(deflate) => {
                deflate.release();
                true
            }
        }
    }

    /// Deflates all of `input`, appending to `out`.
    pub(super) fn run(&mut self, input: &[u8], out: &mut Vec<u8>, flush: Flush) {
        match self {
            Self::Library(deflate) => deflate.run(input, out, flush),
            Self::LowMemory(deflate) => {
                debug_assert!(flush == Flush::Sync, "it keeps to its window");
                deflate.run(input, out);
            }
        }
    }
}
