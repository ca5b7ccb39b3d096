//! Two halves of a connection, for two threads.

use alloc::sync::Arc;
use core::{fmt, ops::DerefMut, time::Duration};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Mutex, MutexGuard, TryLockError},
    time::Instant,
};

use super::{
    WebSocket,
    access::{Access, Core},
    read_loop::{Duplex, ReadLoop},
    unless_fatal,
    write_loop::WriteLoop,
};
use crate::{
    Chunk, CloseCode, CloseStatus, Event, Message, SendError,
    adapter::{AsMessage, Error, driver::Driver, lock},
    handshake::Negotiated,
};

impl<S: Read + Write> WebSocket<S> {
    /// Splits the connection into two halves for two threads, over the two handles of the stream
    /// that `split` returns.
    ///
    /// # Errors
    /// Those of `split`.
    pub fn split_with<R: Read, W: Write>(
        self,
        split: impl FnOnce(S) -> io::Result<(R, W)>,
    ) -> io::Result<(Reader<R, W>, Writer<W>)> {
        let (core, reader, writer) = self.into_loops();
        let (stream, writer) = writer.split_stream(split)?;
        Ok(halves(core, reader.without_hooks(), stream, writer))
    }
}

impl WebSocket<TcpStream> {
    /// Splits the connection into two halves for two threads.
    ///
    /// # Errors
    /// The socket cannot be duplicated.
    pub fn split(self) -> io::Result<(Reader<TcpStream, TcpStream>, Writer<TcpStream>)> {
        let (core, reader, writer) = self.into_loops();
        let stream = writer.stream.try_clone()?;
        Ok(halves(core, reader, stream, writer))
    }
}

fn halves<R, W>(mut core: Core, reader: ReadLoop<R>, stream: R, writer: WriteLoop<W>) -> (Reader<R, W>, Writer<W>) {
    core.is_split = true;
    let shared = Arc::new(Shared {
        core: Mutex::new(core),
        writer: Mutex::new(writer),
    });
    let half = ReadHalf {
        stream,
        shared: Arc::clone(&shared),
    };
    (Reader { reader, half }, Writer { shared })
}

/// What the two halves share.
struct Shared<W> {
    /// Never locked while the stream is waited for.
    core: Mutex<Core>,
    /// Locked by the thread that writes. It may be locked before `core`, but not after it.
    writer: Mutex<WriteLoop<W>>,
}

impl<W: Write> Shared<W> {
    /// Writes all output. Waits for another thread that writes.
    fn flush(&self) -> io::Result<()> {
        lock(&self.writer).flush(&mut &self.core)
    }

    /// Writes all output if too much of it is unwritten. Waits for another thread that writes.
    fn make_room(&self) -> io::Result<()> {
        lock(&self.writer).make_room(&mut &self.core)
    }

    /// Writes replies, unless another thread is writing: that thread looks for replies when it has
    /// unlocked the writer.
    ///
    /// So a reader never waits for the peer to take a message of a writer. The peer may be waiting
    /// for the reader.
    fn flush_replies(&self) -> io::Result<()> {
        // The core is unlocked before the writer is tried: a thread that is writing looks for
        // replies after that.
        while lock(&self.core).has_replies() {
            let mut writer = match self.writer.try_lock() {
                Ok(writer) => writer,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            writer.flush_replies(&mut &self.core)?;
        }
        Ok(())
    }
}

/// The reading half of a [`WebSocket`].
///
/// It answers Pings and the closing handshake. It does not wait for the other half to do so: while
/// that half writes a message, it writes the replies too.
///
/// An application that only writes must call [`recv`](Self::recv) as well, in a thread of its own:
/// deadlines and the end of the connection are noticed there.
pub struct Reader<R, W> {
    reader: ReadLoop<R>,
    half: ReadHalf<R, W>,
}

/// What the read loop uses besides its own state.
struct ReadHalf<R, W> {
    stream: R,
    shared: Arc<Shared<W>>,
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
        self.reader.next(&mut self.half)
    }

    /// Waits for the next piece of a message: see [`WebSocket::recv_chunk`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv_chunk(&mut self) -> Result<Option<Chunk<'static>>, Error> {
        self.reader.next(&mut self.half)
    }

    /// Waits for the next event of any kind: see [`WebSocket::recv_event`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        self.reader.next(&mut self.half)
    }

    /// Returns the handle of the stream from which this half reads.
    #[must_use]
    pub const fn get_ref(&self) -> &R {
        &self.half.stream
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
        lock(&self.half.shared.core)
    }
}

/// The writing half of a [`WebSocket`]. Clones write to the same connection, one message at a time.
pub struct Writer<W> {
    shared: Arc<Shared<W>>,
}

impl<W: Write> Writer<W> {
    /// Sends a message and waits until it is written. If the peer sends much too, the reader must
    /// receive meanwhile, in a thread of its own.
    ///
    /// # Errors
    /// Those of [`WebSocket::send`]. After a timeout, continue with [`flush`](Self::flush).
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        // Called before the core is locked: this is code of the application.
        let message = message.as_message();
        self.command(|driver| driver.feed(message))
    }

    /// Writes what an interrupted call has left.
    ///
    /// # Errors
    /// Those of [`WebSocket::flush`].
    pub fn flush(&self) -> io::Result<()> {
        self.shared.flush()?;
        self.flush_left_replies()
    }

    /// Sends a Ping with a payload of at most 125 bytes.
    ///
    /// # Errors
    /// Those of [`WebSocket::ping`].
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.shared.make_room()?;
        self.command(|driver| driver.ping(payload))
    }

    /// Sends a Pong with a payload of at most 125 bytes: see [`WebSocket::pong`].
    ///
    /// # Errors
    /// Those of [`WebSocket::ping`].
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.shared.make_room()?;
        self.command(|driver| driver.pong(payload))
    }

    /// Starts the closing handshake, after a write in progress. The reader returns `None` when it
    /// is complete.
    ///
    /// # Errors
    /// Those of [`WebSocket::close`].
    pub fn close(&self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.command(|driver| driver.close(code.into(), reason, Instant::now()))
    }

    /// Returns what the opening handshake has negotiated: see [`WebSocket::negotiated`].
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        lock(&self.shared.core).driver.engine.negotiated()
    }

    /// Appends to the output and writes it.
    fn command(&self, append: impl FnOnce(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        {
            let mut core = lock(&self.shared.core);
            append(&mut core.driver)?;
            core.active_writers += 1;
        }
        let written = self.shared.flush();
        lock(&self.shared.core).active_writers -= 1;
        written?;
        Ok(self.flush_left_replies()?)
    }

    /// Writes the replies that the reader has left to this thread while this thread was writing.
    fn flush_left_replies(&self) -> io::Result<()> {
        unless_fatal(self.shared.flush_replies())
    }
}

impl<W> Clone for Writer<W> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<R, W> fmt::Debug for Reader<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl<W> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
