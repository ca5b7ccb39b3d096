//! The end of a polled connection.

use core::{
    mem,
    task::{Context, Poll, ready},
};

use super::{
    Clock, Transport,
    input::Input,
    socket::{MAX_READS, Outcome, Socket, Stage},
};
use crate::{
    Event, State, Teardown,
    adapter::{Error, take::Take},
};

impl<T: Transport, C: Clock> Socket<T, C> {
    /// Notes that the engine is closed. The transport is closed next.
    pub(super) fn begin_teardown(&mut self, outcome: Outcome) {
        self.stage = Stage::TearingDown(outcome);
        self.driver.trace_end();
    }

    /// Ends a connection whose transport has failed or whose peer has missed a deadline. The
    /// reading task receives what was read before, and then the outcome.
    ///
    /// After a closing handshake of which all is written, nothing else is to be written, and
    /// writing has not failed.
    pub(super) fn abort(&mut self, error: Error, is_written: bool, cx: &Context<'_>) {
        if matches!(self.stage, Stage::Running) {
            self.stage = Stage::Lost(error);
        }
        // Tried once: the application may keep a half, and with it the transport, and the peer has
        // to notice the end.
        let _tried = self.poll_shutdown(cx);
        (self.is_shut_down, self.is_at_end) = (true, true);
        if !is_written || self.driver.engine.state() != State::Closed {
            self.write_state
                .fail(&self.driver.not_connected(), &mut self.driver.out);
        }
        self.waiting.wake();
    }

    /// Ends the engine of a connection that is lost and whose input is processed.
    pub(super) fn end_lost(&mut self) {
        if let Stage::Lost(error) = mem::replace(&mut self.stage, Stage::Ended) {
            let outcome = self.driver.transport_lost(error);
            self.begin_teardown(outcome);
        }
    }

    /// Waits until the transport is closed, and returns the outcome.
    pub(super) fn poll_end<K: Take>(
        &mut self,
        input: &mut Input,
        cx: &mut Context<'_>,
        take: &mut K,
    ) -> Poll<Result<Option<K::Output>, Error>> {
        for _ in 0..MAX_READS {
            if self.is_ended() {
                return Poll::Ready(Ok(None));
            }
            if self.poll_teardown(input, cx).is_ready() {
                self.driver.timers.closed();
                self.waiting.wake();
                return Poll::Ready(match mem::replace(&mut self.stage, Stage::Ended) {
                    Stage::TearingDown(outcome) => {
                        outcome.map(|refusal| refusal.and_then(|refusal| take.event(Event::Refused(refusal))))
                    }
                    _ => Ok(None),
                });
            }
            ready!(self.poll_deadlines(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Closes the transport in an orderly way (RFC 6455, section 7.1.1). Closing a socket with
    /// unread bytes sends a reset, which can destroy the Close frame on its way to the peer.
    fn poll_teardown(&mut self, input: &mut Input, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_shut_down {
            // If this fails, so does the read.
            let _written = ready!(self.poll_write(cx));
        }
        if self.driver.engine.teardown() != Some(Teardown::AwaitPeer) {
            ready!(self.poll_shutdown(cx));
        }
        for _ in 0..MAX_READS {
            if self.is_at_end {
                return self.poll_shutdown(cx);
            }
            self.is_at_end = !matches!(ready!(input.poll_discard(&mut self.transport, cx)), Ok(1..));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_shutdown(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_shut_down {
            let mut cx = self.waiting.context(cx);
            let _error = ready!(self.transport.poll_shutdown(&mut cx));
            self.is_shut_down = true;
        }
        Poll::Ready(())
    }
}
