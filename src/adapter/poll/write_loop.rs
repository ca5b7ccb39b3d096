//! Writing to a polled transport.

use core::{
    mem,
    task::{Context, Poll, ready},
};
use std::io::{self, ErrorKind, IoSlice};

use super::{Clock, Transport, buffer_pool, socket::Socket, waiting::Interest};
use crate::{
    CloseCode, SendError, State,
    adapter::{
        Error,
        driver::{Driver, Outgoing},
        write_state::{Unwritten, write_zero},
    },
};

/// An output buffer that is larger than this, in bytes, goes back to the pool once it is written.
const KEPT_CAPACITY: usize = 1 << 10;

impl<T: Transport, C: Clock> Socket<T, C> {
    /// Waits until the output is below the high-water mark.
    pub(super) fn poll_ready(&mut self, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_as(interest, cx, |socket, cx| socket.poll_room(cx))
    }

    pub(super) fn poll_room(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        while self.is_above_high_water() {
            if let Poll::Ready(written) = self.poll_write(cx) {
                return Poll::Ready(written);
            }
            if self.is_above_high_water() {
                ready!(self.poll_deadlines(cx));
            }
        }
        Poll::Ready(self.write_state.check())
    }

    /// Appends messages or fragments to the output.
    // Measured, as for `Connection::send_text`.
    #[inline(always)]
    pub(super) fn append(
        &mut self,
        append: impl FnOnce(&mut Driver) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.begin_appending();
        append(&mut self.driver)
    }

    /// Prepares the output for messages or fragments.
    // Measured, as for `Connection::send_text`.
    #[inline(always)]
    pub(super) fn begin_appending(&mut self) {
        self.reserve_output();
        // The next byte of the output begins a frame.
        if self.driver.engine.fragments_messages() {
            self.write_state.begin_frames(self.driver.out.len());
        }
    }

