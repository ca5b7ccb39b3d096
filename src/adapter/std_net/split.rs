//! Two halves of a connection for two threads.

use alloc::sync::Arc;
use core::{fmt, mem, time::Duration};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Mutex,
    time::Instant,
};

use super::{
    WebSocket,
    input::Input,
    patience::{Direction, Means, Patience},
    shared::{Core, Shared, Writing, lock},
};
use crate::{
    CloseCode, Closure, Event, SendError,
    adapter::{
        AsMessage, Error, Message,
        driver::{Driver, Received},
        output::{Output, is_fatal},
    },
};

impl<S: Read + Write> WebSocket<S> {
    /// Splits into two halves that work from two threads, over two handles of the stream that `split` makes.
    ///
    /// # Errors
    /// What `split` returns.
    pub fn split_with<R: Read, W: Write>(
        self,
        split: impl FnOnce(S) -> io::Result<(R, W)>,
    ) -> io::Result<(Reader<R, W>, Writer<W>)> {
        let (reader, writer) = split(self.stream)?;
        let (reading, writing) = (
            Patience::new(&Means::NONE, Direction::Read),
            Patience::new(&Means::NONE, Direction::Write),
        );
        Ok(halves(
            self.driver,
            self.input,
            self.event,
            (reader, Means::NONE, reading),
            (writer, writing),
        ))
    }
}

impl WebSocket<TcpStream> {
    /// Splits into two halves that work from two threads.
    ///
    /// # Errors
    /// The socket cannot be duplicated.
    pub fn split(self) -> io::Result<(Reader<TcpStream, TcpStream>, Writer<TcpStream>)> {
        let reading = (self.stream.try_clone()?, self.means, self.reading);
        let writing = (self.stream, self.writing);
        Ok(halves(self.driver, self.input, self.event, reading, writing))
    }
}

fn halves<R: Read, W: Write>(
    mut driver: Driver,
    input: Input,
    event: Option<Event<'static>>,
    (reader, means, reading): (R, Means<R>, Patience<R>),
    (writer, writing): (W, Patience<W>),
) -> (Reader<R, W>, Writer<W>) {
    // What is written is the other one's, from now on; what is to be written goes through the driver's.
    let rest = mem::take(&mut driver.output).into_rest();
    driver.output.buf = rest;
    let shared = Arc::new(Shared {
        core: Mutex::new(Core {
            driver,
            replies: 0,
            left: false,
            writers: 0,
        }),
        writing: Mutex::new(Writing {
            patience: writing,
            stream: writer,
            output: Output::default(),
        }),
    });
    let reader = Reader {
        stream: reader,
        input,
        shared: Arc::clone(&shared),
        event,
        patience: reading,
        means,
    };
    (reader, Writer { shared })
}

/// The reading half of a [`WebSocket`].
///
/// It answers pings and the closing handshake. Its answers wait for nobody: if the other half is writing, that one
/// writes them too.
pub struct Reader<R, W> {
    stream: R,
    input: Input,
    shared: Arc<Shared<W>>,
    /// An event whose replies are not written yet.
    event: Option<Event<'static>>,
    means: Means<R>,
    patience: Patience<R>,
}

/// The writing half of a [`WebSocket`]. Clones write to the same connection, a message at a time.
pub struct Writer<W> {
    shared: Arc<Shared<W>>,
}

