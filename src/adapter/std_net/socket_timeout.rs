//! Socket options: what a connection can do with its stream besides reading and writing.

use core::time::Duration;
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    time::Instant,
};

use super::socket::Socket;
use crate::Teardown;

/// The shortest timeout that is set: sockets refuse a timeout of zero.
pub(super) const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// The functions of a stream besides reading and writing.
pub(super) struct SocketHooks<S> {
    read_timeout: TimeoutOption<S>,
    write_timeout: TimeoutOption<S>,
    /// Closes the stream of a closed connection. Waits for the peer until the deadline at most.
    pub(super) teardown: fn(&mut S, Teardown, Option<Instant>),
}

/// How to get and to set one of the timeouts of a stream.
#[derive(Clone, Copy)]
struct TimeoutOption<S> {
    get: fn(&S) -> io::Result<Option<Duration>>,
    set: fn(&S, Option<Duration>) -> io::Result<()>,
}

impl<S: Socket> SocketHooks<S> {
    pub(super) fn of() -> Self {
        Self {
            read_timeout: TimeoutOption {
                get: S::read_timeout,
                set: S::set_read_timeout,
            },
            write_timeout: TimeoutOption {
                get: S::write_timeout,
                set: S::set_write_timeout,
            },
            teardown,
        }
    }
}

/// The timeout of one direction of a stream: the next deadline of the connection, or the timeout
/// that the owner of the stream has set, whichever comes first.
///
/// The two are told apart by reading the option back: a value other than the one last set here is
/// the owner's.
pub(super) struct SocketTimeout<S> {
    /// `None`: the stream has no timeouts, and nothing is done.
    option: Option<TimeoutOption<S>>,
    /// The timeout that the owner of the stream has set. It limits a single call.
    owner_timeout: Option<Duration>,
    /// The value last set here, as the stream reports it. `None`: nothing was set yet.
    set_value: Option<Option<Duration>>,
    /// When the call began that the owner's timeout limits.
    call_started: Option<Instant>,
    /// When the last attempt to read or to write began.
    attempt_started: Option<Instant>,
}

impl<S> SocketTimeout<S> {
    /// Returns the timeout for reading.
    pub(super) fn read(hooks: Option<&SocketHooks<S>>) -> Self {
        Self::new(hooks.map(|hooks| &hooks.read_timeout))
    }

    /// Returns the timeout for writing.
    pub(super) fn write(hooks: Option<&SocketHooks<S>>) -> Self {
        Self::new(hooks.map(|hooks| &hooks.write_timeout))
    }

    fn new(option: Option<&TimeoutOption<S>>) -> Self {
        Self {
            option: option.map(|option| TimeoutOption { ..*option }),
            owner_timeout: None,
            set_value: None,
            call_started: None,
            attempt_started: None,
        }
    }

    /// Sets the timeout for the next attempt to read or to write, so that the attempt returns when
    /// the deadline has passed or the owner's timeout has.
    pub(super) fn set(&mut self, stream: &S, now: Instant, deadline: Option<Instant>) {
        // The attempt finds the error of a stream that cannot be set.
        let _error = self.try_set(stream, now, deadline);
    }

    fn try_set(&mut self, stream: &S, now: Instant, deadline: Option<Instant>) -> io::Result<()> {
        let Some(option) = &self.option else {
            return Ok(());
        };
        if self.set_value.is_none() && deadline.is_none() {
            return Ok(());
        }
        let current = (option.get)(stream)?;
        if self.set_value != Some(current) {
            self.owner_timeout = current;
        }
        let call_started = *self.call_started.get_or_insert(now);
        let owner_left = self
            .owner_timeout
            .map(|timeout| timeout.saturating_sub(now.saturating_duration_since(call_started)));
        let deadline_left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let left = deadline_left.into_iter().chain(owner_left).min();
        let left = left.map(|left| left.max(MIN_TIMEOUT));
        // Each message moves the deadline. The timeout is set a little short, and kept while it is
        // at least half of the time that is left: this saves a system call for each attempt.
        let can_stay = match (left, current) {
            (Some(left), Some(current)) if self.set_value == Some(Some(current)) => {
                current <= left && current >= left / 2
            }
            (left, current) => left == current,
        };
        if can_stay {
            self.set_value = Some(current);
        } else {
            (option.set)(stream, left.map(|left| (left - left / 8).max(MIN_TIMEOUT)))?;
            self.set_value = Some((option.get)(stream)?);
        }
        self.attempt_started = Some(now);
        Ok(())
    }

    /// Sets the owner's timeout again. The stream goes back to its owner.
    pub(super) fn restore(&self, stream: &S) {
        if let (Some(option), Some(set_value)) = (&self.option, self.set_value) {
            if (option.get)(stream).is_ok_and(|current| current == set_value) {
                let _error = (option.set)(stream, self.owner_timeout);
            }
        }
    }

    /// Starts the owner's timeout anew: bytes were read or written.
    pub(super) fn restart(&mut self) {
        self.call_started = None;
    }

    /// Returns whether to try again after an error: the stream has timed out, and the owner's
    /// timeout has not passed.
    pub(super) fn should_retry(&mut self, error: &io::Error, now: Instant) -> bool {
        let Some(set_value) = self.set_value else {
            return false;
        };
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            return false;
        }
        // A stream in non-blocking mode returns at once. A retry would be a busy loop.
        if let (Some(timeout), Some(started)) = (set_value, self.attempt_started) {
            if timeout >= 10 * MIN_TIMEOUT && now.saturating_duration_since(started) < timeout / 2 {
                return false;
            }
        }
        let waited = self
            .call_started
            .map_or(Duration::ZERO, |started| now.saturating_duration_since(started));
        let has_time = self.owner_timeout.is_none_or(|timeout| waited < timeout);
        if !has_time {
            self.call_started = None;
        }
        has_time
    }
}

/// Closes a stream in an orderly way (RFC 6455, section 7.1.1). Closing a socket with unread bytes
/// sends a reset, which can destroy the Close frame on its way to the peer.
fn teardown<S: Socket>(stream: &mut S, teardown: Teardown, deadline: Option<Instant>) {
    let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    // TLS has something to write at its end. A timeout of zero is an error.
    let _error = stream.set_write_timeout(left().map(|left| left.max(MIN_TIMEOUT)));
    if teardown == Teardown::Close && stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut sink = [0; 1024];
    loop {
        // A timeout of zero is an error and ends the loop.
        if stream.set_read_timeout(left()).is_err() {
            break;
        }
        match stream.read(&mut sink) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let _closed = stream.shutdown(Shutdown::Both);
}
