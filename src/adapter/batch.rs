//! A call that passes all messages of one read to a function, with the output for its answers.

use core::fmt;

use super::{AsMessage, Error, driver::Driver, write_state::WriteState};
use crate::{PreparedMessage, SendError};

/// The output of a connection, for a function that is passed messages: see
/// [`recv_batch`](crate::adapter::std_net::WebSocket::recv_batch) of each adapter.
///
/// What is appended is written by the next call that receives, before it waits, or by the next
/// `flush`.
pub struct Batch<'a> {
    driver: &'a mut Driver,
    /// `None`: only the next write tells whether writing has failed.
    write_state: Option<&'a WriteState>,
    pub(super) is_stopped: bool,
}

impl<'a> Batch<'a> {
    pub(super) const fn new(driver: &'a mut Driver, write_state: Option<&'a WriteState>) -> Self {
        Self {
            driver,
            write_state,
            is_stopped: false,
        }
    }

    /// Appends a message to the output. It never waits.
    ///
    /// # Errors
    /// The connection is closing, a message in fragments is in progress, or, in a polled adapter,
    /// the transport has failed. The message is not sent then.
    #[inline]
    pub fn feed(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.append(|driver| driver.feed(message.as_message()))
    }

    /// Appends a message that was prepared for many connections to the output. It never waits.
    ///
    /// # Errors
    /// Those of [`feed`](Self::feed).
    pub fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.append(|driver| driver.feed_prepared(message))
    }

    /// Ends the batch with this message: the call returns after the function does. The messages
    /// after it are not lost, the next call that receives returns them.
    ///
    /// For a message that can be answered only after something was waited for, or after which the
    /// connection is to be closed.
    pub const fn stop(&mut self) {
        self.is_stopped = true;
    }

    // Measured, as for `Connection::send_text`.
    #[inline(always)]
    fn append(&mut self, append: impl FnOnce(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        if let Some(Err(error)) = self.write_state.map(WriteState::check) {
            return Err(error.into());
        }
        match append(self.driver) {
            Ok(()) => Ok(()),
            Err(error) => send_error(error),
        }
    }
}

/// Out of line: in the same place, the caller would move an error that is not there.
#[cold]
#[inline(never)]
fn send_error(error: SendError) -> Result<(), Error> {
    Err(error.into())
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

/// The state of a connection that messages are received from, and answers appended to.
pub(super) trait Answered: AsMut<Driver> {
    /// Returns what appends to the output.
    fn batch(&mut self) -> Batch<'_>;
}
