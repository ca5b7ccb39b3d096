//! Reading from a blocking stream.

use alloc::vec;
use std::io::{self, Read};

use crate::adapter::input::Input;

/// Bytes read at a time: a TLS record at first; more once the peer has sent that much at a time.
pub(super) const INITIAL_READ_SIZE: usize = 16 << 10;
const MAX_READ_SIZE: usize = 64 << 10;

impl Input {
    /// Reads once, when all that was read before is processed. Returns 0 at the end of the stream.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.buf.len() != self.read_size {
            self.buf = vec![0; self.read_size];
        }
        loop {
            match stream.read(&mut self.buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(len) => {
                    self.filled(len);
                    if len >= self.read_size {
                        self.read_size = MAX_READ_SIZE;
                    }
                    return Ok(len);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
