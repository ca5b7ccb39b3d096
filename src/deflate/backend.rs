//! Which library does the work: the inflater for each window size, and the deflater.

#[cfg(not(feature = "zlib-rs"))]
pub(super) use super::miniz::Deflate;
#[cfg(feature = "zlib-rs")]
use super::zlib;
#[cfg(feature = "zlib-rs")]
pub(super) use super::zlib::Deflate;
use super::{miniz, progress::Progress, window::Window};

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
