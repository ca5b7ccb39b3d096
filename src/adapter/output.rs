//! What has to be written, over a stream that blocks or one that is polled.

use alloc::vec::Vec;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
use core::{
    mem,
    task::{Context, Poll, ready},
};
use std::io::{self, Write};

#[cfg(any(feature = "futures-io", feature = "tokio"))]
use super::poll::Transport;

/// A buffer that has grown beyond this, in bytes, is given back once it is written.
const OUTPUT_KEPT: usize = 64 << 10;

/// What is not written yet.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) buf: Vec<u8>,
    /// How much of it is written and still stands before the rest.
    written: usize,
    /// The stream may keep what was written, until it is flushed too.
    unflushed: bool,
    /// Nothing can be written any more.
    pub(super) lost: Option<io::ErrorKind>,
    /// The transport did not take everything when it was last written to.
    stalled: bool,
    /// It has gone on since.
    pub(super) moved: bool,
}

impl Output {
    /// Writes everything. After an error it goes on where it stopped, so that no byte is lost or sent twice; but if the
    /// transport is lost, what is left is dropped.
    pub(super) fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        if let Err(error) = self.check() {
            self.buf.clear();
            return Err(error);
        }
        if !self.is_pending() {
            return Ok(());
        }
        let written = self.write(stream);
        self.buf.drain(..self.written);
        self.written = 0;
        match &written {
            Ok(()) => self.buf.shrink_to(OUTPUT_KEPT),
            Err(error) if is_fatal(error) => {
                self.lose(error.kind());
            }
            Err(_) => {}
        }
        written
    }

    fn write(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.buf.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.took(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.stalled = true;
                    return Err(error);
                }
            }
        }
        loop {
            match stream.flush() {
                Ok(()) => {
                    self.unflushed = false;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a flush has something to do.
    pub(super) fn is_pending(&self) -> bool {
        self.unflushed || !self.buf.is_empty()
    }

    /// Writes what the transport takes now. Once it is lost, what is left is dropped.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) fn poll_write<T: Transport>(&mut self, transport: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Err(error) = self.check() {
            self.buf.clear();
            self.written = 0;
            return Poll::Ready(Err(error));
        }
        if !self.is_pending() {
            return Poll::Ready(Ok(()));
        }
        let written = self.poll_write_all(transport, cx);
        // Only when that moves no more than was written: a large message is not moved once for each write.
        if self.written >= self.left() {
            self.trim();
        }
        if let Poll::Ready(Err(error)) = &written {
            self.lose(error.kind());
        }
        written
    }

    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    fn poll_write_all<T: Transport>(&mut self, transport: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.buf.get(self.written..).filter(|rest| !rest.is_empty()) {
            match transport.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    self.took(n.min(rest.len()));
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.stalled = true;
                    return Poll::Pending;
                }
            }
        }
        loop {
            match ready!(transport.poll_flush(cx)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                flushed => {
                    self.unflushed = false;
                    return Poll::Ready(flushed);
                }
            }
        }
    }

    /// The transport took so many bytes.
    fn took(&mut self, bytes: usize) {
        self.written += bytes;
        self.unflushed = true;
        self.moved |= self.stalled;
        self.stalled = self.written < self.buf.len();
    }

    /// Nothing can be written any more.
    pub(super) fn lose(&mut self, kind: io::ErrorKind) {
        self.lost.get_or_insert(kind);
        self.buf = Vec::new();
        self.written = 0;
        self.unflushed = false;
    }

    /// How many bytes are not written yet.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) fn left(&self) -> usize {
        self.buf.len() - self.written
    }

    /// Lets go of what is written.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) fn trim(&mut self) {
        self.buf.drain(..mem::take(&mut self.written));
    }

    /// Whether something can be written.
    pub(super) fn check(&self) -> io::Result<()> {
        self.lost.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// A large allocation, if it is not in use.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) fn release(&mut self, kept: usize) -> Option<Vec<u8>> {
        (self.buf.is_empty() && self.buf.capacity() > kept).then(|| mem::take(&mut self.buf))
    }

    /// If it has no allocation, it gets one.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) fn begin(&mut self, make: impl FnOnce() -> Vec<u8>) {
        if self.buf.capacity() == 0 {
            self.buf = make();
        }
    }
}

/// Whether the transport is lost, and not just late.
pub(super) fn is_fatal(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::WriteZero
    )
}
