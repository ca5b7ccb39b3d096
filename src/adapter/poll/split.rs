//! Two halves of a connection for two tasks.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_core::Stream;
use futures_sink::Sink;

use super::{Clock, Transport, WebSocket, socket::Socket, websocket::poll_message};
use crate::{
    CloseCode, Closure, Connection, Event, SendError,
    adapter::{AsMessage, Error, Message},
};

/// Locked for computing only: nothing in it waits.
type Shared<T, C> = Arc<Mutex<Box<Socket<T, C>>>>;

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Splits into two halves that work from two tasks.
    #[must_use]
    pub fn split(mut self) -> (Reader<T, C>, Writer<T, C>) {
        self.socket.share();
        let shared = Arc::new(Mutex::new(self.socket));
        let reader = Reader {
            shared: Arc::clone(&shared),
        };
        (reader, Writer { shared })
    }
}

/// The reading half of a [`WebSocket`].
///
/// It answers pings and the closing handshake, keeps the deadlines, and writes what the other half was cancelled at. Those who
/// only write have to read all the same: in a task of its own, until it returns `None`.
pub struct Reader<T, C = ()> {
    shared: Shared<T, C>,
}

/// The writing half of a [`WebSocket`]. Clones write to the same connection, a message at a time.
pub struct Writer<T, C = ()> {
    shared: Shared<T, C>,
}

impl<T: Transport, C: Clock> Reader<T, C> {
    /// Waits for the next message: see [`WebSocket::recv`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|cx| poll_message(&mut lock(&self.shared), cx))
    }

    /// Waits for the next event of any kind: see [`WebSocket::recv_event`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        poll_fn(|cx| lock(&self.shared).poll_event(cx)).await
    }

    /// Gives the memory of a message back: see [`WebSocket::recycle`].
    pub fn recycle(&mut self, message: Message) {
        lock(&self.shared).driver.recycle(message);
    }

    /// How the connection was closed, or is being closed.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        lock(&self.shared).driver.engine.closure().cloned()
    }

    /// See [`WebSocket::round_trip`].
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        lock(&self.shared).driver.timers.round_trip()
    }
}

impl<T: Transport, C: Clock> Writer<T, C> {
    /// Sends a message and waits until it is written: see [`WebSocket::send`].
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub async fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        self.feed(message).await?;
        Ok(self.flush().await?)
    }

    /// Puts a message into the output: see [`WebSocket::feed`]. It leaves with the next [`flush`](Self::flush), or when
    /// the reader is next polled.
    ///
    /// # Errors
    /// As [`WebSocket::feed`].
    pub async fn feed(&self, message: impl AsMessage) -> Result<(), Error> {
        poll_fn(|cx| {
            let mut socket = lock(&self.shared);
            // In one go: another writer might take the room.
            match socket.poll_ready(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(socket.feed(message.as_message()).map_err(Error::from)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Writes what is in the output: see [`WebSocket::flush`].
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub async fn flush(&self) -> io::Result<()> {
        poll_fn(|cx| lock(&self.shared).poll_flush(cx)).await
    }

    /// Sends a Ping with at most 125 bytes: see [`WebSocket::ping`].
    ///
    /// # Errors
    /// As [`WebSocket::ping`].
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|engine, out| engine.ping(payload, out)).await
    }

    /// Sends a Pong with at most 125 bytes: see [`WebSocket::pong`].
    ///
    /// # Errors
    /// As [`WebSocket::pong`].
    pub async fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|engine, out| engine.pong(payload, out)).await
    }

    /// Begins the closing handshake; the reader returns `None` when it is complete. See [`WebSocket::close`].
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    pub async fn close(&self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        {
            let mut socket = lock(&self.shared);
            let now = socket.now();
            socket.driver.close(code.into(), reason, now)?;
            // There is another deadline now.
            socket.wake_others();
        }
        Ok(self.flush().await?)
    }

    async fn command(
        &self,
        command: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        {
            let driver = &mut lock(&self.shared).driver;
            command(&mut driver.engine, &mut driver.output.buf)?;
        }
        Ok(self.flush().await?)
    }
}

impl<T, C> Clone for Writer<T, C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
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
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll_message(&mut lock(&self.shared), cx).map(Result::transpose)
    }
}

impl<M: AsMessage, T: Transport, C: Clock> Sink<M> for Writer<T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        lock(&self.shared).poll_ready(cx).map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        Ok(lock(&self.shared).feed(message.as_message())?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        lock(&self.shared).poll_flush(cx).map_err(Into::into)
    }

    /// As that of [`WebSocket`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        lock(&self.shared).poll_close(cx)
    }
}

/// A panic elsewhere leaves the engine in a state it can go on from: each call completes before the lock is released.
fn lock<T, C>(shared: &Shared<T, C>) -> MutexGuard<'_, Box<Socket<T, C>>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
