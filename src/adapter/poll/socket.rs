//! The loop.

use alloc::{sync::Arc, vec::Vec};
use core::{
    mem,
    task::{Context, Poll, Waker, ready},
};
use std::{io, time::Instant};

use super::{
    Clock, Transport,
    input::MIN_READ_SIZE,
    shelf,
    tasks::{Tasks, write_context},
};
use crate::{
    CloseCode, SendError, State, Teardown,
    adapter::{
        Error, MessageRef,
        driver::{Driver, FromEvent, Received},
        input::Input,
    },
};

/// An output buffer that has grown beyond this, in bytes, is given back once it is written.
const OUTPUT_KEPT: usize = 1 << 10;

/// After so many reads without an event others have their turn; after so many, with events or without, deadlines are
/// looked at.
const READS: usize = 32;

/// A connection with its transport.
pub(super) struct Socket<T, C> {
    pub(super) transport: T,
    clock: C,
    pub(super) driver: Driver,
    pub(super) input: Input,
    stage: Stage,
    /// How it ended; reported when the transport is closed too.
    outcome: Result<(), Error>,
    /// Our side of the transport is closed.
    shut: bool,
    /// The peer's side is.
    eof: bool,
    /// When something was last read.
    now: Instant,
    /// How often, since deadlines were looked at though there was more to read.
    reads: usize,
    /// The transport has to wake those who wait for writing.
    stalled: bool,
    /// The halves that wait, if there are two.
    tasks: Option<(Arc<Tasks>, Waker)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Live,
    /// The engine is closed, the transport is not yet.
    Ending,
    Over,
}

