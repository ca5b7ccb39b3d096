//! The input of a blocking connection.

use alloc::{boxed::Box, vec::Vec};
use std::{
    io::{self, ErrorKind, Read},
    time::Instant,
};

use crate::{Connection, Event, InputBuffer, ProtocolError, adapter::received::Source};

/// How much is read at a time once the peer has sent as much as there was room for.
const MAX_READ_LEN: usize = 64 << 10;

/// What was read, with the time of the last read.
pub(super) struct Input {
    buffer: InputBuffer,
    pub(super) read_at: Instant,
    /// More must be read before there is another event.
    pub(super) is_processed: bool,
}

impl Input {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            buffer: InputBuffer::new(),
            read_at: now,
            is_processed: true,
        }
    }

    /// Appends what the caller has read from the stream.
    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let len = bytes.read(self.buffer.room()).unwrap_or_default();
            self.filled(len);
        }
    }

    /// Reads once. Returns 0 at the end of the stream.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        loop {
            let room = self.buffer.room();
            let room_len = room.len();
            match stream.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(len) => {
                    self.filled(len);
                    self.read_at = Instant::now();
                    if len == room_len {
                        self.buffer.set_read_len(MAX_READ_LEN);
                    }
                    return Ok(len);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn filled(&mut self, len: usize) {
        self.buffer.filled(len);
        self.is_processed &= len == 0;
    }

    /// Returns how many bytes of an incomplete message the buffer keeps, once all else is
    /// processed.
    pub(super) const fn kept_len(&self) -> usize {
        self.buffer.unread_len()
    }

    /// Returns what is in no event.
    pub(super) fn into_unread(self) -> Vec<u8> {
        self.buffer.into_unread()
    }
}

impl Source for Input {
    // Measured, as for `Driver::receive`.
    #[inline(always)]
    fn receive<'a>(
        &'a mut self,
        engine: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, Box<ProtocolError>> {
        let received = self.buffer.receive(engine, out);
        self.is_processed = matches!(received, Ok(None));
        received
    }

    fn read_at(&self) -> Option<Instant> {
        Some(self.read_at)
    }
}
