//! The state of a polled connection.

use alloc::{boxed::Box, vec::Vec};
use core::task::{Context, Poll, ready};
use std::time::Instant;

use super::{
    Clock, Transport,
    input::Input,
    waiting::{Interest, Polling, Waiting},
};
use crate::{
    Connection, State,
    adapter::{Batch, Error, Parts, batch::Answered, driver::Driver, write_state::WriteState},
    handshake::Refusal,
};

/// How many reads without an event may follow each other before the task yields; and how many reads
/// of any kind before the deadlines are checked although there is more to read.
pub(super) const MAX_READS: usize = 32;

/// A connection with its transport and its clock, without [what was read](Input): that is with
/// whoever reads.
pub(super) struct Socket<T, C> {
    pub(super) transport: T,
    pub(super) clock: C,
    pub(super) driver: Driver,
    /// The progress of writing the output of the driver.
    pub(super) write_state: WriteState,
    /// The transport is full, and wakes the tasks that write.
    pub(super) is_write_pending: bool,
    pub(super) stage: Stage,
    /// A stream of messages has returned an error. It ends then, also if the connection does not.
    pub(super) is_stream_ended: bool,
    /// The sending side of the transport is closed.
    pub(super) is_shut_down: bool,
    /// The peer has closed its sending side.
    pub(super) is_at_end: bool,
    /// How many reads there were since the deadlines were checked.
    pub(super) unchecked_reads: usize,
    pub(super) waiting: Waiting,
}

/// A poll that has begun.
pub(super) struct BegunPoll {
    polling: Polling,
    /// The next deadline at its beginning, if other tasks wait.
    deadline: Option<Option<Instant>>,
}

/// How a connection ends: cleanly, with a refusal that is to be reported, or with an error.
pub(super) type Outcome = Result<Option<Box<Refusal>>, Error>;

/// How far the connection is.
pub(super) enum Stage {
    /// The engine receives.
    Running,
    /// The transport has failed, or the peer has missed a deadline. The engine receives what was
    /// read before.
    Lost(Error),
    /// The engine is closed, the transport is not. The outcome is returned when it is.
    TearingDown(Outcome),
    /// Both are closed, and the outcome was returned.
    Ended,
}

impl<T, C> AsMut<Driver> for Socket<T, C> {
    #[inline]
    fn as_mut(&mut self) -> &mut Driver {
        &mut self.driver
    }
}

impl<T, C> Answered for Socket<T, C> {
    #[inline]
    fn batch(&mut self) -> Batch<'_> {
        Batch::new(&mut self.driver, Some(&self.write_state))
    }
}

impl<T: Transport, C: Clock> Socket<T, C> {
    pub(super) fn new(transport: T, clock: C, driver: Driver) -> Self {
        Self {
            transport,
            clock,
            driver,
            write_state: WriteState::default(),
            is_write_pending: false,
            stage: Stage::Running,
            is_stream_ended: false,
            is_shut_down: false,
            is_at_end: false,
            unchecked_reads: 0,
            waiting: Waiting::new(),
        }
    }

    /// Is ready when a deadline has passed and is dealt with.
    pub(super) fn poll_deadlines(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(deadline) = self.next_deadline() else {
            return Poll::Pending;
        };
        let mut clock_cx = self.waiting.context(cx);
        ready!(self.clock.poll_until(deadline, &mut clock_cx));
        // The other tasks wait for the next deadline too.
        self.waiting.wake();
        let is_written = self.is_written();
        if let Err(error) = self.driver.handle_timeout(self.clock.now()) {
            self.abort(error, is_written, cx);
        }
        Poll::Ready(())
    }

    /// Polls for an interest of a task.
    #[inline]
    pub(super) fn poll_as<V>(
        &mut self,
        interest: Interest,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<V>,
    ) -> Poll<V> {
        let begun = self.begin_poll(interest, cx);
        let result = poll(self, cx);
        self.end_poll(Some(begun), cx, result.is_pending());
        result
    }

    /// Begins a poll for an interest of a task.
    // Measured, as for `Waiting::begin`.
    #[inline(always)]
    pub(super) fn begin_poll(&mut self, interest: Interest, cx: &Context<'_>) -> BegunPoll {
        let polling = self.waiting.begin(interest, cx);
        let deadline = polling.has_others.then(|| self.driver.timers.poll_timeout());
        BegunPoll { polling, deadline }
    }

    /// Begins a poll after the engine has received an event. The next deadline may be another one
    /// now, so it wakes the other tasks.
    pub(super) fn begin_poll_late(&mut self, interest: Interest, cx: &Context<'_>) -> BegunPoll {
        let polling = self.waiting.begin(interest, cx);
        if polling.has_others {
            self.waiting.wake();
        }
        BegunPoll {
            polling,
            deadline: None,
        }
    }

    /// Ends a poll. `None`: it has not begun.
    #[inline]
    pub(super) fn end_poll(&mut self, begun: Option<BegunPoll>, cx: &Context<'_>, is_pending: bool) {
        let Some(begun) = begun else {
            return;
        };
        // A poll that waits has set the clock itself.
        if let (Some(deadline), false) = (begun.deadline, is_pending) {
            self.wake_for_deadline_before(deadline);
        }
        self.waiting.end(begun.polling, cx, is_pending);
    }

    /// Returns the next deadline. The clock is read only if that of the end may have to be set.
    fn next_deadline(&mut self) -> Option<Instant> {
        match self.driver.engine.state() {
            State::Opening | State::Open => {
                self.driver.report_message(|| self.clock.now());
                self.driver.timers.poll_timeout()
            }
            State::Closing | State::Closed => self.driver.deadline(self.clock.now()),
        }
    }

    /// Wakes the tasks that wait if the next deadline is before the one that they have set the
    /// clock to.
    fn wake_for_deadline_before(&mut self, set: Option<Instant>) {
        let next = self.next_deadline();
        if next.is_some_and(|next| set.is_none_or(|set| next < set)) {
            self.waiting.wake();
        }
    }

    /// Returns whether the outcome was returned.
    pub(super) const fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Returns whether a stream of messages returns nothing any more.
    pub(super) const fn is_stream_ended(&self) -> bool {
        self.is_stream_ended || self.is_ended()
    }

    pub(super) fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        self.write_state.remove_written(&mut self.driver.out);
        (&mut self.driver.engine, &mut self.driver.out)
    }

    pub(super) fn into_parts(mut self, input: &Input) -> Parts<T> {
        self.write_state
            .take_control(&mut self.driver.control, &mut self.driver.out);
        let mut engine = self.driver.engine.into_parts();
        engine.unread.extend_from_slice(input.unread());
        Parts {
            transport: self.transport,
            unread: engine.unread,
            unsent: self.write_state.unwritten(&self.driver.out),
            lossless: engine.lossless,
        }
    }
}
