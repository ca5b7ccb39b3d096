//! The reading half of a connection.

use alloc::sync::Arc;
use core::{fmt, mem, time::Duration};
use std::sync::MutexGuard;

#[cfg(doc)]
use super::WebSocket;
use super::{
    Clock, Transport,
    access::{Access, Shared},
    call::Call,
    input::Input,
    socket::Socket,
    waiting::Interest,
};
use crate::{Chunk, CloseStatus, Event, Message, adapter::Error, handshake::Negotiated};

/// The reading half of a [`WebSocket`]. It is a `Stream` of messages.
///
/// It answers Pings and the closing handshake, keeps the deadlines, and writes what a cancelled
/// call of the other half has left.
///
/// An application that only writes must call [`recv`](Self::recv) as well, in a task of its own,
/// until it returns `None`.
pub struct Reader<T, C = ()> {
    pub(super) shared: Arc<Shared<T, C>>,
    pub(super) input: Input,
}

impl<T: Transport, C: Clock> Reader<T, C> {
    /// Waits for the next message: see [`WebSocket::recv`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message<'static>>, Error>> {
        let (call, input) = self.reading();
        call.receive(input)
    }

    /// Waits for the next message and passes it to `function`, borrowed: see
    /// [`WebSocket::recv_with`]. The function may use the other half.
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv_with<R>(
        &mut self,
        function: impl FnOnce(Message<'_>) -> R,
    ) -> impl Future<Output = Result<Option<R>, Error>> {
        let (call, input) = self.reading();
        call.receive_with(input, function)
    }

    /// Waits for the next piece of a message: see [`WebSocket::recv_chunk`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk<'static>>, Error> {
        let (call, input) = self.reading();
        call.receive(input).await
    }

    /// Waits for the next event of any kind: see [`WebSocket::recv_event`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        let (call, input) = self.reading();
        call.receive(input).await
    }

    /// Returns the memory of a message to the connection: see [`WebSocket::recycle`].
    pub fn recycle(&mut self, message: Message<'static>) {
        self.socket().driver.recycle(message);
    }

    /// Sets the largest message to receive, in bytes, from the next message on: see
    /// [`WebSocket::set_max_message_size`].
    pub fn set_max_message_size(&mut self, bytes: u64) {
        self.socket().driver.engine.set_max_message_size(bytes);
    }

    /// Returns what the opening handshake has negotiated: see [`WebSocket::negotiated`].
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        self.socket().driver.engine.negotiated()
    }

    /// Returns how the connection was closed, or is being closed.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.socket().driver.engine.close_status().cloned()
    }

    /// Returns the round-trip time of the last Ping that was answered: see
    /// [`WebSocket::round_trip`].
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.socket().driver.timers.round_trip()
    }

    pub(super) fn reading(&mut self) -> (Call<'_, T, C>, &mut Input) {
        (Call::new(Access::Half(&self.shared), Interest::Read), &mut self.input)
    }
}

impl<T, C> Reader<T, C> {
    /// Returns what was read, and drops the reader.
    pub(super) fn into_input(mut self) -> Input {
        let empty = Input::new(self.input.read_at);
        mem::replace(&mut self.input, empty)
    }

    fn socket(&self) -> MutexGuard<'_, Socket<T, C>> {
        self.shared.socket()
    }
}

impl<T, C> Drop for Reader<T, C> {
    fn drop(&mut self) {
        self.shared.tasks.remove(Interest::Read);
    }
}

impl<T, C> fmt::Debug for Reader<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
