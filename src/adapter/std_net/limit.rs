//! The limit on the time for connecting.

use core::time::Duration;
use std::{
    io::{self, ErrorKind},
    net::TcpStream,
    time::Instant,
};

use super::socket_timeout::MIN_TIMEOUT;
use crate::{adapter::Error, timers::Due};

/// The time for connecting: for the resolution of the name, TCP, a proxy and TLS.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) limit: Option<Duration>,
    pub(super) deadline: Option<Instant>,
}

impl Limit {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self::since(Instant::now(), limit)
    }

    /// The limit of what began at `started`.
    pub(super) fn since(started: Instant, limit: Option<Duration>) -> Self {
        Self {
            limit,
            deadline: limit.and_then(|limit| started.checked_add(limit)),
        }
    }

    /// The time that is left; `None` without a limit.
    pub(super) fn left(self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) fn has_passed(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    pub(super) fn timed_out(self) -> Error {
        match self.limit {
            Some(limit) => Error::TimedOut {
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

    /// Calls a function that writes, which returns when the limit has passed.
    pub(super) fn write<V>(self, tcp: &TcpStream, call: impl FnMut() -> io::Result<V>) -> Result<V, Error> {
        self.attempt(|timeout| tcp.set_write_timeout(timeout), call)
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
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
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
