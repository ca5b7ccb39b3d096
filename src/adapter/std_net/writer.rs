//! The writing half of a connection.

use alloc::sync::Arc;
use core::fmt;
use std::{
    io::{self, Write},
    sync::MutexGuard,
    time::Instant,
};

#[cfg(doc)]
use super::WebSocket;
use super::{access::Core, shared::Shared};
use crate::{
    CloseCode, CloseStatus, MessageKind, PreparedMessage, SendError,
    adapter::{
        AsMessage, Error,
        driver::{Outgoing, SenderId},
        lock,
    },
    handshake::Negotiated,
};

/// The writing half of a [`WebSocket`]. Clones write to the same connection, one message at a time.
///
/// ```
/// use std::{net::TcpStream, thread};
/// use sockless::{CloseCode, adapter::{Error, std_net::WebSocket}};
///
/// fn converse(ws: WebSocket<TcpStream>) -> Result<(), Error> {
///     let (mut reader, writer) = ws.split()?;
///     let sender = thread::spawn(move || -> Result<(), Error> {
///         writer.send("hello")?;
///         writer.close(CloseCode::NORMAL, "")
///     });
///     while let Some(message) = reader.recv()? {
///         println!("{message}");
///     }
///     sender.join().expect("no panic")
/// }
/// ```
pub struct Writer<W> {
    pub(super) shared: Arc<Shared<W>>,
    /// That of the fragments which this handle sends.
    id: SenderId,
}

impl<W> Writer<W> {
    pub(super) fn new(shared: Arc<Shared<W>>) -> Self {
        let id = lock(&shared.core).new_sender();
        Self { shared, id }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.shared.core)
    }
}

impl<W: Write> Writer<W> {
    /// Sends a message and waits until it is written. If the peer sends much too, the reader must
    /// receive meanwhile, in a thread of its own.
    ///
    /// # Errors
    /// Those of [`WebSocket::send`]. After a timeout or `WriteZero`, continue with
    /// [`flush`](Self::flush).
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        // Called before the core is locked: this is code of the application.
        let message = message.as_message();
        self.shared.send(&Outgoing::Message(message))
    }

    /// Appends a message to the output, and does not wait: see [`WebSocket::feed`]. The next
    /// [`flush`](Self::flush) or [`send`](Self::send) of any clone writes it, or the reader before
    /// it waits.
    ///
    /// # Errors
    /// Those of [`WebSocket::feed`].
    pub fn feed(&self, message: impl AsMessage) -> Result<(), SendError> {
        let message = message.as_message();
        self.core().driver.feed(message)
    }

    /// Sends a message that was prepared for many connections: see [`WebSocket::send_prepared`].
    ///
    /// # Errors
    /// Those of [`WebSocket::send`].
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.shared.send(&Outgoing::Prepared(message))
    }

    /// Appends a message that was prepared for many connections to the output: see
    /// [`feed`](Self::feed).
    ///
    /// # Errors
    /// Those of [`WebSocket::feed`].
    pub fn feed_prepared(&self, message: &PreparedMessage) -> Result<(), SendError> {
        self.core().driver.feed_prepared(message)
    }

    /// Sends one fragment of a message: see [`WebSocket::send_fragment`].
    ///
    /// Only the clone that has begun a message can continue it. Until it is complete, the calls of
    /// the others that send messages fail with [`SendError::MessageInProgress`]; those that send
    /// control frames do not.
    ///
    /// # Errors
    /// Those of [`WebSocket::send_fragment`].
    pub fn send_fragment(&self, kind: MessageKind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.shared.make_room()?;
        self.shared.command(|driver| driver.fragment(self.id, kind, data, fin))
    }

    /// Writes what was fed, and what an interrupted call has left.
    ///
    /// # Errors
    /// Those of [`WebSocket::flush`].
    pub fn flush(&self) -> io::Result<()> {
        self.shared.flush_with_replies()
    }

    /// Sends a Ping with a payload of at most 125 bytes.
    ///
    /// # Errors
    /// Those of [`WebSocket::ping`].
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.shared.make_room()?;
        self.shared.command(|driver| driver.ping(payload))
    }

    /// Sends a Pong with a payload of at most 125 bytes: see [`WebSocket::pong`].
    ///
    /// # Errors
    /// Those of [`WebSocket::ping`].
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.shared.make_room()?;
        self.shared.command(|driver| driver.pong(payload))
    }

    /// Starts the closing handshake, after a write in progress. The reader returns `None` when it
    /// is complete.
    ///
    /// # Errors
    /// Those of [`WebSocket::close`].
    pub fn close(&self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.shared
            .command(|driver| driver.close(code.into(), reason, Instant::now()))
    }

    /// Sets whether messages are compressed from now on: see [`WebSocket::set_compression`].
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub fn set_compression(&self, enabled: bool) {
        self.core().driver.engine.set_compression(enabled);
    }

    /// Returns how many bytes of output the transport has not taken yet: see
    /// [`WebSocket::pending_bytes`]. It does not wait for a thread that writes.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.core().pending_bytes()
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
}

impl<W> Clone for Writer<W> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<W> Drop for Writer<W> {
    fn drop(&mut self) {
        self.core().driver.abandon_message(self.id);
    }
}

impl<W> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
