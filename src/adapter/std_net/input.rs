//! What a blocking stream has delivered.

use alloc::{vec, vec::Vec};
use std::{
    io::{self, Read},
    time::Instant,
};

use crate::{
    Event, ProtocolError,
    adapter::driver::{Driver, is_end},
};

/// How much is read at a time, in bytes: a TLS record.
const INPUT_SIZE: usize = 16 << 10;

/// What was read and is not processed yet.
#[derive(Debug)]
pub(super) struct Input {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// When.
    pub(super) read: Instant,
}

impl Input {
    pub(super) fn new() -> Self {
        Self {
            buf: vec![0; INPUT_SIZE],
            start: 0,
            end: 0,
            read: Instant::now(),
        }
    }

    /// What another has read from the stream.
    pub(super) fn prefill(&mut self, bytes: Vec<u8>) {
        (self.start, self.end) = (0, bytes.len());
        self.buf = bytes;
    }

    /// Reads once; 0 is the end of the transport. Only when everything before is processed.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.buf.resize(INPUT_SIZE, 0);
        loop {
            match stream.read(&mut self.buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) => {
                    (self.start, self.end) = (0, n.min(self.buf.len()));
                    self.read = Instant::now();
                    return Ok(n);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next event in what was read, and whether it has put something into the output.
    pub(super) fn receive(&mut self, driver: &mut Driver) -> Result<Option<(Event<'static>, bool)>, ProtocolError> {
        let mut rest = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        let event = driver.receive(&mut rest, self.read);
        self.start = self.end - rest.len();
        if matches!(&event, Ok(Some((event, _))) if is_end(event)) {
            driver.timers.closing(Instant::now());
        }
        event
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }
}
