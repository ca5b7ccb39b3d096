//! A connection in one task.

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{io, time::Instant};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::{Clock, Settings, Transport, socket::Socket, waiting::Interest};
use crate::{
    Chunk, ClientRequest, CloseCode, CloseStatus, Connection, Event, Message,
    adapter::{AsMessage, Error, Parts, driver::Driver, handshake},
    handshake::{Negotiated, Response},
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
    pub(super) socket: Box<Socket<T, C>>,
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Opens a connection as a client over a transport that is connected already.
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The request cannot be sent, the transport fails, or the server violates the protocol,
    /// [refuses](Error::Refused), or takes too long.
    pub async fn client(
        transport: T,
        clock: C,
        request: &ClientRequest,
        settings: impl Into<Settings>,
    ) -> Result<(Self, Response<'static>), Error> {
        let started = clock.now();
        Self::connect(transport, clock, request, &settings.into(), started).await
    }

    /// The time for the opening handshake begins at `started`.
    pub(in crate::adapter) async fn connect(
        transport: T,
        clock: C,
        request: &ClientRequest,
        settings: &Settings,
        started: Instant,
    ) -> Result<(Self, Response<'static>), Error> {
        let driver = Driver::client(request, settings, started)?;
        let mut ws = Self::new(transport, clock, driver);
        loop {
            if let Some(response) = handshake::response(ws.recv_event().await?) {
                return response.map(|response| (ws, response));
            }
        }
    }

    /// Continues a connection whose opening handshake is done, with an engine from
    /// [`Connection::upgraded_server`] or [`Connection::upgraded_client`].
    ///
    /// [`Settings::config`] has no effect: the engine has its own.
    #[must_use]
    pub fn upgraded(transport: T, clock: C, engine: Connection, settings: impl Into<Settings>) -> Self {
        let driver = Driver::upgraded(engine, &settings.into(), clock.now());
        Self::new(transport, clock, driver)
    }

    /// Adds bytes that were read from the transport together with the opening handshake. The
    /// connection processes them before what it reads.
    #[must_use]
    pub fn read_ahead(mut self, bytes: &[u8]) -> Self {
        self.socket.input.append(bytes);
        self
    }

    pub(super) fn new(transport: T, clock: C, driver: Driver) -> Self {
        Self {
            socket: Box::new(Socket::new(transport, clock, driver)),
        }
    }

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
        let call = self.call(Interest::Read);
        poll_fn(move |cx| call.socket.poll_event(cx))
    }

    /// Polls for the next message: see [`recv`](Self::recv).
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'static>>, Error>> {
        self.socket.poll_event(cx)
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
        poll_fn(|cx| self.socket.poll_event(cx)).await
    }

    /// Waits for the next event of any kind: like [`recv`](Self::recv), but also returns Pings,
    /// Pongs and Close frames.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        let call = self.call(Interest::Read);
        poll_fn(|cx| call.socket.poll_event(cx)).await
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
    /// The transport failed, or the connection is closing.
    pub async fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.feed(message).await?;
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
    /// The transport failed, or the connection is closing.
    pub async fn feed(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.ready().await?;
        Ok(self.socket.feed(message.as_message())?)
    }

    /// Writes the output.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// The transport failed.
    pub async fn flush(&mut self) -> io::Result<()> {
        let call = self.call(Interest::Flush);
        poll_fn(|cx| call.socket.poll_flush(Interest::Flush, cx)).await
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
        self.ready().await?;
        self.socket.driver.ping(payload)?;
        Ok(self.flush().await?)
    }

    /// Sends a Pong with a payload of at most 125 bytes: an unsolicited one, or, without
    /// [`auto_pong`](crate::Config::auto_pong), the reply to a Ping.
    ///
    /// Waits for room, and can be cancelled, like [`ping`](Self::ping).
    ///
    /// # Errors
    /// Those of [`ping`](Self::ping).
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.ready().await?;
        self.socket.driver.pong(payload)?;
        Ok(self.flush().await?)
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
        self.socket.close(code.into(), reason)?;
        Ok(self.flush().await?)
    }

    /// Returns the memory of a message to the connection, which uses it for the next message. So a
    /// steady stream of messages allocates nothing. The connection holds the memory, however large.
    pub fn recycle(&mut self, message: Message<'static>) {
        self.socket.driver.recycle(message);
    }

    /// Returns how the connection was closed, or is being closed.
    #[must_use]
    pub fn close_status(&self) -> Option<&CloseStatus> {
        self.socket.driver.engine.close_status()
    }

    /// Returns the round-trip time of the last Ping of
    /// [`Timeouts::ping`](crate::timers::Timeouts::ping) that was answered.
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.socket.driver.timers.round_trip()
    }

    /// Returns what the opening handshake has negotiated: the subprotocol, and the parameters of
    /// permessage-deflate.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        self.socket.driver.engine.negotiated()
    }

    /// Returns the engine and the output, for calls that the adapter does not have. The next call
    /// of the adapter writes the output. Whatever else is appended must be whole frames.
    pub fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        self.socket.engine_mut()
    }

    /// Returns the transport.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.socket.transport
    }

    /// Returns the transport and what the connection holds: the bytes that were read and not
    /// reported, and the output that is not written.
    #[must_use]
    pub fn into_parts(self) -> Parts<T> {
        self.socket.into_parts()
    }
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Waits for room in the output.
    async fn ready(&mut self) -> io::Result<()> {
        let call = self.call(Interest::Ready);
        poll_fn(|cx| call.socket.poll_ready(Interest::Ready, cx)).await
    }

    fn call(&mut self, interest: Interest) -> Call<'_, T, C> {
        Call {
            socket: &mut self.socket,
            interest,
        }
    }
}

/// A call that polls for one interest. Dropped, it does not wait any more.
struct Call<'a, T, C> {
    socket: &'a mut Socket<T, C>,
    interest: Interest,
}

impl<T, C> Drop for Call<'_, T, C> {
    fn drop(&mut self) {
        self.socket.waiting.remove(self.interest);
    }
}

impl<T, C> fmt::Debug for WebSocket<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

impl<T: Transport + Unpin, C: Clock + Unpin> Stream for WebSocket<T, C> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().socket.poll_item(cx)
    }
}

impl<T: Transport + Unpin, C: Clock + Unpin> FusedStream for WebSocket<T, C> {
    fn is_terminated(&self) -> bool {
        self.socket.is_ended()
    }
}

impl<M: AsMessage, T: Transport + Unpin, C: Clock + Unpin> Sink<M> for WebSocket<T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut()
            .socket
            .poll_ready(Interest::Ready, cx)
            .map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        Ok(self.get_mut().socket.feed(message.as_message())?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut()
            .socket
            .poll_flush(Interest::Flush, cx)
            .map_err(Into::into)
    }

    /// Sends a Close frame with code 1000, if none was sent yet. It does not wait for the Close
    /// frame of the peer: the stream does.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().socket.poll_close(Interest::Close, cx)
    }
}
