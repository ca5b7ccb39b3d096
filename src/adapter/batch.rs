//! A call that passes all messages of one read to a function, with the output for its answers.

use core::{
    fmt,
    ops::{
        ControlFlow::{self, Continue},
        DerefMut,
    },
};

use super::{AsMessage, Error, driver::Driver, take::Take, write_state::WriteState};
use crate::{Event, Message, PreparedMessage, SendError};

#[cfg(doc)]
use super::std_net::WebSocket;

/// The output of a connection, for a function that is passed messages: see
/// [`WebSocket::recv_batch`] of each adapter.
///
/// What is appended is written by the next call that receives, before it waits, or by the next
/// `flush`.
pub struct Batch<'a> {
    driver: &'a mut Driver,
    /// `None`: only the next write tells whether writing has failed.
    write_state: Option<&'a WriteState>,
    is_stopped: bool,
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
    /// The transport failed, or the connection is closing. The message is not sent then.
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

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as `Connection::send_text`")]
    fn append(&mut self, append: impl FnOnce(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        if let Some(Err(error)) = self.write_state.map(WriteState::check) {
            return Err(error.into());
        }
        match append(self.driver) {
            Ok(()) => Ok(()),
            Err(error) => refused(error),
        }
    }
}

/// Out of line: in the same place, the caller would move an error that is not there.
#[cold]
#[inline(never)]
fn refused(error: SendError) -> Result<(), Error> {
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

/// Passes the messages of one read to a function of the application.
pub(super) struct Each<'a, F> {
    function: &'a mut F,
    /// How many messages it was passed.
    passed: usize,
    /// The function has ended the batch.
    is_ended: bool,
    /// What it has failed with.
    failure: Option<Error>,
}

impl<'a, F> Each<'a, F> {
    pub(super) const fn new(function: &'a mut F) -> Self {
        Self {
            function,
            passed: 0,
            is_ended: false,
            failure: None,
        }
    }
}

impl<F: FnMut(Message<'_>, &mut Batch<'_>) -> Result<(), Error>> Take for Each<'_, F> {
    type Output = Result<usize, Error>;
    type Call = Message<'static>;

    const APPENDS: bool = true;

    #[inline]
    fn message<G: DerefMut<Target: Answered>>(
        &mut self,
        message: Message<'_>,
        mut guard: G,
    ) -> ControlFlow<Option<Self::Output>, G> {
        self.passed += 1;
        let mut batch = guard.batch();
        let result = (self.function)(message, &mut batch);
        self.is_ended = batch.is_stopped;
        if let Err(error) = result {
            (self.is_ended, self.failure) = (true, Some(error));
        }
        Continue(guard)
    }

    #[inline]
    fn event(&mut self, _event: Event<'_>) -> Option<Self::Output> {
        None
    }

    #[inline]
    fn is_ended(&self) -> bool {
        self.is_ended
    }

    #[inline]
    fn has_taken(&self) -> bool {
        self.passed > 0
    }

    #[inline]
    fn taken(&mut self) -> Option<Self::Output> {
        self.has_taken()
            .then(|| self.failure.take().map_or(Ok(self.passed), Err))
    }
}
