//! The end of a polled connection.

use core::{
    mem,
    task::{Context, Poll, ready},
};

use super::{
    Clock, Transport,
    socket::{MAX_READS, Socket, Stage},
    wakers::shared_context,
};
use crate::{Teardown, adapter::Error};

impl<T: Transport, C: Clock> Socket<T, C> {
    /// Notes that the engine is closed. The transport is closed next.
    pub(super) fn begin_teardown(&mut self, outcome: Result<(), Error>) {
        self.stage = Stage::TearingDown(outcome);
    }

    /// Ends a connection whose transport has failed or whose peer has missed a deadline. The error
    /// is ignored if the engine is closed already.
    pub(super) fn abort(&mut self, error: Error, cx: &Context<'_>) {
        // The engine's error is that the transport has ended. The cause says more.
        let _ended = self.driver.engine.receive_eof();
        if self.is_running() {
            self.begin_teardown(Err(error));
        }
        // Tried once: the application may keep a half, and with it the transport, and the peer has
        // to notice the end.
        let _tried = self.poll_shutdown(cx);
        (self.is_shut_down, self.is_at_end) = (true, true);
        self.write_state
            .fail(&self.driver.not_connected(), &mut self.driver.out);
        self.wake_tasks();
    }

    /// Waits until the transport is closed, and returns the outcome.
    pub(super) fn poll_end<V>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<V>, Error>> {
        for _ in 0..MAX_READS {
            if self.is_ended() {
                return Poll::Ready(Ok(None));
            }
            if self.poll_teardown(cx).is_ready() {
                self.driver.timers.closed();
                self.wake_tasks();
                return Poll::Ready(match mem::replace(&mut self.stage, Stage::Ended) {
                    Stage::TearingDown(Err(error)) => Err(error),
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
    fn poll_teardown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
            self.is_at_end = !matches!(ready!(self.input.poll_discard(&mut self.transport, cx)), Ok(1..));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_shutdown(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_shut_down {
            let mut cx = shared_context(&self.shared_waker, cx);
            let _error = ready!(self.transport.poll_shutdown(&mut cx));
            self.is_shut_down = true;
        }
        Poll::Ready(())
    }
}
