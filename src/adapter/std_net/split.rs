//! Two halves of a connection for two threads.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

use super::{Finish, WebSocket, feed};
use crate::{
    CloseCode, Closure, Connection, Event, SendError, State,
    adapter::{AsMessage, Error, Input, Message, Output},
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
        let shared = Arc::new(Shared {
            core: Mutex::new(Core {
                engine: self.engine,
                out: Vec::new(),
            }),
            writing: Mutex::new(Writing {
                stream: writer,
                output: self.output,
            }),
        });
        let reader = Reader {
            stream: reader,
            input: self.input,
            shared: Arc::clone(&shared),
            finish: |_, _| {},
        };
        Ok((reader, Writer { shared }))
    }
}

impl WebSocket<TcpStream> {
    /// Splits into two halves that work from two threads.
    ///
    /// # Errors
    /// The socket cannot be duplicated.
    pub fn split(self) -> io::Result<(Reader<TcpStream, TcpStream>, Writer<TcpStream>)> {
        let finish = self.finish;
        let (mut reader, writer) = self.split_with(|tcp| Ok((tcp.try_clone()?, tcp)))?;
        reader.finish = finish;
        Ok((reader, writer))
    }
}

/// The reading half of a [`WebSocket`].
///
/// It answers pings and the closing handshake. Its answers wait for nobody: if the other half is writing, that one
/// writes them too.
pub struct Reader<R, W> {
    stream: R,
    input: Input,
    shared: Arc<Shared<W>>,
    finish: Finish<R>,
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
    engine: Connection,
    /// In the order in which it has to be written.
    out: Vec<u8>,
}

struct Writing<W> {
    stream: W,
    output: Output,
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
            let mut core = lock(&self.shared.core);
            let core_ref = &mut *core;
            let result = self.input.receive(&mut core_ref.engine, &mut core_ref.out);
            let (reply, state, teardown) = (!core.out.is_empty(), core.engine.state(), core.engine.teardown());
            drop(core);
            if reply {
                let written = self.shared.try_flush();
                if result.is_ok() {
                    written?;
                }
            }
            if let (Some(teardown), Ok(None) | Err(_)) = (teardown, &result) {
                (self.finish)(&mut self.stream, teardown);
            }
            match result {
                Ok(None) if state == State::Closed => return Ok(None),
                Ok(None) => {}
                result => return Ok(result?),
            }
            if self.input.fill(&mut self.stream)? == 0 {
                let event = lock(&self.shared.core).engine.receive_eof()?;
                return Ok(event);
            }
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
        lock(&self.shared.core).engine.closure().cloned()
    }
}

impl<W: Write> Writer<W> {
    /// Sends a message and waits until it is written.
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        self.command(|engine, out| feed(engine, message.as_message(), out))
    }

    /// Sends a Ping with at most 125 bytes.
    ///
    /// # Errors
    /// As [`WebSocket::ping`].
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|engine, out| engine.ping(payload, out))
    }

    /// Begins the closing handshake; the reader returns `None` when it is complete. It waits for a write in progress.
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    pub fn close(&self, code: impl Into<Option<CloseCode>>, reason: &str) -> Result<(), Error> {
        self.command(|engine, out| engine.close(code, reason, out))
    }

    fn command(
        &self,
        command: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        let mut core = lock(&self.shared.core);
        let Core { engine, out } = &mut *core;
        command(engine, out)?;
        drop(core);
        Ok(self.shared.flush()?)
    }
}

impl<W: Write> Shared<W> {
    /// Writes everything, waiting for whoever is writing.
    fn flush(&self) -> io::Result<()> {
        loop {
            self.write(lock(&self.writing))?;
            if lock(&self.core).out.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes everything, or leaves it to whoever is writing: that one looks again before it goes.
    fn try_flush(&self) -> io::Result<()> {
        loop {
            match self.writing.try_lock() {
                Ok(writing) => self.write(writing)?,
                Err(TryLockError::Poisoned(poisoned)) => self.write(poisoned.into_inner())?,
                Err(TryLockError::WouldBlock) => return Ok(()),
            }
            if lock(&self.core).out.is_empty() {
                return Ok(());
            }
        }
    }

    fn write(&self, mut writing: MutexGuard<'_, Writing<W>>) -> io::Result<()> {
        let Writing { stream, output } = &mut *writing;
        output.buf.append(&mut lock(&self.core).out);
        output.flush(stream)
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
