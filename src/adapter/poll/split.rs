//! Two halves of a connection, for two tasks.

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::{
    io,
    sync::{Mutex, MutexGuard},
};

use futures_core::Stream;
use futures_sink::Sink;

use super::{
    Clock, Transport, WebSocket,
    socket::Socket,
    waiting::{Interest, Tasks},
};
use crate::{
    Chunk, CloseCode, CloseStatus, Event, Message, SendError,
    adapter::{AsMessage, Error, driver::Driver, lock},
    handshake::Negotiated,
};

/// What the halves share.
struct Shared<T, C> {
    /// Locked for one poll at a time, which never blocks.
    socket: Mutex<Box<Socket<T, C>>>,
    /// The tasks that wait for the socket. A dropped future leaves them without the lock: a waker
    /// may be dropped while the socket is locked, and a task with it.
    tasks: Arc<Tasks>,
}

impl<T, C> Shared<T, C> {
    fn socket(&self) -> MutexGuard<'_, Box<Socket<T, C>>> {
        lock(&self.socket)
    }
}

/// A call that polls for one interest. Dropped, it does not wait any more.
struct Call<'a, T, C> {
    shared: &'a Shared<T, C>,
    interest: Interest,
    is_waiting: bool,
}

impl<'a, T, C> Call<'a, T, C> {
    const fn new(shared: &'a Shared<T, C>, interest: Interest) -> Self {
        Self {
            shared,
            interest,
            is_waiting: false,
        }
    }

    fn poll<V>(&mut self, poll: impl FnOnce(&mut Socket<T, C>, Interest) -> Poll<V>) -> Poll<V> {
        let result = poll(&mut self.shared.socket(), self.interest);
        self.is_waiting = result.is_pending();
        result
    }
}

impl<T, C> Drop for Call<'_, T, C> {
    fn drop(&mut self) {
        if self.is_waiting {
            self.shared.tasks.remove(self.interest);
        }
    }
}

impl<T: Transport, C: Clock> Call<'_, T, C> {
    async fn feed(&mut self, message: impl AsMessage) -> Result<(), Error> {
        poll_fn(|cx| {
            self.poll(|socket, interest| {
                // Under one lock: another writer could take the room.
                ready!(socket.poll_ready(interest, cx))?;
                Poll::Ready(Ok(socket.feed(message.as_message())?))
            })
        })
        .await
    }

    async fn control(&mut self, append: impl Fn(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        poll_fn(|cx| {
            self.poll(|socket, interest| {
                ready!(socket.poll_ready(interest, cx))?;
                Poll::Ready(append(&mut socket.driver).map_err(Error::from))
            })
        })
        .await?;
        Ok(self.flush().await?)
    }

    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll(|socket, interest| socket.poll_flush(interest, cx))).await
    }
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Splits the connection into two halves for two tasks.
    #[must_use]
    pub fn split(mut self) -> (Reader<T, C>, Writer<T, C>) {
        let tasks = self.socket.waiting.share();
        let sink_interest = tasks.new_writer();
        let shared = Arc::new(Shared {
            socket: Mutex::new(self.socket),
            tasks,
        });
        let reader = Reader {
            shared: Arc::clone(&shared),
        };
        (reader, Writer { shared, sink_interest })
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
}

/// The writing half of a [`WebSocket`]. It is a `Sink` of messages. Clones write to the same
/// connection, one message at a time.
pub struct Writer<T, C = ()> {
    shared: Arc<Shared<T, C>>,
    /// That of the `Sink`. Calls have their own.
    sink_interest: Interest,
}

impl<T: Transport, C: Clock> Reader<T, C> {
    /// Waits for the next message: see [`WebSocket::recv`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message<'static>>, Error>> {
        let mut call = Call::new(&self.shared, Interest::Read);
        poll_fn(move |cx| call.poll(|socket, _| socket.poll_event(cx)))
    }

    /// Waits for the next piece of a message: see [`WebSocket::recv_chunk`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk<'static>>, Error> {
        let mut call = Call::new(&self.shared, Interest::Read);
        poll_fn(|cx| call.poll(|socket, _| socket.poll_event(cx))).await
    }

    /// Waits for the next event of any kind: see [`WebSocket::recv_event`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub async fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        let mut call = Call::new(&self.shared, Interest::Read);
        poll_fn(|cx| call.poll(|socket, _| socket.poll_event(cx))).await
    }

    /// Returns the memory of a message to the connection: see [`WebSocket::recycle`].
    pub fn recycle(&mut self, message: Message<'static>) {
        self.socket().driver.recycle(message);
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

    fn socket(&self) -> MutexGuard<'_, Box<Socket<T, C>>> {
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

    fn call(&self) -> Call<'_, T, C> {
        Call::new(&self.shared, self.shared.tasks.new_writer())
    }

    fn socket(&self) -> MutexGuard<'_, Box<Socket<T, C>>> {
        self.shared.socket()
    }
}

impl<T, C> Clone for Writer<T, C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            sink_interest: self.shared.tasks.new_writer(),
        }
    }
}

impl<T, C> Drop for Writer<T, C> {
    fn drop(&mut self) {
        self.shared.tasks.remove(self.sink_interest);
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
        self.socket().poll_item(cx)
    }
}

impl<M: AsMessage, T: Transport, C: Clock> Sink<M> for Writer<T, C> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_ready(self.sink_interest, cx).map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        Ok(self.socket().feed(message.as_message())?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_flush(self.sink_interest, cx).map_err(Into::into)
    }

    /// Sends a Close frame, like that of [`WebSocket`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket().poll_close(self.sink_interest, cx)
    }
}
