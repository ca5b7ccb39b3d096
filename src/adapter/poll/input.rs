//! Reading from a polled transport.

use core::{
    mem,
    task::{Context, Poll},
};
use std::io;

use super::{Transport, buffer_pool};
use crate::adapter::input::Input;

/// Bytes read at a time, at least and at most. The size follows what the peer sends.
pub(super) const MIN_READ_SIZE: usize = 2 << 10;
const MAX_READ_SIZE: usize = 64 << 10;

impl Input {
    /// Gives the buffer back to the pool once all of it is processed: the caller may not receive
    /// again for long.
    pub(super) fn release(&mut self) {
        if self.is_empty() && !self.buf.is_empty() {
            buffer_pool::keep_input(mem::take(&mut self.buf));
        }
    }

    /// Reads once, when all that was read before is processed. Returns 0 at the end of the
    /// transport.
    pub(super) fn poll_fill<T: Transport>(
        &mut self,
        transport: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.buf.len() < self.read_size {
            self.buf = buffer_pool::take_input(self.read_size);
        }
        let read = loop {
            match transport.poll_read(cx, &mut self.buf) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Ok(len)) => {
                    let len = len.min(self.buf.len());
                    self.filled(len);
                    if len >= self.read_size {
                        self.read_size = (2 * len).min(MAX_READ_SIZE);
                    } else if len < self.read_size / 4 {
                        self.read_size = (self.read_size / 2).max(MIN_READ_SIZE);
                    }
                    break Poll::Ready(Ok(len));
                }
                other => break other,
            }
        };
        self.release();
        read
    }

    /// Reads once and discards what was read. Returns 0 at the end of the transport.
    pub(super) fn poll_discard<T: Transport>(
        &mut self,
        transport: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let read = self.poll_fill(transport, cx);
        self.filled(0);
        self.release();
        read
    }
}
