//! The writing half of a connection.

use alloc::sync::Arc;
use core::fmt;
use std::{io, sync::MutexGuard};

#[cfg(doc)]
use super::WebSocket;
use super::{
    Clock, Transport,
    access::{Access, Shared},
    call::Call,
    socket::Socket,
    waiting::Interest,
};
use crate::{
    CloseCode, CloseStatus, MessageKind, PreparedMessage,
    adapter::{AsMessage, Error, driver::SenderId},
    handshake::Negotiated,
};

/// The writing half of a [`WebSocket`]. It is a `Sink` of messages. Clones write to the same
/// connection, one message at a time.
///
/// ```
/// use sockless::{CloseCode, adapter::{Error, poll::{Clock, Transport, WebSocket}}};
///
/// /// Returns two futures for two tasks, such as those of `tokio::spawn`.
/// fn converse<T: Transport, C: Clock>(
///     ws: WebSocket<T, C>,
/// ) -> (impl Future<Output = Result<(), Error>>, impl Future<Output = Result<(), Error>>) {
///     let (mut reader, writer) = ws.split();
///     let receive = async move {
///         while let Some(message) = reader.recv().await? {
///             println!("{message}");
///         }
///         Ok(())
///     };
///     let send = async move {
///         writer.send("hello").await?;
///         writer.close(CloseCode::NORMAL, "").await // `receive` ends when the peer has answered
///     };
///     (receive, send)
/// }
/// ```
pub struct Writer<T, C = ()> {
    pub(super) shared: Arc<Shared<T, C>>,
    /// That of the `Sink`, and of messages that [`send_fragment`](Self::send_fragment) sends. Other
    /// calls have their own.
    pub(super) interest: Interest,
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
        call.send(message).await?;
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
        call.send_prepared(message).await?;
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
    /// or a fragment: it gets
    /// [`SendError::MessageInProgress`](crate::SendError::MessageInProgress).
    ///
    /// # Errors
    /// Those of [`WebSocket::send_fragment`].
    pub async fn send_fragment(&self, kind: MessageKind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.call().fragment(self.sender(), kind, data, fin).await
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

    pub(super) fn call(&self) -> Call<'_, T, C> {
        Call::new(Access::Half(&self.shared), self.shared.tasks.new_writer())
    }

    /// Who sends the fragments of this writer.
    const fn sender(&self) -> SenderId {
        self.interest.sender()
    }

    pub(super) fn socket(&self) -> MutexGuard<'_, Socket<T, C>> {
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

impl<T, C> fmt::Debug for Writer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
