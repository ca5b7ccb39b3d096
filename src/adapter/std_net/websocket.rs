//! A connection in one thread.

use alloc::vec::Vec;
use core::{fmt, time::Duration};
use std::{
    io::{self, Read, Write},
    time::Instant,
};

#[cfg(doc)]
use super::Settings;
use super::{
    access::Core,
    read_loop::{Duplex, ReadLoop},
    unsplit::Unsplit,
    write_loop::WriteLoop,
};
use crate::{
    Chunk, CloseCode, CloseStatus, Connection, Event, Message, PreparedMessage, SendError,
    adapter::{
        AsMessage, Batch, Error, Parts,
        driver::{Driver, Outgoing},
    },
    handshake::Negotiated,
};

/// A blocking WebSocket over any stream.
///
/// It delivers whole messages, or [chunks](Self::recv_chunk), and answers Pings and the closing
/// handshake while it [receives](Self::recv). An application that sends its own replies uses
/// [`recv_event`](Self::recv_event).
///
/// **Deadlines.** Over TCP, every call that waits keeps [`Settings::timeouts`]: it sets the
/// timeouts of the socket. Timeouts that the application has set on the socket limit a single call,
/// which then fails with `WouldBlock` or `TimedOut` and can be repeated. Over other streams, the
/// deadlines are checked when a read or a write returns: the application must make sure that it
/// returns.
///
/// **The end.** Over TCP, the call that reports the end of the connection closes the stream first,
/// as RFC 6455, section 7.1.1, demands. It waits for the peer for at most
/// [`Timeouts::close`](crate::timers::Timeouts::close).
///
/// ```no_run
/// use std::net::TcpListener;
/// use sockless::{ProtocolError, adapter::{Error, std_net}};
///
/// let (tcp, _) = TcpListener::bind("127.0.0.1:9001")?.accept()?;
/// let mut ws = std_net::accept(tcp)?;
/// loop {
///     match ws.recv() {
///         Ok(Some(message)) => ws.send(message)?,
///         // Both sides have sent a Close frame, and the client's code is a success.
///         Ok(None) => break,
///         Err(Error::Protocol(error)) if *error == ProtocolError::UnexpectedEof => {
///             break eprintln!("no Close frame");
///         }
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok::<(), Error>(())
/// ```
pub struct WebSocket<S> {
    pub(super) read_loop: ReadLoop<S>,
    pub(super) unsplit: Unsplit<S>,
}

