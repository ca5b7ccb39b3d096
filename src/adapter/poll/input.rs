//! What the transport has delivered.

use alloc::{boxed::Box, vec::Vec};
use core::{
    mem,
    task::{Context, Poll},
};
use std::{io, time::Instant};

use super::{Transport, shelf};
use crate::{
    Event, ProtocolError,
    adapter::driver::{Driver, Received},
};

/// The least and the most that is read at a time, in bytes, if there is no buffer yet. It grows with what comes.
const INPUT_SIZES: [usize; 2] = [2 << 10, 64 << 10];

/// What was read and is not processed yet. While nothing is, it holds no memory.
pub(super) struct Input {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// How much is read next, at least.
    size: usize,
}

impl Input {
    pub(super) const fn new() -> Self {
        Self {
            buf: Vec::new(),
            start: 0,
            end: 0,
            size: INPUT_SIZES[0],
        }
    }

    /// As [`Driver::receive`], from what was read.
    pub(super) fn receive<R: Received>(
        &mut self,
        driver: &mut Driver,
        now: Instant,
        other: impl FnOnce(Event<'_>, bool) -> Option<R>,
    ) -> Result<Option<Option<R>>, Box<ProtocolError>> {
        let mut rest = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        let received = driver.receive(&mut rest, now, other);
        self.start = self.end - rest.len();
        self.release();
        received
    }

    /// Gives the buffer back, if all of it is processed: who asked for an event may be long in coming back.
    fn release(&mut self) {
        if self.start == self.end && !self.buf.is_empty() {
            shelf::keep_input(mem::take(&mut self.buf));
        }
    }

    /// Reads once; 0 is the end of the transport. Only when everything before is processed.
    pub(super) fn poll_fill<T: Transport>(
        &mut self,
        transport: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let [least, most] = INPUT_SIZES;
        if self.buf.len() < self.size {
            self.buf = shelf::take_input(self.size);
        }
        let read = loop {
            match transport.poll_read(cx, &mut self.buf) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Ok(n)) => {
                    let n = n.min(self.buf.len());
                    (self.start, self.end) = (0, n);
                    if n >= self.size {
                        self.size = (2 * n).min(most);
                    } else if n < self.size / 4 {
                        self.size = (self.size / 2).max(least);
                    }
                    break Poll::Ready(Ok(n));
                }
                other => break other,
            }
        };
        self.release();
        read
    }

    pub(super) fn poll_discard<T: Transport>(
        &mut self,
        transport: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let read = self.poll_fill(transport, cx);
        (self.start, self.end) = (0, 0);
        self.release();
        read
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    /// What another has read from the transport.
    pub(super) fn prefill(&mut self, bytes: &[u8]) {
        self.buf = [self.unread(), bytes].concat();
        (self.start, self.end) = (0, self.buf.len());
    }
}
