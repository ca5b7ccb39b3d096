//! The time that a call may take which reads more than once.

use core::time::Duration;
use std::{
    io::{self, ErrorKind},
    net::TcpStream,
    time::Instant,
};

/// A call that reads more than once from the socket, and ends with the timeout of one read: so the
/// bytes of a record that arrive one by one do not keep it from its deadline.
#[derive(Default)]
pub(super) struct ReadCall {
    /// When the first read began.
    started: Option<Instant>,
    /// The timeout of the socket, if it is changed.
    timeout: Option<Duration>,
}

impl ReadCall {
    /// Sets the timeout for the next read.
    pub(super) fn limit(&mut self, tcp: &TcpStream) -> io::Result<()> {
        let Some(started) = self.started else {
            self.started = Some(Instant::now());
            return Ok(());
        };
        let Some(timeout) = self
            .timeout
            .map_or_else(|| tcp.read_timeout(), |timeout| Ok(Some(timeout)))?
        else {
            return Ok(());
        };
        let elapsed = started.elapsed();
        // Each change is a system call, so the timeout may pass an eighth late.
        if elapsed > timeout / 8 {
            let left = timeout.saturating_sub(elapsed);
            if left.is_zero() {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.timeout = Some(timeout);
            tcp.set_read_timeout(Some(left))?;
        }
        Ok(())
    }

    /// Sets the timeout as it was.
    pub(super) fn end(self, tcp: &TcpStream) {
        if self.timeout.is_some() {
            let _error = tcp.set_read_timeout(self.timeout);
        }
    }
}