impl<T: Transport, C: Clock> Socket<T, C> {
    pub(super) fn new(transport: T, clock: C, driver: Driver) -> Self {
        let now = clock.now();
        Self {
            transport,
            clock,
            driver,
            input: Input::new(MIN_READ_SIZE),
            stage: Stage::Live,
            outcome: Ok(()),
            shut: false,
            eof: false,
            now,
            reads: 0,
            stalled: false,
            tasks: None,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The next event of those that are asked for. `None`: the connection has ended, and how was reported.
    ///
    /// Replies to other events do not leave at once: there is more to come, or else it is waited for.
    pub(super) fn poll_event<R: FromEvent>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<R>, Error>> {
        self.begin();
        let event = self.poll_next(cx);
        self.park(cx, event.is_pending(), true);
        event
    }

    fn poll_next<R: FromEvent>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<R>, Error>> {
        let mut reads_left = READS;
        while reads_left > 0 {
            if self.stage != Stage::Live {
                return self.poll_end(cx);
            }
            match self.driver.receive(&mut self.input, self.now) {
                Ok(Received::Message(message)) => {
                    self.release_buffers();
                    return Poll::Ready(Ok(Some(R::from_message(message))));
                }
                Ok(Received::Event(event)) => {
                    if let Some(event) = R::from_event(event) {
                        self.release_buffers();
                        return Poll::Ready(Ok(Some(event)));
                    }
                    continue;
                }
                Ok(Received::Replied(event)) => {
                    if let Some(event) = R::from_event(event) {
                        let _later = self.poll_write(cx);
                        self.release_buffers();
                        return Poll::Ready(Ok(Some(event)));
                    }
                    continue;
                }
                Ok(Received::NeedsInput) => self.input.release(),
                Err(error) => {
                    self.input.release();
                    self.end(Err(error.into()));
                    continue;
                }
            }
            reads_left -= 1;
            // Offered, and not waited for. If the transport is lost, the peer may have said why it went.
            let _later = self.poll_write(cx);
            if self.driver.engine.state() == State::Closed {
                self.end(Ok(()));
                continue;
            }
            if self.owes_much() {
                ready!(self.poll_deadlines(cx));
                continue;
            }
            // A peer that sends without end keeps neither the deadlines waiting nor, below, other tasks.
            if self.reads >= READS {
                self.reads = 0;
                if self.poll_deadlines(cx).is_ready() {
                    continue;
                }
            }
            match self.input.poll_fill(&mut self.transport, cx) {
                Poll::Ready(Ok(0)) => match self.driver.engine.receive_eof() {
                    Ok(Some(event)) => {
                        if let Some(event) = R::from_event(event) {
                            return Poll::Ready(Ok(Some(event)));
                        }
                    }
                    Ok(None) => {}
                    // A peer that has closed only its side still reads what it is due.
                    Err(error) => {
                        self.eof = true;
                        self.end(Err(error.into()));
                    }
                },
                Poll::Ready(Ok(_)) => {
                    self.now = self.clock.now();
                    self.reads += 1;
                    self.driver.output.begin(shelf::take_output);
                }
                Poll::Ready(Err(error)) => {
                    let _lost = self.driver.engine.receive_eof();
                    self.lost(error.into(), cx);
                }
                Poll::Pending => {
                    self.release_output();
                    // Only now: what proves the peer alive may just have been read.
                    ready!(self.poll_deadlines(cx));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn release_buffers(&mut self) {
        self.input.release();
        self.release_output();
    }

    /// What is received may have to be answered. Messages do not count: if both ends had many to write, neither would read.
    fn owes_much(&self) -> bool {
        self.driver.unwritten_replies.min(self.driver.output.left()) > self.driver.high_water
    }

    /// Waits until the output is below the high-water mark.
    pub(super) fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.begin();
        let ready = self.poll_room(cx);
        self.park(cx, ready.is_pending(), false);
        ready
    }

    fn poll_room(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        while self.driver.is_above_high_water() {
            if let Poll::Ready(written) = self.poll_write(cx) {
                return Poll::Ready(written);
            }
            if self.driver.is_above_high_water() {
                ready!(self.poll_deadlines(cx));
            }
        }
        Poll::Ready(self.driver.output.check())
    }

    /// Puts a message into the output.
    #[inline]
    pub(super) fn feed(&mut self, message: MessageRef<'_>) -> Result<(), SendError> {
        self.driver.output.begin(shelf::take_output);
        self.driver.feed(message)
    }

    /// Gives the output buffer back, if all of it is written.
    fn release_output(&mut self) {
        if let Some(buf) = self.driver.output.release(OUTPUT_KEPT) {
            shelf::keep_output(buf);
        }
    }

    /// Waits until the output is written.
    pub(super) fn poll_flush(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.begin();
        let flushed = self.poll_written(cx);
        self.park(cx, flushed.is_pending(), false);
        flushed
    }

    fn poll_written(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Poll::Ready(written) = self.poll_write(cx) {
                self.release_output();
                return Poll::Ready(written);
            }
            ready!(self.poll_deadlines(cx));
        }
    }

    /// Sends a Close, if there was none, and waits until it is written.
    pub(super) fn poll_close(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        if self.driver.engine.state() == State::Open {
            self.driver.close(Some(CloseCode::NORMAL), "", self.clock.now())?;
            self.wake_others();
        }
        self.poll_flush(cx).map_err(Error::from)
    }

    /// How it ended was reported.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(super) fn into_parts(self) -> (T, Vec<u8>) {
        let mut unread = self.driver.engine.into_parts().unread;
        unread.extend_from_slice(self.input.unread());
        (self.transport, unread)
    }

    /// Writes what the transport takes.
    fn poll_write(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let (before, much) = (self.driver.output.left(), self.owes_much());
        let mut cx = write_context(&self.tasks, cx);
        let written = self.driver.output.poll_write(&mut self.transport, &mut cx);
        let left = self.driver.output.left();
        self.driver.unwritten_replies = self.driver.unwritten_replies.saturating_sub(before - left);
        let stalled = mem::replace(&mut self.stalled, written.is_pending());
        if mem::take(&mut self.driver.output.moved) {
            self.driver.timers.written(self.clock.now());
        } else if self.stalled && !stalled {
            self.driver.begin_stall(self.clock.now());
        }
        // Nothing is left for which the transport would wake the others.
        let high_water = self.driver.high_water;
        let has_room = before > high_water && left <= high_water || much && !self.owes_much();
        if has_room || stalled && written.is_ready() {
            self.wake_others();
        }
        written
    }

    /// Is ready when a deadline has come and was dealt with.
    fn poll_deadlines(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(at) = self.driver.deadline(self.clock.now()) else {
            return Poll::Pending;
        };
        ready!(self.clock.poll_until(at, &mut write_context(&self.tasks, cx)));
        // The clock may have forgotten the others with that, and the next deadline is theirs too.
        self.wake_others();
        if let Err(error) = self.driver.handle_timeout(self.clock.now()) {
            let _lost = self.driver.engine.receive_eof();
            self.lost(error, cx);
        }
        Poll::Ready(())
    }

    /// The engine is closed, the transport is not yet.
    fn end(&mut self, outcome: Result<(), Error>) {
        self.outcome = outcome;
        self.stage = Stage::Ending;
    }

    /// The transport is of no more use. If all was said before, that is no error.
    fn lost(&mut self, error: Error, cx: &Context<'_>) {
        if self.stage == Stage::Live {
            self.end(Err(error));
        }
        // Not waited for: a half that is kept may keep the transport, and the peer is to see that it is over.
        let _attempt = self.poll_shutdown(cx);
        (self.shut, self.eof) = (true, true);
        self.driver.output.lose(io::ErrorKind::NotConnected);
        self.wake_others();
    }

    fn poll_end<R>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<R>, Error>> {
        for _ in 0..READS {
            if self.stage == Stage::Over {
                return Poll::Ready(Ok(None));
            }
            if self.poll_teardown(cx).is_ready() {
                self.stage = Stage::Over;
                self.driver.timers.closed();
                self.wake_others();
                return Poll::Ready(mem::replace(&mut self.outcome, Ok(())).map(|()| None));
            }
            ready!(self.poll_deadlines(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Closes the transport in an orderly way (RFC 6455, section 7.1.1): to drop it while bytes of the peer are unread
    /// would send a reset, and that can destroy our last bytes before the peer has read them.
    fn poll_teardown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.shut {
            // An error is noticed when reading.
            let _written = ready!(self.poll_write(cx));
        }
        if self.driver.engine.teardown() != Some(Teardown::AwaitPeer) {
            ready!(self.poll_shutdown(cx));
        }
        for _ in 0..READS {
            if self.eof {
                return self.poll_shutdown(cx);
            }
            self.eof = !matches!(ready!(self.input.poll_discard(&mut self.transport, cx)), Ok(1..));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_shutdown(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.shut {
            let mut cx = write_context(&self.tasks, cx);
            let _error = ready!(self.transport.poll_shutdown(&mut cx));
            self.shut = true;
        }
        Poll::Ready(())
    }

    /// From now on two halves poll, each from a task of its own. A transport keeps one waker for writing and a clock keeps
    /// one, so that waker has to wake both.
    pub(super) fn share(&mut self) {
        let tasks = Arc::new(Tasks::default());
        self.tasks = Some((Arc::clone(&tasks), Waker::from(tasks)));
    }

    /// Before anything is polled.
    fn begin(&self) {
        if let Some((tasks, _)) = &self.tasks {
            tasks.lock().woken = false;
        }
    }

    /// After everything was polled: a task that does not wait leaves nothing behind.
    fn park(&self, cx: &Context<'_>, waits: bool, reads: bool) {
        if let Some((tasks, _)) = self.tasks.as_ref().filter(|_| waits) {
            tasks.park(cx.waker(), reads);
        }
    }

    /// Something has changed that another half may wait for, and the transport does not tell it.
    pub(super) fn wake_others(&self) {
        if let Some((_, waker)) = &self.tasks {
            waker.wake_by_ref();
        }
    }
}
