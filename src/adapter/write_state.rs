//! The progress of writing the output.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::mem;
use std::io::{self, ErrorKind};

/// How much of an output buffer is written, and how the transport takes it.
#[derive(Debug, Default)]
pub(super) struct WriteState {
    /// How many bytes at the front of the buffer are written.
    written: usize,
    /// The transport may hold written bytes back until it is flushed.
    pub(super) is_unflushed: bool,
    /// The transport did not take everything when it was last written to.
    pub(super) is_stalled: bool,
    /// It took more after that.
    has_progressed: bool,
    /// The error after which nothing can be written any more.
    error: Option<Box<(ErrorKind, String)>>,
}

impl WriteState {
    /// Returns what is not written yet.
    pub(super) fn unwritten<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        buf.get(self.written..).unwrap_or_default()
    }

    /// Returns whether there is anything to write or to flush.
    #[inline]
    pub(super) const fn is_pending(&self, buf: &[u8]) -> bool {
        self.is_unflushed || buf.len() > self.written
    }

    /// Notes that the transport took `len` bytes.
    #[inline]
    pub(super) const fn advance(&mut self, len: usize, buf: &[u8]) {
        self.written += len;
        self.is_unflushed = true;
        self.has_progressed |= self.is_stalled;
        self.is_stalled = self.written < buf.len();
    }

    /// Removes what is written from the buffer.
    #[inline]
    pub(super) fn remove_written(&mut self, buf: &mut Vec<u8>) {
        buf.drain(..mem::take(&mut self.written));
    }

    /// Returns whether the transport took bytes after it had stalled, since this was last called.
    pub(super) const fn take_progress(&mut self) -> bool {
        mem::replace(&mut self.has_progressed, false)
    }

    /// Notes that nothing can be written any more, and drops the buffer. The first error counts.
    pub(super) fn fail(&mut self, error: &io::Error, buf: &mut Vec<u8>) {
        self.error
            .get_or_insert_with(|| Box::new((error.kind(), error.to_string())));
        self.written = 0;
        self.is_unflushed = false;
        *buf = Vec::new();
    }

    /// Returns the error after which nothing can be written.
    #[inline]
    pub(super) fn check(&self) -> io::Result<()> {
        match self.error.as_deref() {
            None => Ok(()),
            Some((kind, text)) => Err(io::Error::new(*kind, &text[..])),
        }
    }
}

/// Returns the error of a transport that took nothing of `unwritten`.
#[cold]
pub(super) fn write_zero(unwritten: &[u8]) -> io::Error {
    let text = format!("the transport took none of {} bytes", unwritten.len());
    io::Error::new(ErrorKind::WriteZero, text)
}
