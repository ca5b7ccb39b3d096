//! The reading half of a connection.

use alloc::sync::Arc;
use core::{fmt, ops::DerefMut, time::Duration};
use std::{
    io::{self, Read, Write},
    sync::MutexGuard,
};

#[cfg(doc)]
use super::WebSocket;
use super::{
    access::{Access, Core},
    read_loop::{Duplex, ReadLoop},
    shared::Shared,
};
use crate::{
    Chunk, CloseStatus, Event, Message,
    adapter::{Error, lock},
    handshake::Negotiated,
};

/// The reading half of a [`WebSocket`].
///
/// It answers Pings and the closing handshake. It does not wait for the other half to do so: while
/// that half writes a message, it writes the replies too.
///
/// An application that only writes must call [`recv`](Self::recv) as well, in a thread of its own:
/// deadlines and the end of the connection are noticed there.
pub struct Reader<R, W> {
    pub(super) read_loop: ReadLoop<R>,
    pub(super) duplex: ReadHalf<R, W>,
}

/// What the read loop uses besides its own state.
pub(super) struct ReadHalf<R, W> {
    pub(super) stream: R,
    pub(super) shared: Arc<Shared<W>>,
}

impl<R, W> Access for ReadHalf<R, W> {
    fn core(&mut self) -> impl DerefMut<Target = Core> {
        lock(&self.shared.core)
    }
}

impl<R: Read, W: Write> Duplex<R> for ReadHalf<R, W> {
    fn stream(&mut self) -> &mut R {
        &mut self.stream
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shared.flush()
    }

    fn flush_replies(&mut self) -> io::Result<()> {
        self.shared.flush_replies()
    }
}

impl<R: Read, W: Write> Reader<R, W> {
    /// Waits for the next message: see [`WebSocket::recv`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
        self.read_loop.next(&mut self.duplex)
    }

    /// Waits for the next message and passes it to `function`, which may send with the other half:
    /// see [`WebSocket::recv_with`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv_with<V>(&mut self, function: impl FnOnce(Message<'_>) -> V) -> Result<Option<V>, Error> {
        self.read_loop.next_with(&mut self.duplex, function)
    }

    /// Waits for the next piece of a message: see [`WebSocket::recv_chunk`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv_chunk(&mut self) -> Result<Option<Chunk<'static>>, Error> {
        self.read_loop.next(&mut self.duplex)
    }

    /// Waits for the next event of any kind: see [`WebSocket::recv_event`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        self.read_loop.next(&mut self.duplex)
    }

    /// Sets the largest message to receive, in bytes, from the next message on: see
    /// [`Connection::set_max_message_size`](crate::Connection::set_max_message_size).
    pub fn set_max_message_size(&mut self, bytes: u64) {
        self.core().driver.engine.set_max_message_size(bytes);
    }

    /// Returns the handle of the stream from which this half reads.
    #[must_use]
    pub const fn get_ref(&self) -> &R {
        &self.duplex.stream
    }

    /// Returns the memory of a message to the connection: see [`WebSocket::recycle`].
    pub fn recycle(&mut self, message: Message<'static>) {
        self.core().driver.recycle(message);
    }

    /// Returns the round-trip time of the last Ping that was answered: see
    /// [`WebSocket::round_trip`].
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.core().driver.timers.round_trip()
    }

    /// Returns what the opening handshake has negotiated: see [`WebSocket::negotiated`].
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        self.core().driver.engine.negotiated()
    }

    /// Returns how the connection was closed, or is being closed.
    #[must_use]
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.core().driver.engine.close_status().cloned()
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.duplex.shared.core)
    }
}

impl<R, W> fmt::Debug for Reader<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
