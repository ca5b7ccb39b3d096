//! What a blocking stream has delivered.

use alloc::{boxed::Box, vec, vec::Vec};
use std::{
    io::{self, Read},
    time::Instant,
};

use crate::{
    Event, ProtocolError,
    adapter::driver::{Driver, Received},
};

/// How much is read at a time, in bytes: a TLS record, and for a peer that sends more at a time, more.
const INPUT_SIZES: [usize; 2] = [16 << 10, 64 << 10];

/// What was read and is not processed yet.
#[derive(Debug)]
pub(super) struct Input {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// How much is read next.
    size: usize,
    /// When it was read.
    pub(super) read: Instant,
}

impl Input {
    pub(super) fn new() -> Self {
        Self {
            buf: Vec::new(),
            start: 0,
            end: 0,
            size: INPUT_SIZES[0],
            read: Instant::now(),
        }
    }

    /// What another has read from the stream.
    pub(super) fn prefill(&mut self, bytes: &[u8]) {
        self.buf = [self.unread(), bytes].concat();
        (self.start, self.end) = (0, self.buf.len());
    }

    /// Reads once; 0 is the end of the transport. Only when everything before is processed.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.buf.len() != self.size {
            self.buf = vec![0; self.size];
        }
        loop {
            match stream.read(&mut self.buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) => {
                    (self.start, self.end) = (0, n.min(self.size));
                    if n >= self.size {
                        self.size = INPUT_SIZES[1];
                    }
                    self.read = Instant::now();
                    return Ok(n);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`Driver::receive`], from what was read. An event that has put something into the output is `held` instead.
    pub(super) fn receive<R: Received>(
        &mut self,
        driver: &mut Driver,
        held: &mut Option<Event<'static>>,
    ) -> Result<Option<Option<R>>, Box<ProtocolError>> {
        let mut rest = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        let received = driver.receive(&mut rest, self.read, |event, replied| {
            if replied {
                *held = Some(event.into_owned());
                return None;
            }
            R::other(event)
        });
        self.start = self.end - rest.len();
        received
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }
}
