//! Encrypted bytes on their way between the socket and `rustls`.

use alloc::vec::Vec;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
};

use rustls::Connection;

use crate::adapter::write_state::write_zero;

/// How much is read from the socket at a time, in bytes: about one record.
const READ_LEN: usize = 16 << 10;

/// What was read from the socket. The bytes from `start` on are not decrypted yet.
#[derive(Debug, Default)]
pub(super) struct Received {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Received {
    /// `unread` was read from the socket before.
    pub(super) fn new(unread: &[u8]) -> Self {
        Self {
            buf: unread.to_vec(),
            start: 0,
            end: unread.len(),
        }
    }

    /// Reads once, when all before is decrypted.
    pub(super) fn fill(&mut self, mut tcp: &TcpStream) -> io::Result<usize> {
        self.buf.resize(READ_LEN, 0);
        let len = tcp.read(&mut self.buf)?;
        (self.start, self.end) = (0, len);
        Ok(len)
    }

    /// Decrypts some of the bytes. Returns whether there were any.
    pub(super) fn process(&mut self, connection: &mut Connection) -> io::Result<bool> {
        let mut bytes = self.buf.get(self.start..self.end).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(false);
        }
        self.start += connection.read_tls(&mut bytes)?;
        connection
            .process_new_packets()
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(true)
    }
}

/// What is encrypted. The bytes from `start` on are not written to the socket yet.
#[derive(Debug, Default)]
pub(super) struct Sent {
    buf: Vec<u8>,
    start: usize,
    /// The error of a write whose bytes count as written: the next call returns it, and does not
    /// wait for the socket again.
    pub(super) error: Option<io::Error>,
}

impl Sent {
    /// Takes what is encrypted, when all before is written. Returns whether there is something.
    pub(super) fn take(&mut self, connection: &mut Connection) -> io::Result<bool> {
        self.buf.clear();
        self.start = 0;
        while connection.wants_write() {
            connection.write_tls(&mut self.buf)?;
        }
        Ok(!self.buf.is_empty())
    }

    /// Writes all bytes. After an error that is not fatal, a further call continues.
    pub(super) fn write(&mut self, mut tcp: &TcpStream) -> io::Result<()> {
        while let Some(rest @ [_, ..]) = self.buf.get(self.start..) {
            match tcp.write(rest) {
                Ok(0) => return Err(write_zero(rest.len())),
                Ok(len) => self.start += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
