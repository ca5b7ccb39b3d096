//! A connection in one task.

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::io;

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::{Clock, Settings, Transport, socket::Socket};
use crate::{
    ClientRequest, CloseCode, Closure, Connection, Event, Response,
    adapter::{AsMessage, Error, Message, driver::Driver, handshake},
};

/// A WebSocket over a [`Transport`].
///
/// It delivers whole messages, and answers pings and the closing handshake while it [receives](Self::recv). Deadlines are
/// kept by whatever call waits; so there should be one that does, and that is `recv`.
///
/// When the connection has ended, the call that reports it closes the transport in an orderly way first (RFC 6455, section
/// 7.1.1), within [`Timeouts::close`](crate::timers::Timeouts::close).
///
/// It is a `Stream` of messages, which ends after the first error, and a `Sink` for them.
pub struct WebSocket<T, C = ()> {
    /// In one place, however often the connection moves from future to future.
    pub(super) socket: Box<Socket<T, C>>,
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Opens a connection as a client.
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The request cannot be sent, the transport fails, the server breaks the protocol, [refuses](Error::Refused) or takes
    /// too long.
    pub async fn client(
        transport: T,
        clock: C,
        request: &ClientRequest,
        settings: impl Into<Settings>,
    ) -> Result<(Self, Response<'static>), Error> {
        let driver = Driver::client(request, &settings.into(), clock.now())?;
        let mut ws = Self::new(transport, clock, driver);
        loop {
            if let Some(response) = handshake::response(ws.recv_event().await?) {
                return response.map(|response| (ws, response));
            }
        }
    }

    /// Goes on with a connection whose handshake is done, with an [engine that was upgraded](Connection::upgraded). Of the
    /// settings, those of the engine have no effect any more.
    #[must_use]
    pub fn upgraded(transport: T, clock: C, engine: Connection, settings: impl Into<Settings>) -> Self {
        let driver = Driver::upgraded(engine, &settings.into(), clock.now());
        Self::new(transport, clock, driver)
    }

    /// What whoever did the handshake has read from the transport beyond it: it comes before what is read from now on.
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

    /// Waits for the next message. `None`: the connection was closed in an orderly way, as [`closure`](Self::closure)
    /// says, or its error was returned before.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// The transport failed, or ended without a closing handshake; the peer broke the protocol, or was silent for too long.
    // Not an `async fn`, whose future would move every message once more.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// [`recv`](Self::recv) for those who poll.
    ///
    /// # Errors
    /// As `recv`.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        poll_message(&mut self.socket, cx)
    }

    /// Waits for the next event of any kind: as [`recv`](Self::recv), but Ping, Pong and Close are reported too.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        poll_fn(|cx| self.socket.poll_event(cx)).await
    }

    /// Sends a message and waits until it is written.
    ///
    /// Cancelled while it waits for room, it has sent nothing; later, the message is in the output and leaves with
    /// the next call. Who has to know which takes [`feed`](Self::feed) and [`flush`](Self::flush).
    ///
    /// # Errors
    /// The transport failed, or the connection is closing.
    pub async fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.feed(message).await?;
        Ok(self.flush().await?)
    }

    /// Puts a message into the output, once that is below [`Settings::high_water`]. It leaves with the next
    /// [`flush`](Self::flush), or before [`recv`](Self::recv) waits.
    ///
    /// Cancelled, it has put nothing there.
    ///
    /// # Errors
    /// The transport failed, or the connection is closing.
    pub async fn feed(&mut self, message: impl AsMessage) -> Result<(), Error> {
        poll_fn(|cx| self.socket.poll_ready(cx)).await?;
        Ok(self.socket.feed(message.as_message())?)
    }

    /// Writes what is in the output.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// The transport failed.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.socket.poll_flush(cx)).await
    }

    /// Sends a Ping with at most 125 bytes. For keeping a connection alive there are
    /// [`Timeouts`](crate::timers::Timeouts).
    ///
    /// Cancelled, it is in the output and leaves with the next call.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or the payload is too long.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let driver = &mut self.socket.driver;
        driver.engine.ping(payload, &mut driver.output.buf)?;
        Ok(self.flush().await?)
    }

    /// Sends a Pong with at most 125 bytes, unsolicited or, with manual replies, as an answer.
    ///
    /// Cancelled, it is in the output and leaves with the next call.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        let driver = &mut self.socket.driver;
        driver.engine.pong(payload, &mut driver.output.buf)?;
        Ok(self.flush().await?)
    }

    /// Begins the closing handshake. Go on with [`recv`](Self::recv) until it returns `None`.
    ///
    /// Cancelled, the Close is in the output and leaves with the next call.
    ///
    /// # Errors
    /// The transport failed, the connection is closing already, or the code or reason may not be sent.
    pub async fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        let now = self.socket.now();
        self.socket.driver.close(code.into(), reason, now)?;
        Ok(self.flush().await?)
    }

    /// Gives the memory of a message back, so that a steady stream of messages allocates nothing. The connection holds
    /// it, however large, until the next message takes it.
    pub fn recycle(&mut self, message: Message) {
        self.socket.driver.recycle(message);
    }

    /// How the connection was closed, or is being closed.
    #[must_use]
    pub fn closure(&self) -> Option<&Closure> {
        self.socket.driver.engine.closure()
    }

    /// The time that the peer took to answer the last Ping of [`Timeouts::ping`](crate::timers::Timeouts::ping).
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.socket.driver.timers.round_trip()
    }

    /// The engine and the output, for everything that has no method here. The output is written with the next call.
    pub fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        let driver = &mut self.socket.driver;
        driver.output.trim();
        (&mut driver.engine, &mut driver.output.buf)
    }

    /// The transport.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.socket.transport
    }

    /// The transport, and what was read from it and not processed, as [`Parts::unread`](crate::Parts::unread) has it.
    /// Output that is not written is lost: [`flush`](Self::flush) first.
    #[must_use]
    pub fn into_parts(self) -> (T, Vec<u8>) {
        self.socket.into_parts()
    }
}

/// The next message; other events have done what they had to.
pub(super) fn poll_message<T: Transport, C: Clock>(
    socket: &mut Socket<T, C>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Message>, Error>> {
    socket.poll_event(cx)
}

impl<T, C> fmt::Debug for WebSocket<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

impl<T: Transport + Unpin, C: Clock + Unpin> Stream for WebSocket<T, C> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx).map(Result::transpose)
    }
}

impl<T: Transport + Unpin, C: Clock + Unpin> FusedStream for WebSocket<T, C> {
    fn is_terminated(&self) -> bool {
        self.socket.is_over()
    }
}

impl<M: AsMessage, T: Transport + Unpin, C: Clock + Unpin> Sink<M> for WebSocket<T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().socket.poll_ready(cx).map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        Ok(self.get_mut().socket.feed(message.as_message())?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().socket.poll_flush(cx).map_err(Into::into)
    }

    /// Sends a Close with 1000, if none was sent yet. The peer's answer is for the stream to wait for.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().socket.poll_close(cx)
    }
}
