//! The input buffer of polled adapters.

use alloc::{borrow::Cow, boxed::Box, vec::Vec};
use std::time::Instant;

use super::received::Source;
use crate::{
    Connection, Event, MessageKind, ProtocolError,
    utf8::{self, InvalidUtf8},
};

/// Bytes that were read and are not processed yet.
pub(super) struct Input {
    pub(super) buf: Vec<u8>,
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many bytes to read at a time.
    pub(super) read_size: usize,
    /// When the bytes were read.
    pub(super) read_at: Instant,
}

impl Input {
    pub(super) const fn new(read_size: usize, now: Instant) -> Self {
        Self {
            buf: Vec::new(),
            start: 0,
            end: 0,
            read_size,
            read_at: now,
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
    pub(super) fn filled(&mut self, len: usize) {
        (self.start, self.end) = (0, len.min(self.buf.len()));
    }
}

/// The buffer is of the connection only while it reads, so nothing stays in it.
impl Source for Input {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as `Driver::receive`")]
    fn receive<'a>(
        &'a mut self,
        engine: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, Box<ProtocolError>> {
        let mut rest = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        // The common case: no event is moved.
        if engine.takes_whole_messages() {
            if let Some((kind, data)) = engine.whole_payload(&mut rest) {
                self.start = self.end - rest.len();
                return match kind {
                    MessageKind::Binary => Ok(Some(Event::Binary(Cow::Borrowed(data)))),
                    MessageKind::Text => match utf8::validate(data) {
                        Ok(text) => Ok(Some(Event::Text(Cow::Borrowed(text)))),
                        Err(_) => Err(engine.fail_buffered(InvalidUtf8, out)),
                    },
                };
            }
        }
        let received = engine.receive(&mut rest, out);
        self.start = self.end - rest.len();
        received
    }

    #[inline]
    fn read_at(&self) -> Instant {
        self.read_at
    }
}