impl<R: Read, W: Write> Reader<R, W> {
    /// Waits for the next message; see [`WebSocket::recv`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.next()
    }

    /// Waits for the next event of any kind; see [`WebSocket::recv_event`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        self.next()
    }

    /// The next event of those that are asked for.
    fn next<P: Received>(&mut self) -> Result<Option<P>, Error> {
        loop {
            if self.event.is_some() {
                // If this fails, the event is there when the caller comes back.
                self.shared.flush_replies()?;
                if let Some(event) = self.event.take().and_then(P::other) {
                    return Ok(Some(event));
                }
            }
            let mut core = lock(&self.shared.core);
            if let Err(error) = core.driver.check() {
                drop(core);
                return self.give_up(error);
            }
            let before = core.driver.output.buf.len();
            let result = self.input.receive(&mut core.driver, &mut self.event);
            core.replies += core.driver.output.buf.len() - before;
            let (much, teardown) = (core.replies > core.driver.high_water, core.driver.engine.teardown());
            drop(core);
            match (result, teardown) {
                (Ok(Some(Some(event))), _) => return Ok(Some(event)),
                (Ok(Some(None)), _) => {}
                (Ok(None), None) => {
                    if much {
                        self.shared.flush_to_read()?;
                    }
                    match self.read() {
                        Ok(0) => {
                            let event = lock(&self.shared.core).driver.engine.receive_eof()?;
                            return Ok(event.and_then(P::other));
                        }
                        Ok(_) => {}
                        Err(Error::Io(error)) if !is_fatal(&error) => return Err(error.into()),
                        Err(error) => return self.give_up(error),
                    }
                }
                (result, _) => {
                    // Also what a writer is writing; the peer may not read any more what it did wrong.
                    let written = self.shared.flush_to_read();
                    self.finish();
                    result?;
                    written?;
                    return Ok(None);
                }
            }
        }
    }

    /// The transport is lost. The engine learns of it; what is reported is the cause.
    fn give_up<T>(&mut self, error: Error) -> Result<T, Error> {
        let _lost = lock(&self.shared.core).driver.engine.receive_eof();
        self.finish();
        Err(error)
    }

    /// Reads once, as long as the deadlines allow.
    fn read(&mut self) -> Result<usize, Error> {
        lock(&self.shared.core).driver.handle_timeout(self.input.read)?;
        loop {
            self.shared.flush_replies()?;
            let now = Instant::now();
            let deadline = lock(&self.shared.core).driver.next_look(now)?;
            self.patience.prepare(&self.stream, now, deadline);
            match self.input.fill(&mut self.stream) {
                Ok(n) => {
                    self.patience.renew();
                    return Ok(n);
                }
                Err(error) if is_fatal(&error) => return Err(error.into()),
                Err(error) => {
                    let now = Instant::now();
                    lock(&self.shared.core).driver.handle_timeout(now)?;
                    if !self.patience.lasts(&error, now) {
                        return Err(error.into());
                    }
                }
            }
        }
    }

    fn finish(&mut self) {
        let mut core = lock(&self.shared.core);
        let until = core.driver.linger(Instant::now());
        let teardown = core.driver.engine.teardown();
        drop(core);
        if let Some(teardown) = teardown {
            self.means.finish(&mut self.stream, teardown, until);
        }
    }

    /// The handle of the stream that this half reads from.
    #[must_use]
    pub const fn get_ref(&self) -> &R {
        &self.stream
    }

    /// Gives the memory of a message back: see [`WebSocket::recycle`].
    pub fn recycle(&mut self, message: Message) {
        lock(&self.shared.core).driver.recycle(message);
    }

    /// See [`WebSocket::round_trip`].
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        lock(&self.shared.core).driver.timers.round_trip()
    }

    /// How the connection was closed, or is being closed.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        lock(&self.shared.core).driver.engine.closure().cloned()
    }
}

impl<W: Write> Writer<W> {
    /// Sends a message and waits until it is written.
    ///
    /// # Errors
    /// As [`WebSocket::send`]; after a timeout, go on with [`flush`](Self::flush).
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        // Outside of the lock: it is not our code.
        let message = message.as_message();
        self.command(|driver| driver.feed(message))
    }

    /// Writes what an interrupted call has left.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub fn flush(&self) -> io::Result<()> {
        self.shared.flush()
    }

    /// Sends a Pong with at most 125 bytes.
    ///
    /// # Errors
    /// As [`WebSocket::pong`].
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|driver| driver.engine.pong(payload, &mut driver.output.buf))
    }

    /// Sends a Ping with at most 125 bytes.
    ///
    /// # Errors
    /// As [`WebSocket::ping`].
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|driver| driver.engine.ping(payload, &mut driver.output.buf))
    }

    /// Begins the closing handshake; the reader returns `None` when it is complete. It waits for a write in progress.
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    pub fn close(&self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.command(|driver| driver.close(code.into(), reason, Instant::now()))
    }

    fn command(&self, command: impl FnOnce(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        let mut core = lock(&self.shared.core);
        command(&mut core.driver)?;
        core.writers += 1;
        drop(core);
        let written = self.shared.flush();
        lock(&self.shared.core).writers -= 1;
        // What the reader left to this writer while it was writing.
        written.and_then(|()| self.shared.flush_replies()).map_err(Into::into)
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
