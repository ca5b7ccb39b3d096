//! The limit on the time for connecting.

use core::time::Duration;
use std::{
    io::{self, ErrorKind, Write},
    net::TcpStream,
    time::Instant,
};

use super::socket::{MIN_TIMEOUT, is_timeout};
use crate::{
    adapter::{Error, write_state::write_zero},
    timers::Due,
};

/// The time for connecting, for the resolution of the name, TCP, a proxy and TLS; and when it has
/// passed.
#[derive(Clone, Copy)]
pub(super) struct Limit(Option<(Duration, Instant)>);

impl Limit {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self::since(Instant::now(), limit)
    }

    /// The limit of what began at `started`.
    pub(super) fn since(started: Instant, limit: Option<Duration>) -> Self {
        Self(limit.and_then(|limit| Some((limit, started.checked_add(limit)?))))
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        self.0.map(|(_, deadline)| deadline)
    }

    /// The time that is left; `None` without a limit.
    pub(super) fn left(self) -> Option<Duration> {
        self.deadline()
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) fn has_passed(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    pub(super) fn timed_out(self) -> Error {
        match self.0 {
            Some((limit, _)) => Error::TimedOut {
                due: Due::Handshake,
                limit,
            },
            None => Error::Io(ErrorKind::TimedOut.into()),
        }
    }

    /// Returns the error of an attempt, or that the limit has passed.
    pub(super) fn explain(self, error: io::Error) -> Error {
        if error.kind() == ErrorKind::TimedOut && self.has_passed() {
            return self.timed_out();
        }
        Error::Io(error)
    }

    /// Calls a function that reads, which returns when the limit has passed.
    pub(super) fn read<V>(self, tcp: &TcpStream, call: impl FnMut() -> io::Result<V>) -> Result<V, Error> {
        self.attempt(|timeout| tcp.set_read_timeout(timeout), call)
    }

    /// Writes all bytes, until the limit has passed.
    pub(super) fn write_all(self, mut tcp: &TcpStream, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let set_timeout = |timeout| tcp.set_write_timeout(timeout);
            bytes = match self.attempt(set_timeout, || tcp.write(bytes))? {
                0 => return Err(Error::Io(write_zero(bytes.len()))),
                len => bytes.get(len..).unwrap_or_default(),
            };
        }
        Ok(())
    }

    fn attempt<V>(
        self,
        set_timeout: impl Fn(Option<Duration>) -> io::Result<()>,
        mut call: impl FnMut() -> io::Result<V>,
    ) -> Result<V, Error> {
        loop {
            let left = self.left();
            if let Some(left) = left {
                if left.is_zero() {
                    return Err(self.timed_out());
                }
                set_timeout(Some(left.max(MIN_TIMEOUT)))?;
            }
            let started = Instant::now();
            match call() {
                Ok(value) => return Ok(value),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    // A stream in non-blocking mode returns at once. A retry would be a busy loop.
                    if left.is_none_or(|left| started.elapsed() < left / 2) {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Calls a function that reads and writes within a limit, and sets the timeouts of the socket as
/// they were. After an error, they stay changed: the socket is not used any more.
pub(super) fn keep_timeouts<V>(tcp: &TcpStream, call: impl FnOnce() -> Result<V, Error>) -> Result<V, Error> {
    let (read_timeout, write_timeout) = (tcp.read_timeout()?, tcp.write_timeout()?);
    let value = call()?;
    tcp.set_read_timeout(read_timeout)?;
    tcp.set_write_timeout(write_timeout)?;
    Ok(value)
}
