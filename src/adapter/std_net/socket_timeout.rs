//! The timeout of a read or a write of a connection.

use core::time::Duration;
use std::{io, time::Instant};

use super::socket::{MIN_TIMEOUT, SocketHooks, TimeoutOption, is_timeout};

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
        if !is_timeout(error) {
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
