//! Two halves of a connection, for two tasks.

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{io, sync::MutexGuard};

use futures_core::Stream;
use futures_sink::Sink;

use super::{
    Clock, MessageReader, MessageWriter, Transport, WebSocket,
    access::{Access, Shared, Whole},
    call::Call,
    input::Input,
    read::poll_item,
    socket::Socket,
    waiting::Interest,
};
use crate::{
    Chunk, CloseCode, CloseStatus, Event, Message, MessageKind, PreparedMessage, SendError,
    adapter::{AsMessage, Error, driver::SenderId},
    handshake::Negotiated,
};

/// What [`WebSocket::reunite`] returns if it cannot join the halves: both, unchanged.
type Halves<T, C> = (Reader<T, C>, Writer<T, C>);

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Splits the connection into two halves for two tasks.
    #[must_use]
    pub fn split(self) -> (Reader<T, C>, Writer<T, C>) {
        let Whole { mut socket, input } = *self.whole;
        // Whoever sends the next fragment continues the message of the whole connection.
        socket.driver.abandon_message(SenderId::WHOLE);
        let tasks = socket.waiting.share();
        let interest = tasks.new_writer();
        let shared = Arc::new(Shared::new(socket, tasks));
        let reader = Reader {
            shared: Arc::clone(&shared),
            input,
        };
        (reader, Writer { shared, interest })
    }

    /// Joins two halves again. Nothing that was received or fed is lost, and a message that the
    /// writer has begun to send in fragments can be continued.
    ///
    /// # Errors
    /// The halves are of different connections, or there are clones of the writer. Both halves are
    /// returned.
    #[allow(clippy::result_large_err, reason = "the halves are returned as they were passed")]
    pub fn reunite(reader: Reader<T, C>, writer: Writer<T, C>) -> Result<Self, Halves<T, C>> {
        if !Arc::ptr_eq(&reader.shared, &writer.shared) || Arc::strong_count(&reader.shared) != 2 {
            return Err((reader, writer));
        }
        let (shared, interest) = (Arc::clone(&writer.shared), writer.interest);
        let input = reader.into_input();
        drop(writer);
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok(Self {
                whole: Box::new(Whole {
                    socket: shared.into_socket(),
                    input,
                }),
            }),
            Err(shared) => {
                let reader = Reader {
                    shared: Arc::clone(&shared),
                    input,
                };
                Err((reader, Writer { shared, interest }))
            }
        }
    }
}

/// The reading half of a [`WebSocket`]. It is a `Stream` of messages.
///
/// It answers Pings and the closing handshake, keeps the deadlines, and writes what a cancelled
/// call of the other half has left.
///
/// An application that only writes must call [`recv`](Self::recv) as well, in a task of its own,
/// until it returns `None`.
pub struct Reader<T, C = ()> {
    shared: Arc<Shared<T, C>>,
    input: Input,
}

/// The writing half of a [`WebSocket`]. It is a `Sink` of messages. Clones write to the same
/// connection, one message at a time.
pub struct Writer<T, C = ()> {
    shared: Arc<Shared<T, C>>,
    /// That of the `Sink`, and of messages that [`send_fragment`](Self::send_fragment) sends. Other
    /// calls have their own.
    interest: Interest,
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

    /// Waits for the next message, to be read as a stream of bytes: see [`WebSocket::reader`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub async fn reader(&mut self) -> Result<Option<MessageReader<'_, T, C>>, Error> {
        let (call, input) = self.reading();
        MessageReader::next(call, input).await
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

    /// Sets the limit on the bytes of a message that is received, from the next message on: see
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

    fn reading(&mut self) -> (Call<'_, T, C>, &mut Input) {
        (Call::new(Access::Half(&self.shared), Interest::Read), &mut self.input)
    }
}

impl<T, C> Reader<T, C> {
    /// Returns what was read, and drops the reader.
    fn into_input(mut self) -> Input {
        let empty = Input::new(self.input.read_at);
        mem::replace(&mut self.input, empty)
    }

    fn socket(&self) -> MutexGuard<'_, Socket<T, C>> {
        self.shared.socket()
    }
}

