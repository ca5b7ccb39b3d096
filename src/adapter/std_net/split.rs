//! Two halves of a connection for two threads.

use alloc::sync::Arc;
use core::{fmt, mem};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::Instant,
};

use super::{
    WebSocket,
    input::Input,
    patience::{Direction, Means, Patience},
};
use crate::{
    CloseCode, Closure, Event, SendError,
    adapter::{
        AsMessage, Error, Message,
        driver::Driver,
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
        let (reading, writing) = (Means::NONE, Means::NONE);
        Ok(halves(
            self.driver,
            self.input,
            self.event,
            (reader, reading),
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
        let reading = (self.stream.try_clone()?, self.means);
        let writing = (self.stream, Means::TCP);
        Ok(halves(self.driver, self.input, self.event, reading, writing))
    }
}

fn halves<R: Read, W: Write>(
    mut driver: Driver,
    input: Input,
    event: Option<Event<'static>>,
    (reader, reading): (R, Means<R>),
    (writer, writing): (W, Means<W>),
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
            patience: Patience::new(&writing, Direction::Write),
            stream: writer,
            output: Output::default(),
        }),
    });
    let reader = Reader {
        stream: reader,
        input,
        shared: Arc::clone(&shared),
        event,
        patience: Patience::new(&reading, Direction::Read),
        means: reading,
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

struct Shared<W> {
    /// Locked for computing only, never while the transport is waited for.
    core: Mutex<Core>,
    writing: Mutex<Writing<W>>,
}

struct Core {
    /// In its output, what has to be written, in that order.
    driver: Driver,
    /// How many bytes of that are replies.
    replies: usize,
    /// A write was interrupted and has left something to write.
    left: bool,
    /// How many writers have put something there and are about to write it.
    writers: usize,
}

struct Writing<W> {
    stream: W,
    patience: Patience<W>,
    output: Output,
}

impl Core {
    /// Whether there is something to write that no writer is about to write.
    fn has_replies(&self) -> bool {
        self.writers == 0 && (self.left || !self.driver.output.buf.is_empty())
    }

    fn take_out(&mut self, output: &mut Output) {
        output.buf.append(&mut self.driver.output.buf);
        self.replies = 0;
    }
}

impl<R: Read, W: Write> Reader<R, W> {
    /// Waits for the next message; see [`WebSocket::recv`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        loop {
            match self.recv_event()? {
                None => return Ok(None),
                Some(Event::Text(text)) => return Ok(Some(Message::Text(text.into_owned()))),
                Some(Event::Binary(data)) => return Ok(Some(Message::Binary(data.into_owned()))),
                Some(_) => {}
            }
        }
    }

    /// Waits for the next event of any kind; see [`WebSocket::recv_event`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        loop {
            if self.event.is_some() {
                // If this fails, the event is there when the caller comes back.
                self.shared.flush_replies()?;
                return Ok(self.event.take());
            }
            let mut core = lock(&self.shared.core);
            core.driver.check()?;
            let before = core.driver.output.buf.len();
            let result = self.input.receive(&mut core.driver);
            core.replies += core.driver.output.buf.len() - before;
            let (much, teardown) = (core.replies > core.driver.high_water, core.driver.engine.teardown());
            drop(core);
            match (result, teardown) {
                (Ok(Some((event, true))), _) => self.event = Some(event),
                (Ok(Some((event, false))), _) => return Ok(Some(event)),
                (Ok(None), None) => {
                    if much {
                        self.shared.flush_to_read()?;
                    }
                    match self.read() {
                        Ok(0) => return Ok(lock(&self.shared.core).driver.engine.receive_eof()?),
                        Ok(_) => {}
                        Err(Error::Io(error)) if !is_fatal(&error) => return Err(error.into()),
                        Err(error) => {
                            let _lost = lock(&self.shared.core).driver.engine.receive_eof();
                            self.finish();
                            return Err(error);
                        }
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

    /// Reads once, as long as the deadlines allow.
    fn read(&mut self) -> Result<usize, Error> {
        lock(&self.shared.core).driver.handle_timeout(self.input.read)?;
        loop {
            self.shared.flush_replies()?;
            let now = Instant::now();
            let deadline = lock(&self.shared.core).driver.next_look(now)?;
            self.patience.prepare(&self.stream, now, deadline)?;
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

impl<W: Write> Shared<W> {
    /// Writes everything, waiting for whoever is writing.
    fn flush(&self) -> io::Result<()> {
        let mut writing = lock(&self.writing);
        loop {
            lock(&self.core).take_out(&mut writing.output);
            if !writing.output.is_pending() && writing.output.lost.is_none() {
                return Ok(());
            }
            self.write(&mut writing)?;
        }
    }

    /// Writes once, as long as the deadlines allow.
    fn write(&self, writing: &mut Writing<W>) -> io::Result<()> {
        let Writing {
            stream,
            patience,
            output,
        } = writing;
        loop {
            patience.prepare(stream, Instant::now(), lock(&self.core).driver.timers.poll_timeout())?;
            let written = output.flush(stream);
            let now = Instant::now();
            let mut core = lock(&self.core);
            core.left = output.is_pending();
            if mem::take(&mut output.moved) {
                core.driver.timers.written(now);
                patience.renew();
            }
            let Err(error) = written else {
                patience.renew();
                return Ok(());
            };
            if core.driver.handle_timeout(now).is_err() {
                output.lose(io::ErrorKind::NotConnected);
                return output.check();
            }
            if !patience.lasts(&error, now) {
                return Err(error);
            }
        }
    }

    /// As [`flush`](Self::flush) for one who goes on reading: the peer may have said why it went.
    fn flush_to_read(&self) -> io::Result<()> {
        match self.flush() {
            Err(error) if is_fatal(&error) => Ok(()),
            written => written,
        }
    }

    /// Writes replies, or leaves that to whoever is writing: each looks for them when it has let go of the stream. So
    /// a reader never waits for a peer to take a message of ours, while the peer may wait for the reader.
    fn flush_replies(&self) -> io::Result<()> {
        loop {
            // With no lock but this one held, so that whoever is to look for them later does so after this.
            if !lock(&self.core).has_replies() {
                return Ok(());
            }
            let mut writing = match self.writing.try_lock() {
                Ok(writing) => writing,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            let mut core = lock(&self.core);
            if core.has_replies() {
                core.take_out(&mut writing.output);
                drop(core);
                match self.write(&mut writing) {
                    Err(error) if is_fatal(&error) => {}
                    written => written?,
                }
            }
        }
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

/// A panic elsewhere leaves the engine in a state it can go on from: each call completes before the lock is released.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