    /// Appends a large message to the output, and writes what the transport takes now. What it
    /// takes of the payload is not copied.
    pub(super) fn append_and_write(&mut self, message: &Outgoing<'_>, cx: &Context<'_>) -> Result<(), Error> {
        let can_borrow = self.write_state.can_borrow() && self.driver.can_borrow();
        if !(can_borrow && self.transport.is_write_vectored()) {
            return Ok(self.append(|driver| driver.append(message))?);
        }
        self.reserve_output();
        let payload = self.driver.append_borrowed(message)?;
        match self.poll_write_with(payload, cx) {
            Poll::Ready(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits until the output is written.
    pub(super) fn poll_flush(&mut self, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_as(interest, cx, |socket, cx| socket.poll_written(cx))
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

    /// Sends a Close frame with code 1000, if none was sent, and waits until it is written.
    pub(super) fn poll_close(&mut self, interest: Interest, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.driver.engine.state() == State::Open {
            self.close(Some(CloseCode::NORMAL), "")?;
        }
        self.poll_flush(interest, cx).map_err(Error::from)
    }

    /// Appends a Close frame to the output.
    pub(super) fn close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), SendError> {
        self.driver.close(code, reason, self.clock.now())?;
        // The task that reads has to wait for another deadline now.
        self.waiting.wake();
        Ok(())
    }

    /// Writes what the transport takes now. Is ready when all of the output is written and flushed.
    pub(super) fn poll_write(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_with(&[], cx)
    }

    /// Like [`poll_write`](Self::poll_write), with a payload that follows the output. What the
    /// transport does not take of it now is copied to the output.
    fn poll_write_with(&mut self, payload: &[u8], cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.write_state
            .take_control(&mut self.driver.control, &mut self.driver.out);
        let was_over_reply_limit = self.is_over_reply_limit();
        let unwritten_before = self.unwritten_len() + payload.len();
        let written = self.try_poll_write(payload, cx);
        let unwritten = self.unwritten_len();
        self.driver.reply_bytes = self.driver.reply_bytes.saturating_sub(unwritten_before - unwritten);
        let was_pending = mem::replace(&mut self.is_write_pending, written.is_pending());
        if self.write_state.take_progress() {
            self.driver.timers.written(self.clock.now());
        } else if self.is_write_pending && !was_pending {
            self.driver.write_stalled(self.clock.now());
        }
        // The transport wakes nobody for what is written already.
        let high_water = self.driver.high_water;
        let has_room = unwritten_before > high_water && unwritten <= high_water;
        let may_read = was_over_reply_limit && !self.is_over_reply_limit();
        if has_room || may_read || was_pending && written.is_ready() {
            self.waiting.wake();
        }
        written
    }

    /// Like [`poll_write`](Self::poll_write). After an error, the rest is dropped.
    fn try_poll_write(&mut self, payload: &[u8], cx: &Context<'_>) -> Poll<io::Result<()>> {
        if let Err(error) = self.write_state.check() {
            self.driver.out.clear();
            return Poll::Ready(Err(error));
        }
        if payload.is_empty() && !self.write_state.is_pending(&self.driver.out) {
            return Poll::Ready(Ok(()));
        }
        let written = self.poll_write_and_flush(payload, cx);
        // Not after each write: a large message would be moved once for each. So what is moved is
        // at most what was written.
        if self.unwritten_len() <= self.driver.out.len() / 2 {
            self.write_state.remove_written(&mut self.driver.out);
        }
        if let Poll::Ready(Err(error)) = &written {
            self.write_state.fail(error, &mut self.driver.out);
        }
        written
    }

    fn poll_write_and_flush(&mut self, payload: &[u8], cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut cx = self.waiting.context(cx);
        let mut unwritten = Unwritten::new(&mut self.write_state, &mut self.driver.out, payload);
        loop {
            let (next, payload) = unwritten.next(usize::MAX);
            let next_len = next.len();
            let written = match (next, payload) {
                ([], []) => break,
                (slice, []) | ([], slice) => self.transport.poll_write(&mut cx, slice),
                _ => {
                    let slices = [IoSlice::new(next), IoSlice::new(payload)];
                    self.transport.poll_write_vectored(&mut cx, &slices)
                }
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(write_zero(unwritten.len()))),
                Poll::Ready(Ok(len)) => unwritten.advance(len, next_len),
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    unwritten.state.is_stalled = true;
                    return Poll::Pending;
                }
            }
        }
        drop(unwritten);
        loop {
            match ready!(self.transport.poll_flush(&mut cx)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                flushed => {
                    self.write_state.is_unflushed = false;
                    return Poll::Ready(flushed);
                }
            }
        }
    }

    /// Returns whether all of the output is written and flushed, and writing has not failed.
    pub(super) fn is_written(&self) -> bool {
        self.write_state.check().is_ok() && !self.write_state.is_pending(&self.driver.out)
    }

    /// Returns how many bytes of the output the transport has not taken.
    pub(super) fn unwritten_len(&self) -> usize {
        self.write_state.unwritten_len(&self.driver.out) + self.driver.control.len()
    }

    /// Returns whether a message can be appended at once.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        !self.is_above_high_water() && !self.write_state.has_failed()
    }

    pub(super) fn is_above_high_water(&self) -> bool {
        self.unwritten_len() > self.driver.high_water
    }

    /// Returns whether nothing may be read: what is received may have to be answered.
    ///
    /// Messages do not count. If they did, two peers that send much at the same time would wait for
    /// each other.
    pub(super) fn is_over_reply_limit(&self) -> bool {
        self.driver.reply_bytes.min(self.unwritten_len()) > self.driver.high_water
    }

    /// Takes an output buffer from the pool, if there is none.
    pub(super) fn reserve_output(&mut self) {
        if self.driver.out.capacity() == 0 {
            self.driver.out = buffer_pool::take_output();
        }
    }

    /// Gives the output buffer back to the pool, once all of it is written.
    pub(super) fn release_output(&mut self) {
        let out = &mut self.driver.out;
        if out.is_empty() && out.capacity() > KEPT_CAPACITY {
            buffer_pool::keep_output(mem::take(out));
        }
    }
}