impl<T: Transport, C: Clock> Writer<T, C> {
    /// Sends a message and waits until it is written: see [`WebSocket::send`]. If the peer sends
    /// much too, the reader must receive meanwhile, in a task of its own.
    ///
    /// Cancelling leaves nothing behind but what [`WebSocket::send`] says.
    ///
    /// # Errors
    /// Those of [`WebSocket::send`].
    pub async fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        let mut call = self.call();
        call.feed(message).await?;
        Ok(call.flush().await?)
    }

    /// Appends a message to the output: see [`WebSocket::feed`]. It is written by the next
    /// [`flush`](Self::flush), or when the reader is polled.
    ///
    /// # Errors
    /// Those of [`WebSocket::feed`].
    pub async fn feed(&self, message: impl AsMessage) -> Result<(), Error> {
        self.call().feed(message).await
    }

    /// Sends a message that was prepared for many connections, and waits until it is written: see
    /// [`WebSocket::send_prepared`].
    ///
    /// # Errors
    /// Those of [`WebSocket::send`].
    pub async fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        let mut call = self.call();
        call.feed_prepared(message).await?;
        Ok(call.flush().await?)
    }

    /// Appends a message that was prepared for many connections to the output: see
    /// [`WebSocket::feed_prepared`].
    ///
    /// # Errors
    /// Those of [`WebSocket::feed`].
    pub async fn feed_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.call().feed_prepared(message).await
    }

    /// Sends one fragment of a message: see [`WebSocket::send_fragment`].
    ///
    /// Until the message has ended, or this writer is dropped, no other writer can send a message
    /// or a fragment: it gets [`SendError::MessageInProgress`].
    ///
    /// # Errors
    /// Those of [`WebSocket::send_fragment`].
    pub async fn send_fragment(&self, kind: MessageKind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.call().fragment(self.sender(), kind, data, fin).await
    }

    /// Begins a message that is written as a stream of bytes: see [`WebSocket::writer`].
    ///
    /// Until the message has ended, or the [`MessageWriter`] is dropped, all writers get
    /// [`SendError::MessageInProgress`] when they send a message.
    ///
    /// # Errors
    /// Those of [`WebSocket::writer`].
    pub fn writer(&self, kind: MessageKind) -> Result<MessageWriter<'_, T, C>, SendError> {
        MessageWriter::begin(self.call(), kind)
    }

    /// Writes the output: see [`WebSocket::flush`].
    ///
    /// # Errors
    /// Those of [`WebSocket::flush`].
    pub async fn flush(&self) -> io::Result<()> {
        self.call().flush().await
    }

    /// Sends a Ping with a payload of at most 125 bytes: see [`WebSocket::ping`].
    ///
    /// # Errors
    /// Those of [`WebSocket::ping`].
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.call().control(|driver| driver.ping(payload)).await
    }

    /// Sends a Pong with a payload of at most 125 bytes: see [`WebSocket::pong`].
    ///
    /// # Errors
    /// Those of [`WebSocket::pong`].
    pub async fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.call().control(|driver| driver.pong(payload)).await
    }

    /// Starts the closing handshake: see [`WebSocket::close`]. The reader returns `None` when it is
    /// complete.
    ///
    /// # Errors
    /// Those of [`WebSocket::close`].
    pub async fn close(&self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.socket().close(code.into(), reason)?;
        Ok(self.flush().await?)
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

    /// Returns how many bytes of output the transport has not taken yet: see
    /// [`WebSocket::pending_bytes`].
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.socket().unwritten_len()
    }

    /// Sets whether messages of all writers are compressed from now on: see
    /// [`WebSocket::set_compression`].
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub fn set_compression(&self, enabled: bool) {
        self.socket().driver.engine.set_compression(enabled);
    }

    fn call(&self) -> Call<'_, T, C> {
        Call::new(Access::Half(&self.shared), self.shared.tasks.new_writer())
    }

    /// Who sends the fragments of this writer.
    const fn sender(&self) -> SenderId {
        self.interest.sender()
    }

    fn socket(&self) -> MutexGuard<'_, Socket<T, C>> {
        self.shared.socket()
    }
}

impl<T, C> Clone for Writer<T, C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            interest: self.shared.tasks.new_writer(),
        }
    }
}

impl<T, C> Drop for Writer<T, C> {
    fn drop(&mut self) {
        self.shared.remove_writer(self.interest);
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

impl<T, C> fmt::Debug for Writer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<T: Transport, C: Clock> Stream for Reader<T, C> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { shared, input } = self.get_mut();
        poll_item(&mut Access::Half(shared), input, cx)
    }
}

impl<M: AsMessage, T: Transport, C: Clock> Sink<M> for Writer<T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_ready(self.interest, cx).map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        // Before the socket is locked: this is code of the application.
        let message = message.as_message();
        Ok(self.socket().append(|driver| driver.feed(message))?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_flush(self.interest, cx).map_err(Into::into)
    }

    /// Sends a Close frame, like that of [`WebSocket`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_close(self.interest, cx)
    }
}
