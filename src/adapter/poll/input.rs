//! The input of a polled connection.

use alloc::{boxed::Box, vec::Vec};
use core::{
    mem,
    task::{Context, Poll},
};
use std::{io, time::Instant};

use super::{Transport, buffer_pool};
use crate::{Connection, Event, ProtocolError, adapter::received::Source};

/// How much is read at a time, in bytes, at least and at most: it follows what the peer sends.
const MIN_READ_LEN: usize = 2 << 10;
const MAX_READ_LEN: usize = 64 << 10;

/// Bytes that were read and are not processed yet.
pub(super) struct Input {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes to read at a time.
    read_len: usize,
    /// See [`Source::read_at`].
    pub(super) read_at: Option<Instant>,
}

impl Input {
    pub(super) const fn new(read_at: Option<Instant>) -> Self {
        Self {
            buf: Vec::new(),
            start: 0,
            end: 0,
            read_len: MIN_READ_LEN,
            read_at,
        }
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Appends what the caller has read from the transport.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.buf = [self.unread(), bytes].concat();
        (self.start, self.end) = (0, self.buf.len());
    }

    /// Notes that the first `len` bytes of the buffer were read. All bytes before them were
    /// processed.
    fn filled(&mut self, len: usize) {
        (self.start, self.end) = (0, len.min(self.buf.len()));
    }

    /// Gives the buffer back to the pool once all of it is processed: the caller may not receive
    /// again for long.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            self.give_back();
        }
    }

    #[inline(never)]
    fn give_back(&mut self) {
        if !self.buf.is_empty() {
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
        if self.buf.len() < self.read_len {
            buffer_pool::take_input(&mut self.buf, self.read_len);
        }
        let read = loop {
            match transport.poll_read(cx, &mut self.buf) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Ok(len)) => {
                    let len = len.min(self.buf.len());
                    self.filled(len);
                    if len >= self.read_len {
                        self.read_len = (2 * len).min(MAX_READ_LEN);
                    } else if len < self.read_len / 4 {
                        self.read_len = (self.read_len / 2).max(MIN_READ_LEN);
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

/// The buffer is of the connection only while it reads, so nothing stays in it.
impl Source for Input {
    // Measured, as for `Driver::receive`.
    #[inline(always)]
    fn receive<'a>(
        &'a mut self,
        engine: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, Box<ProtocolError>> {
        let mut rest = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        if engine.takes_whole_messages() {
            if let Some(payload) = engine.whole_payload(&mut rest) {
                self.start = self.end - rest.len();
                return engine.whole_message(payload, out);
            }
        }
        let received = engine.receive(&mut rest, out);
        self.start = self.end - rest.len();
        received
    }

    #[inline]
    fn read_at(&self) -> Option<Instant> {
        self.read_at
    }
}