impl<S: Read + Write> WebSocket<S> {
    /// Waits for the next message. `None`: the connection [ended well](CloseStatus::is_success),
    /// and [`close_status`](Self::close_status) has the details.
    ///
    /// Before it waits, it writes the output, including all messages that were [fed](Self::feed).
    ///
    /// # Errors
    /// The transport failed or ended without a Close frame, the peer violated the protocol, was
    /// silent for too long, or [closed](Error::Closed) with a code that is no success; or a timeout
    /// of the socket has passed: then call again.
    pub fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
        self.read_loop.next(&mut self.unsplit)
    }

    /// Waits for the next piece of a message, as it arrives: for messages that are large or without
    /// end, in the memory of one read.
    ///
    /// With [`Delivery::Chunks`](crate::Delivery::Chunks), set by
    /// [`Config::delivery`](crate::Config::delivery). With
    /// [`Delivery::Messages`](crate::Delivery::Messages), each whole message is one chunk. `None`
    /// is that of [`recv`](Self::recv).
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub fn recv_chunk(&mut self) -> Result<Option<Chunk<'static>>, Error> {
        self.read_loop.next(&mut self.unsplit)
    }

    /// Waits for the next message and passes it to `function`. A message in one frame is borrowed
    /// from the [buffer](crate::InputBuffer) that it was read into, neither copied nor allocated.
    /// One in fragments, or a compressed one, is owned.
    ///
    /// `None` is that of [`recv`](Self::recv). To answer, return what is to be sent, or use
    /// [halves](Self::split_with).
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use sockless::adapter::{Error, std_net::WebSocket};
    ///
    /// /// Returns the length of all messages.
    /// fn total_len<S: Read + Write>(ws: &mut WebSocket<S>) -> Result<usize, Error> {
    ///     let mut total = 0;
    ///     while ws.recv_with(|message| total += message.len())?.is_some() {}
    ///     Ok(total)
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub fn recv_with<V>(&mut self, function: impl FnOnce(Message<'_>) -> V) -> Result<Option<V>, Error> {
        self.read_loop.next_with(&mut self.unsplit, function)
    }

    /// Waits for messages and passes each that one read has brought to `function`, borrowed as by
    /// [`recv_with`](Self::recv_with), with the output for its answers: the fastest way to receive
    /// and to answer many short messages.
    ///
    /// Returns how many messages `function` was passed, at least one. `None` is that of
    /// [`recv`](Self::recv). The answers are written by the next call that receives, before it
    /// waits, or by the next [`flush`](Self::flush).
    ///
    /// A batch ends early where an event is to be answered or an error is found, which the next
    /// call reports; after [`Batch::stop`]; and while more than [`Settings::high_water`] bytes are
    /// unwritten: the next call writes them before it passes another message. So a peer that does
    /// not read its answers is not read from, and the memory for them is bounded by that setting
    /// and the answer to one message.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use sockless::adapter::{Error, std_net::WebSocket};
    ///
    /// fn echo<S: Read + Write>(ws: &mut WebSocket<S>) -> Result<(), Error> {
    ///     while ws.recv_batch(|message, batch| batch.feed(message))?.is_some() {}
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
    ) -> Result<Option<usize>, Error> {
        self.read_loop.next_batch(&mut self.unsplit, function)
    }

    /// Waits for the next event of any kind: like [`recv`](Self::recv), but also returns Pings,
    /// Pongs and Close frames.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        self.read_loop.next(&mut self.unsplit)
    }

    /// Sends a message and waits until it is written.
    ///
    /// It does not receive while it waits. Two peers that both send more than their transports
    /// buffer, and receive only after that, wait for each other until a Ping is not answered in
    /// time. [`feed`](Self::feed) and [`recv`](Self::recv) do not help: `recv` writes before it
    /// reads. Where that can happen, [`split`](Self::split) the connection, and send and receive in
    /// two threads.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or a message in fragments is in progress
    /// ([`SendError::MessageInProgress`]). After a timeout or `WriteZero`, a part of the message
    /// may be written: [`flush`](Self::flush) writes the rest, another `send` would send the
    /// message twice.
    pub fn send(&mut self, message: impl AsMessage) -> Result<(), Error> {
        self.unsplit.send(&Outgoing::Message(message.as_message()))
    }

    /// Appends a message to the output, and does not wait.
    ///
    /// The next [`flush`](Self::flush) or [`send`](Self::send) writes it, or [`recv`](Self::recv)
    /// before it waits. So a server that feeds its responses answers all messages of one read with
    /// one write.
    ///
    /// # Errors
    /// The connection is closing, or a message in fragments is in progress
    /// ([`SendError::MessageInProgress`]).
    pub fn feed(&mut self, message: impl AsMessage) -> Result<(), SendError> {
        self.unsplit.core.driver.feed(message.as_message())
    }

    /// Sends a message that was prepared for many connections, and waits until it is written: see
    /// [`Connection::send_prepared`].
    ///
    /// ```no_run
    /// use sockless::{CloseCode, PreparedMessage, adapter::std_net};
    ///
    /// let news = PreparedMessage::text("encoded and compressed once");
    /// for url in ["ws://127.0.0.1:9001/", "ws://127.0.0.1:9002/"] {
    ///     let mut ws = std_net::connect(url)?;
    ///     ws.send_prepared(&news)?;
    ///     ws.close(CloseCode::NORMAL, "")?;
    ///     while ws.recv()?.is_some() {}
    /// }
    /// # Ok::<(), sockless::adapter::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.unsplit.send(&Outgoing::Prepared(message))
    }

    /// Appends a message that was prepared for many connections to the output, as
    /// [`feed`](Self::feed) does with others.
    ///
    /// # Errors
    /// Those of [`feed`](Self::feed).
    pub fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.unsplit.core.driver.feed_prepared(message)
    }

    /// Writes the output.
    ///
    /// # Errors
    /// The transport failed. After a timeout or `WriteZero`, a further call continues.
    pub fn flush(&mut self) -> io::Result<()> {
        self.unsplit.flush()
    }

    /// Sends a Ping with a payload of at most 125 bytes.
    ///
    /// If more than [`Settings::high_water`] bytes are unwritten, it writes them first: when that
    /// times out, the Ping is not sent.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or the payload is too long. After any other
    /// timeout, [`flush`](Self::flush) writes the rest.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.unsplit.make_room()?;
        self.unsplit.core.driver.ping(payload)?;
        Ok(self.flush()?)
    }

    /// Sends a Pong with a payload of at most 125 bytes: an unsolicited one, or, without
    /// [`auto_pong`](crate::Config::auto_pong), the reply to a Ping.
    ///
    /// # Errors
    /// Those of [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.unsplit.make_room()?;
        self.unsplit.core.driver.pong(payload)?;
        Ok(self.flush()?)
    }

    /// Starts the closing handshake. Call [`recv`](Self::recv) until it returns `None` to complete
    /// it.
    ///
    /// # Errors
    /// The transport failed, the connection is closing already, or the code or the reason may not
    /// be sent.
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.unsplit.core.driver.close(code.into(), reason, Instant::now())?;
        Ok(self.flush()?)
    }

    /// Sets whether messages are compressed from now on, if permessage-deflate was negotiated: see
    /// [`Connection::set_compression`].
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub const fn set_compression(&mut self, enabled: bool) {
        self.unsplit.core.driver.engine.set_compression(enabled);
    }

    /// Sets the largest message to receive, in bytes, from the next message on: see
    /// [`Connection::set_max_message_size`].
    pub const fn set_max_message_size(&mut self, bytes: u64) {
        self.unsplit.core.driver.engine.set_max_message_size(bytes);
    }

    /// Returns how many bytes of output the transport has not taken yet, with those that were only
    /// [fed](Self::feed): a measure of a slow peer.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.unsplit.core.pending_bytes()
    }

    /// Returns the memory of a message to the connection, which uses it for the next message. So a
    /// steady stream of messages allocates nothing. The connection holds the memory, however large.
    pub fn recycle(&mut self, message: Message<'static>) {
        self.unsplit.core.driver.recycle(message);
    }

    /// Returns the round-trip time of the last Ping of
    /// [`Timeouts::ping`](crate::timers::Timeouts::ping) that was answered.
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.unsplit.core.driver.timers.round_trip()
    }

    /// Returns how the connection was closed, or is being closed.
    #[must_use]
    pub fn close_status(&self) -> Option<&CloseStatus> {
        self.unsplit.core.driver.engine.close_status()
    }

    /// Returns what the opening handshake has negotiated: the subprotocol, and the parameters of
    /// permessage-deflate.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        self.unsplit.core.driver.engine.negotiated()
    }

    /// Returns the engine and the output, for calls that the adapter does not have. The next call
    /// of the adapter writes the output. Whatever else is appended must be whole frames. A Ping
    /// that is sent so does not count for [`Timeouts`](crate::timers::Timeouts).
    pub const fn engine_mut(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        let driver = &mut self.unsplit.core.driver;
        (&mut driver.engine, &mut driver.out)
    }

    /// Returns the stream.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.unsplit.write_loop.stream
    }

    /// Returns the stream, with the timeouts that its owner has set, and what the connection holds:
    /// the bytes that were read and not reported, and the output that is not written.
    #[must_use]
    pub fn into_parts(self) -> Parts<S> {
        let Unsplit {
            mut core,
            mut write_loop,
        } = self.unsplit;
        let unsent = write_loop.unwritten(&mut core);
        let mut engine = core.driver.engine.into_parts();
        let lossless = engine.lossless && !self.read_loop.holds_event();
        self.read_loop.timeout.restore(&write_loop.stream);
        write_loop.timeout.restore(&write_loop.stream);
        engine.unread.extend_from_slice(&self.read_loop.input.into_unread());
        Parts {
            transport: write_loop.stream,
            unread: engine.unread,
            unsent,
            lossless,
        }
    }

    /// Returns the driver, for the opening handshake.
    pub(super) const fn driver_mut(&mut self) -> &mut Driver {
        &mut self.unsplit.core.driver
    }

    /// Closes the stream, if the connection is closed.
    pub(super) fn teardown(&mut self) {
        self.read_loop.teardown(&mut self.unsplit);
    }

    /// Joins the parts of [`into_loops`](Self::into_loops) again.
    pub(super) const fn from_loops(core: Core, read_loop: ReadLoop<S>, write_loop: WriteLoop<S>) -> Self {
        Self {
            read_loop,
            unsplit: Unsplit { core, write_loop },
        }
    }

    /// Takes the connection apart for [`split`](Self::split_with).
    pub(super) fn into_loops(self) -> (Core, ReadLoop<S>, WriteLoop<S>) {
        (self.unsplit.core, self.read_loop, self.unsplit.write_loop)
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("engine", &self.unsplit.core.driver.engine)
            .finish_non_exhaustive()
    }
}
