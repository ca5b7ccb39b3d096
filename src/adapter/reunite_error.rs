//! Halves that cannot be joined.

use core::{error, fmt};

/// The error of `reunite` of an adapter, with both halves, which are unchanged.
///
/// They are of different connections, or there are clones of the writer.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReuniteError<R, W> {
    /// The reading half.
    pub reader: R,
    /// The writing half.
    pub writer: W,
}

impl<R, W> ReuniteError<R, W> {
    pub(super) const fn new(reader: R, writer: W) -> Self {
        Self { reader, writer }
    }
}

impl<R, W> fmt::Display for ReuniteError<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves cannot be joined: they are of different connections, or there are clones of the writer")
    }
}

impl<R: fmt::Debug, W: fmt::Debug> error::Error for ReuniteError<R, W> {}
