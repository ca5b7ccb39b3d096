//! A connection in one task.

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};
use std::io;

#[cfg(doc)]
use super::Settings;
use super::{
    Clock, Transport,
    access::{Access, Unsplit},
    call::Call,
    input::Input,
    read_loop::poll_receive,
    waiting::Interest,
};
use crate::{
    Chunk, CloseCode, CloseStatus, Connection, Event, Message, PreparedMessage,
    adapter::{AsMessage, Batch, Error, Parts, take::Owned},
    handshake::Negotiated,
};

/// A WebSocket over a [`Transport`].
///
/// It delivers whole messages, or [chunks](Self::recv_chunk), and answers Pings and the closing
/// handshake while it [receives](Self::recv). An application that sends its own replies uses
/// [`recv_event`](Self::recv_event).
///
/// **Deadlines.** Every call that waits keeps [`Settings::timeouts`]. So one call should always
/// wait, and that is `recv`.
///
/// **The end.** The call that reports the end of the connection closes the transport first, as RFC
/// 6455, section 7.1.1, demands. It waits for the peer for at most
/// [`Timeouts::close`](crate::timers::Timeouts::close).
///
/// It is also a `Stream` of messages, which ends after the first error, and a `Sink` of messages.
///
/// ```
/// use sockless::{ProtocolError, adapter::{Error, poll::{Clock, Transport, WebSocket}}};
///
/// async fn echo<T: Transport, C: Clock>(mut ws: WebSocket<T, C>) -> Result<(), Error> {
///     loop {
///         match ws.recv().await {
///             Ok(Some(message)) => ws.feed(message).await?, // `recv` writes it before it waits
///             Ok(None) => break, // both have sent a Close frame, and the peer's is a success
///             // The peer has sent none.
///             Err(Error::Protocol(error)) if *error == ProtocolError::UnexpectedEof => break,
///             Err(error) => return Err(error),
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct WebSocket<T, C = ()> {
    /// Boxed, because a future reserves memory for every place that a value moves through.
    pub(super) unsplit: Box<Unsplit<T, C>>,
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Waits for the next message. `None`: the connection [ended well](CloseStatus::is_success),
    /// and [`close_status`](Self::close_status) has the details; or its error was returned before.
    ///
    /// Before it waits, it writes the output, including all messages that were [fed](Self::feed).
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// The transport failed or ended without a Close frame, or the peer violated the protocol, was
    /// silent for too long, or [closed](Error::Closed) with a code that is no success.
    // Not an `async fn`, whose future would move every message once more.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message<'static>>, Error>> {
        let (call, input) = self.reading();
        call.receive(input)
    }

    /// Polls for the next message: see [`recv`](Self::recv).
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'static>>, Error>> {
        let Unsplit { socket, input } = &mut *self.unsplit;
        poll_receive(&mut Access::Unsplit(socket), input, cx, Owned::new())
    }

    /// Waits for the next message and passes it to `function`. A message in one frame that lies
    /// whole in what one read has brought is borrowed from it, neither copied nor allocated. Any
    /// other is owned, such as one in fragments or a compressed one.
    ///
    /// `None` is that of [`recv`](Self::recv): `function` was not called.
    ///
    /// Cancelling loses nothing.
    ///
    /// ```
    /// use sockless::{Message, adapter::{Error, poll::{Clock, Transport, WebSocket}}};
    ///
    /// async fn sum<T: Transport, C: Clock>(mut ws: WebSocket<T, C>) -> Result<usize, Error> {
    ///     let mut sum = 0;
    ///     while let Some(len) = ws.recv_with(|message: Message<'_>| message.len()).await? {
    ///         sum += len;
    ///     }
    ///     Ok(sum)
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub fn recv_with<R>(
        &mut self,
        function: impl FnOnce(Message<'_>) -> R,
    ) -> impl Future<Output = Result<Option<R>, Error>> {
        let (call, input) = self.reading();
        call.receive_with(input, function)
    }

    /// Waits for messages and passes each that one read has brought to `function`, borrowed as by
    /// [`recv_with`](Self::recv_with), with the output for its answers: the fastest way to receive
    /// and to answer many short messages.
    ///
    /// Returns how many messages `function` was passed, at least one. `None` is that of
    /// [`recv`](Self::recv). The answers are written by the next call that receives, before it
    /// waits, or by the next [`flush`](Self::flush).
    ///
    /// A batch ends early where an error is found, which the next call reports; after
    /// [`Batch::stop`]; and while more than [`Settings::high_water`] bytes are unwritten: the next
    /// call waits until they are written before it passes another message, and does not read
    /// meanwhile, see [`send`](Self::send). So the memory for the answers is bounded by that
    /// setting and the answer to one message.
    ///
    /// Cancelled, it has passed no message.
    ///
    /// ```
    /// use sockless::adapter::{Error, poll::{Clock, Transport, WebSocket}};
    ///
    /// async fn echo<T: Transport, C: Clock>(mut ws: WebSocket<T, C>) -> Result<(), Error> {
    ///     while ws.recv_batch(|message, batch| batch.feed(message)).await?.is_some() {}
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv), and that of `function`, which ends the call: the messages
    /// after it are left for the next one.
    pub fn recv_batch(
        &mut self,
        function: impl FnMut(Message<'_>, &mut Batch<'_>) -> Result<(), Error>,
    ) -> impl Future<Output = Result<Option<usize>, Error>> {
        let (call, input) = self.reading();
        call.receive_batch(input, function)
    }

    /// Waits for the next piece of a message, as it arrives: for messages that are large or without
    /// end, in the memory of one read.
    ///
    /// With [`Delivery::Chunks`](crate::Delivery::Chunks), set by
    /// [`Config::delivery`](crate::Config::delivery). With
    /// [`Delivery::Messages`](crate::Delivery::Messages), each whole message is one chunk. `None`
    /// is that of [`recv`](Self::recv).
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk<'static>>, Error> {
        let (call, input) = self.reading();
        call.receive(input).await
    }

    /// Waits for the next event of any kind: like [`recv`](Self::recv), but also returns Pings,
    /// Pongs and Close frames.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        let (call, input) = self.reading();
        call.receive(input).await
    }

    /// Sends a message and waits until it is written.
    ///
    /// It does not receive while it waits. Two peers that both send more than their transports
    /// buffer, and receive only after that, wait for each other until a Ping is not answered in
    /// time. Where that can happen, [`split`](Self::split) the connection, and send and receive in
    /// two tasks. For a single message, [`feed`](Self::feed) and then [`recv`](Self::recv) is
    /// enough: `recv` writes while it waits.
    ///
    /// Cancelled while it waits for room in the output, it has sent nothing. Cancelled later, the
    /// message is in the output, and the next call writes it. [`feed`](Self::feed) and
    /// [`flush`](Self::flush) tell the two apart.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or a message in fragments is in progress
    /// ([`SendError::MessageInProgress`](crate::SendError::MessageInProgress)).
    pub async fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.call(Interest::Ready).send(message).await?;
        Ok(self.flush().await?)
    }

    /// Appends a message to the output. Waits while more than [`Settings::high_water`] bytes are
    /// there, and does not receive meanwhile: see [`send`](Self::send).
    ///
    /// The next [`flush`](Self::flush) writes it, or [`recv`](Self::recv) before it waits. So a
    /// server that feeds its responses answers all messages of one read with one write.
    ///
    /// Cancelled, it has appended nothing.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or a message in fragments is in progress
    /// ([`SendError::MessageInProgress`](crate::SendError::MessageInProgress)).
    // Not an `async fn`, which takes longer than appending a short message.
    pub fn feed(&mut self, message: impl AsMessage) -> impl Future<Output = Result<(), Error>> {
        let mut call = self.call(Interest::Ready);
        poll_fn(move |cx| call.poll_feed(cx, &message))
    }

    /// Sends a message that was prepared for many connections, and waits until it is written: see
    /// [`Connection::send_prepared`].
    ///
    /// Waits for room, and can be cancelled, like [`send`](Self::send).
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.call(Interest::Ready).send_prepared(message).await?;
        Ok(self.flush().await?)
    }

    /// Appends a message that was prepared for many connections to the output, as
    /// [`feed`](Self::feed) does with others.
    ///
    /// Cancelled, it has appended nothing.
    ///
    /// # Errors
    /// Those of [`feed`](Self::feed).
    pub async fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.call(Interest::Ready).feed_prepared(message).await
    }

    /// Writes the output.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// The transport failed. Any error ends the writing, also `WriteZero`.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.call(Interest::Flush).flush().await
    }

    /// Sends a Ping with a payload of at most 125 bytes. To keep a connection alive, use
    /// [`Timeouts`](crate::timers::Timeouts).
    ///
    /// Waits while more than [`Settings::high_water`] bytes are in the output. Cancelled then, it
    /// has sent nothing. Cancelled later, the Ping is in the output, and the next call writes it.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or the payload is too long.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.call(Interest::Ready).control(|driver| driver.ping(payload)).await
    }

    /// Sends a Pong with a payload of at most 125 bytes: an unsolicited one, or, without
    /// [`auto_pong`](crate::Config::auto_pong), the reply to a Ping.
    ///
    /// Waits for room, and can be cancelled, like [`ping`](Self::ping).
    ///
    /// # Errors
    /// Those of [`ping`](Self::ping).
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.call(Interest::Ready).control(|driver| driver.pong(payload)).await
    }

    /// Starts the closing handshake. Call [`recv`](Self::recv) until it returns `None` to complete
    /// it.
    ///
    /// Cancelled, the Close frame is in the output, and the next call writes it.
    ///
    /// # Errors
    /// The transport failed, the connection is closing already, or the code or the reason may not
    /// be sent.
    pub async fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.unsplit.socket.close(code.into(), reason)?;
        Ok(self.flush().await?)
    }

    /// Returns the memory of a message to the connection, which uses it for the next message. So a
    /// steady stream of messages allocates nothing. The connection holds the memory, however large.
    pub fn recycle(&mut self, message: Message<'static>) {
        self.unsplit.socket.driver.recycle(message);
    }

    /// Returns how the connection was closed, or is being closed.
    #[must_use]
    pub fn close_status(&self) -> Option<&CloseStatus> {
        self.unsplit.socket.driver.engine.close_status()
    }

    /// Returns the round-trip time of the last Ping of
    /// [`Timeouts::ping`](crate::timers::Timeouts::ping) that was answered.
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.unsplit.socket.driver.timers.round_trip()
    }

    /// Returns what the opening handshake has negotiated: the subprotocol, and the parameters of
    /// permessage-deflate.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        self.unsplit.socket.driver.engine.negotiated()
    }

    /// Sets the largest message to receive, in bytes, from the next message on: see
    /// [`Connection::set_max_message_size`].
    pub const fn set_max_message_size(&mut self, bytes: u64) {
        self.unsplit.socket.driver.engine.set_max_message_size(bytes);
    }

    /// Sets whether messages are compressed from now on: see
    /// [`Connection::set_compression`].
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub const fn set_compression(&mut self, enabled: bool) {
        self.unsplit.socket.driver.engine.set_compression(enabled);
    }

    /// Returns how many bytes of output the transport has not taken yet, with those that were only
    /// [fed](Self::feed): a measure of a slow peer.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.unsplit.socket.unwritten_len()
    }

    /// Returns the engine and the output, for calls that the adapter does not have. The next call
    /// of the adapter writes the output. Whatever else is appended must be whole frames. A Ping
    /// that is sent so does not count for [`Timeouts`](crate::timers::Timeouts).
    pub fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        self.unsplit.socket.engine_mut()
    }

    /// Returns the transport.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.unsplit.socket.transport
    }

    /// Returns the transport and what the connection holds: the bytes that were read and not
    /// reported, and the output that is not written.
    #[must_use]
    pub fn into_parts(self) -> Parts<T> {
        self.unsplit.socket.into_parts(&self.unsplit.input)
    }
}

impl<T, C> WebSocket<T, C> {
    /// Returns a call that reads, and what it reads to.
    pub(super) fn reading(&mut self) -> (Call<'_, T, C>, &mut Input) {
        let Unsplit { socket, input } = &mut *self.unsplit;
        (Call::new(Access::Unsplit(socket), Interest::Read), input)
    }

    pub(super) fn call(&mut self, interest: Interest) -> Call<'_, T, C> {
        Call::new(Access::Unsplit(&mut self.unsplit.socket), interest)
    }
}

impl<T, C> fmt::Debug for WebSocket<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
