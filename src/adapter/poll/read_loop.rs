//! The loop that reads from a polled transport.

use core::{
    ops::{
        ControlFlow::{Break, Continue},
        DerefMut,
    },
    task::{Context, Poll, ready},
};

use super::{
    Clock, Transport,
    access::Access,
    input::Input,
    socket::{MAX_READS, Socket, Stage},
    waiting::Interest,
};
use crate::{
    Event, Message, State,
    adapter::{
        Error,
        received::Received,
        take::{Owned, Take},
    },
};

/// Waits for the next event that `take` takes. `None`: the connection has ended, and the outcome
/// was returned.
///
/// The socket is not locked while `take` has a message that is borrowed from the input.
#[inline]
pub(super) fn poll_receive<T: Transport, C: Clock, K: Take>(
    access: &mut Access<'_, T, C>,
    input: &mut Input,
    cx: &mut Context<'_>,
    take: K,
) -> Poll<Result<Option<K::Output>, Error>> {
    // Two copies of the loop: that of a whole connection has no lock to ask for at each step.
    match access {
        Access::Unsplit(socket) => poll_receive_from(&mut **socket, input, cx, take),
        Access::Half(shared) => poll_receive_from(shared.socket(), input, cx, take),
    }
}

/// Does the same with a socket, or with a lock on it.
#[inline]
pub(super) fn poll_receive_from<T: Transport, C: Clock, K: Take>(
    mut guard: impl DerefMut<Target = Socket<T, C>>,
    input: &mut Input,
    cx: &mut Context<'_>,
    mut take: K,
) -> Poll<Result<Option<K::Output>, Error>> {
    // A poll that finds a message in the input has nothing to wait for, and does not begin. When
    // the task waits, all input is processed, so that it is not registered then; or, in a batch, it
    // waits for room, and is woken when there is some.
    let mut begun = None;
    let mut reads = 0;
    let result = loop {
        let socket = &mut *guard;
        if reads == MAX_READS {
            cx.waker().wake_by_ref();
            // It is woken already, and there may be input.
            socket.end_poll(begun.take(), cx, false);
            break Poll::Pending;
        }
        // Neither changes between the messages of one input.
        if !take.has_taken() {
            if matches!(socket.stage, Stage::TearingDown(_) | Stage::Ended) {
                begun.get_or_insert_with(|| socket.begin_poll(Interest::Read, cx));
                break socket.poll_end(input, cx, &mut take);
            }
            if let Err(error) = socket.driver.begin_receiving::<K::Call>() {
                break Poll::Ready(Err(error));
            }
        }
        if K::APPENDS && socket.is_above_high_water() {
            if let Some(taken) = take.taken() {
                break Poll::Ready(Ok(Some(taken)));
            }
            begun.get_or_insert_with(|| socket.begin_poll(Interest::Read, cx));
            // If writing fails, the peer may have sent the reason, and that is still to be read.
            if socket.poll_room(cx).is_pending() {
                break Poll::Pending;
            }
            continue;
        }
        match socket.driver.receive(input, take.has_taken()) {
            Ok(Received::Message(message)) => {
                socket.end_poll(begun.take(), cx, false);
                if !K::APPENDS {
                    socket.release_output();
                } else if !take.has_taken() {
                    socket.begin_appending();
                }
                match take.message(message, guard) {
                    Continue(returned) => {
                        guard = returned;
                        if input.is_empty() || take.is_ended() {
                            break Poll::Ready(Ok(take.taken()));
                        }
                    }
                    Break(taken) => {
                        input.release();
                        return Poll::Ready(Ok(taken));
                    }
                }
            }
            Ok(Received::Event(event)) => {
                if !matches!(event, Event::Chunk(_)) {
                    begun.get_or_insert_with(|| socket.begin_poll_late(Interest::Read, cx));
                }
                if let Some(output) = take.event(event) {
                    socket.release_output();
                    input.release();
                    break Poll::Ready(Ok(Some(output)));
                }
            }
            Ok(Received::Replied(event)) => {
                begun.get_or_insert_with(|| socket.begin_poll_late(Interest::Read, cx));
                // The reply to an event that is not returned leaves when the input is processed.
                if let Some(output) = take.event(event) {
                    let _later = socket.poll_write(cx);
                    socket.release_output();
                    input.release();
                    break Poll::Ready(Ok(Some(output)));
                }
            }
            Ok(Received::Skipped) => {}
            Ok(Received::NeedsInput) => {
                socket.driver.input_processed(0, input.read_at);
                if let Some(taken) = take.taken() {
                    break Poll::Ready(Ok(Some(taken)));
                }
                begun.get_or_insert_with(|| socket.begin_poll(Interest::Read, cx));
                reads += 1;
                let read = socket.poll_read(input, cx, &mut take);
                input.release();
                match read {
                    Poll::Ready(None) => {}
                    Poll::Ready(Some(output)) => break Poll::Ready(Ok(Some(output))),
                    Poll::Pending => break Poll::Pending,
                }
            }
            Err(error) => {
                input.release();
                socket.begin_teardown(Err(error.into()));
                if let Some(taken) = take.taken() {
                    break Poll::Ready(Ok(Some(taken)));
                }
            }
        }
    };
    if K::APPENDS {
        guard.release_output();
        input.release();
    }
    guard.end_poll(begun, cx, result.is_pending());
    result
}

/// Waits for the next item of a stream of messages.
pub(super) fn poll_item<T: Transport, C: Clock>(
    access: &mut Access<'_, T, C>,
    input: &mut Input,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Message<'static>, Error>>> {
    if access.socket().is_stream_ended {
        return Poll::Ready(None);
    }
    let next = poll_receive(access, input, cx, Owned::new());
    access.socket().is_stream_ended = matches!(next, Poll::Ready(Err(_)));
    next.map(Result::transpose)
}

impl<T: Transport, C: Clock> Socket<T, C> {
    /// Reads once, unless something else has to come first. Returns what `take` takes of the event
    /// that the end of the transport completes.
    fn poll_read<K: Take>(&mut self, input: &mut Input, cx: &mut Context<'_>, take: &mut K) -> Poll<Option<K::Output>> {
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
        match input.poll_fill(&mut self.transport, cx) {
            Poll::Ready(Ok(0)) => match self.driver.engine.receive_eof() {
                Ok(event) => return Poll::Ready(event.and_then(|event| take.event(event))),
                Err(error) => {
                    // A peer that has closed its sending side still reads.
                    self.is_at_end = true;
                    self.begin_teardown(Err(error.into()));
                }
            },
            Poll::Ready(Ok(_)) => {
                // To read the clock takes as long as to receive some short messages.
                input.read_at = self.driver.timers.needs_time_of_read().then(|| self.clock.now());
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
}
