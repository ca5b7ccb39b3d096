//! The loop of a polled connection.

use alloc::{boxed::Box, vec::Vec};
use core::task::{Context, Poll, ready};
use std::time::Instant;

use super::{
    Clock, Transport,
    input::MIN_READ_SIZE,
    waiting::{Interest, Waiting},
};
use crate::{
    Connection, Message, State,
    adapter::{
        Error, Parts,
        driver::Driver,
        input::Input,
        received::{FromEvent, Received},
        write_state::WriteState,
    },
    handshake::Refusal,
};

/// How many reads without an event may follow each other before the task yields; and how many reads
/// of any kind before the deadlines are checked although there is more to read.
pub(super) const MAX_READS: usize = 32;

/// A connection with its transport and its clock.
pub(super) struct Socket<T, C> {
    pub(super) transport: T,
    pub(super) clock: C,
    pub(super) driver: Driver,
    pub(super) input: Input,
    /// The progress of writing the output of the driver.
    pub(super) write_state: WriteState,
    /// The transport is full, and wakes the tasks that write.
    pub(super) is_write_pending: bool,
    pub(super) stage: Stage,
    /// The sending side of the transport is closed.
    pub(super) is_shut_down: bool,
    /// The peer has closed its sending side.
    pub(super) is_at_end: bool,
    /// How many reads there were since the deadlines were checked.
    unchecked_reads: usize,
    pub(super) waiting: Waiting,
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

impl<T: Transport, C: Clock> Socket<T, C> {
    pub(super) fn new(transport: T, clock: C, driver: Driver) -> Self {
        Self {
            input: Input::new(MIN_READ_SIZE, clock.now()),
            transport,
            clock,
            driver,
            write_state: WriteState::default(),
            is_write_pending: false,
            stage: Stage::Running,
            is_shut_down: false,
            is_at_end: false,
            unchecked_reads: 0,
            waiting: Waiting::new(),
        }
    }

    /// Waits for the next event of those that `E` stands for. `None`: the connection has ended, and
    /// the outcome was returned.
    pub(super) fn poll_event<E: FromEvent>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<E>, Error>> {
        self.poll_as(Interest::Read, cx, Self::poll_next)
    }

    /// Waits for the next item of a stream of messages.
    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message<'static>, Error>>> {
        let next = self.poll_event(cx);
        if matches!(next, Poll::Ready(Err(_))) {
            // A stream ends after an error, also if the connection does not.
            self.stage = Stage::Ended;
        }
        next.map(Result::transpose)
    }

    fn poll_next<E: FromEvent>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<E>, Error>> {
        let mut reads = 0;
        while reads < MAX_READS {
            if matches!(self.stage, Stage::TearingDown(_) | Stage::Ended) {
                return self.poll_end(cx);
            }
            self.driver.begin_receiving::<E>()?;
            match self.driver.receive(&mut self.input) {
                Ok(Received::Message(message)) => {
                    self.release_buffers();
                    return Poll::Ready(Ok(Some(E::from_message(message))));
                }
                Ok(Received::Event(event)) => {
                    if let Some(event) = E::from_event(event) {
                        self.release_buffers();
                        return Poll::Ready(Ok(Some(event)));
                    }
                }
                Ok(Received::Replied(event)) => {
                    // The reply to an event that is not returned leaves when the input is
                    // processed.
                    if let Some(event) = E::from_event(event) {
                        let _later = self.poll_write(cx);
                        self.release_buffers();
                        return Poll::Ready(Ok(Some(event)));
                    }
                }
                Ok(Received::Skipped) => {}
                Ok(Received::NeedsInput) => {
                    self.input.release();
                    reads += 1;
                    if let Some(event) = ready!(self.poll_read(cx)) {
                        return Poll::Ready(Ok(Some(event)));
                    }
                }
                Err(error) => {
                    self.input.release();
                    self.begin_teardown(Err(error.into()));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once, unless something else has to come first. Returns the event that the end of the
    /// transport completes.
    fn poll_read<E: FromEvent>(&mut self, cx: &mut Context<'_>) -> Poll<Option<E>> {
        if matches!(self.stage, Stage::Lost(_)) {
            self.end_lost();
            return Poll::Ready(None);
        }
        // Offered, and not waited for. If this fails, the peer may have sent the reason, and that
        // is still to be read.
        let _later = self.poll_write(cx);
        if self.driver.engine.state() == State::Closed {
            self.begin_teardown(self.driver.outcome().map(|()| None));
            return Poll::Ready(None);
        }
        if self.is_over_reply_limit() {
            return self.poll_deadlines(cx).map(|()| None);
        }
        // A peer that never stops sending must not disable the deadlines.
        if self.unchecked_reads >= MAX_READS {
            self.unchecked_reads = 0;
            if self.poll_deadlines(cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        match self.input.poll_fill(&mut self.transport, cx) {
            Poll::Ready(Ok(0)) => match self.driver.engine.receive_eof() {
                Ok(event) => return Poll::Ready(event.and_then(E::from_event)),
                Err(error) => {
                    // A peer that has closed its sending side still reads.
                    self.is_at_end = true;
                    self.begin_teardown(Err(error.into()));
                }
            },
            Poll::Ready(Ok(_)) => {
                self.input.read_at = self.clock.now();
                self.unchecked_reads += 1;
                self.reserve_output();
            }
            Poll::Ready(Err(error)) => {
                let is_written = self.is_written();
                self.abort(error.into(), is_written, cx);
            }
            Poll::Pending => {
                self.release_output();
                // After the read: what proves that the peer is alive may just have arrived.
                ready!(self.poll_deadlines(cx));
            }
        }
        Poll::Ready(None)
    }

    /// Is ready when a deadline has passed and is dealt with.
    pub(super) fn poll_deadlines(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(deadline) = self.driver.deadline(self.clock.now()) else {
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

    fn release_buffers(&mut self) {
        self.input.release();
        self.release_output();
    }

    /// Polls for an interest of a task.
    #[inline]
    pub(super) fn poll_as<V>(
        &mut self,
        interest: Interest,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<V>,
    ) -> Poll<V> {
        let polling = self.waiting.begin(interest, cx);
        let deadline = polling.has_others.then(|| self.driver.timers.poll_timeout());
        let result = poll(self, cx);
        // A poll that waits has set the clock itself.
        if let (Some(deadline), true) = (deadline, result.is_ready()) {
            self.wake_for_deadline_before(deadline);
        }
        self.waiting.end(polling, cx, result.is_pending());
        result
    }

    /// Wakes the tasks that wait if the next deadline is before the one that they have set the
    /// clock to.
    fn wake_for_deadline_before(&mut self, set: Option<Instant>) {
        let next = match self.driver.engine.state() {
            State::Opening | State::Open => self.driver.timers.poll_timeout(),
            State::Closing | State::Closed => self.driver.deadline(self.clock.now()),
        };
        if next.is_some_and(|next| set.is_none_or(|set| next < set)) {
            self.waiting.wake();
        }
    }

    /// Returns whether the outcome was returned.
    pub(super) const fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    pub(super) fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        self.write_state.remove_written(&mut self.driver.out);
        (&mut self.driver.engine, &mut self.driver.out)
    }

    pub(super) fn into_parts(mut self) -> Parts<T> {
        self.write_state
            .take_control(&mut self.driver.control, &mut self.driver.out);
        let mut engine = self.driver.engine.into_parts();
        engine.unread.extend_from_slice(self.input.unread());
        Parts {
            transport: self.transport,
            unread: engine.unread,
            unsent: self.write_state.unwritten(&self.driver.out),
            lossless: engine.lossless,
        }
    }
}
