//! Bytes of a peer, escaped for a log.

use core::fmt;

/// Bytes that print escaped, and cut off after [`SHOWN`](Self::SHOWN).
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl Escaped<'_> {
    const SHOWN: usize = 64;
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..Self::SHOWN) {
            Some(front) if self.0.len() > Self::SHOWN => {
                write!(f, "\"{}\"... ({} bytes)", front.escape_ascii(), self.0.len())
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}
