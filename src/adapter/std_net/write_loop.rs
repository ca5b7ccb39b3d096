//! Writing to a blocking stream.

use alloc::vec::Vec;
use core::mem;
use std::{
    io::{self, ErrorKind, IoSlice, Write},
    time::Instant,
};

use super::{
    access::{Access, Core},
    is_fatal,
    socket::SocketHooks,
    socket_timeout::SocketTimeout,
};
use crate::adapter::{
    Error,
    driver::Outgoing,
    write_state::{Unwritten, WriteState, write_zero},
};

/// An output buffer that is larger than this, in bytes, is made smaller once it is written.
const KEPT_CAPACITY: usize = 64 << 10;

/// How much is written at a time, in bytes, if messages are divided into fragments: up to the end
/// of a fragment after that. Then control frames can be written.
const PIECE_LEN: usize = 16 << 10;

/// The writing direction of a connection.
pub(super) struct WriteLoop<W> {
    pub(super) stream: W,
    /// What was taken out of the core and is not written yet.
    buf: Vec<u8>,
    state: WriteState,
    pub(super) timeout: SocketTimeout<W>,
}

impl<W> WriteLoop<W> {
    pub(super) fn new(stream: W, hooks: Option<&SocketHooks<W>>) -> Self {
        Self {
            stream,
            buf: Vec::new(),
            state: WriteState::default(),
            timeout: SocketTimeout::write(hooks),
        }
    }

    /// Splits the stream into a reader, which is returned, and a writer, which replaces it and has
    /// no hooks.
    pub(super) fn split_stream<R, V>(
        self,
        split: impl FnOnce(W) -> io::Result<(R, V)>,
    ) -> io::Result<(R, WriteLoop<V>)> {
        let (reader, stream) = split(self.stream)?;
        let write_loop = WriteLoop {
            stream,
            buf: self.buf,
            state: self.state,
            timeout: SocketTimeout::write(None),
        };
        Ok((reader, write_loop))
    }
}

impl<V> WriteLoop<V> {
    /// Undoes [`split_stream`](Self::split_stream). The stream has no hooks.
    pub(super) fn join_stream<R, W>(self, reader: R, join: impl FnOnce(R, V) -> W) -> WriteLoop<W> {
        WriteLoop {
            stream: join(reader, self.stream),
            buf: self.buf,
            state: self.state,
            timeout: SocketTimeout::write(None),
        }
    }
}

impl<W> WriteLoop<W> {
    /// Returns what is not written, of what was taken out of the core and of what is in it.
    pub(super) fn unwritten(&mut self, core: &mut Core) -> Vec<u8> {
        core.take_output(&mut self.buf, &mut self.state);
        self.state.unwritten(&self.buf)
    }
}

impl<W: Write> WriteLoop<W> {
    /// Sends a large message, and writes all output. Its payload is not copied, unless it must be,
    /// or an error leaves it to a further call of [`flush`](Self::flush).
    pub(super) fn send(&mut self, access: &mut impl Access, message: &Outgoing<'_>) -> Result<(), Error> {
        let payload = {
            let mut core = access.core();
            let payload = if self.state.can_borrow() && core.driver.can_borrow() {
                core.driver.append_borrowed(message)?
            } else {
                core.driver.append(message)?;
                &[]
            };
            self.take_output(&mut core);
            core.unwritten_len += payload.len();
            payload
        };
        self.write(access, payload)?;
        Ok(self.flush(access)?)
    }

    /// Writes all output. After an error that is not fatal, a further call continues.
    pub(super) fn flush(&mut self, access: &mut impl Access) -> io::Result<()> {
        loop {
            self.take_output(&mut access.core());
            if !self.state.is_pending(&self.buf) {
                return self.state.check();
            }
            self.write(access, &[])?;
        }
    }

    /// Writes all output if more of it than the high-water mark is unwritten.
    pub(super) fn make_room(&mut self, access: &mut impl Access) -> io::Result<()> {
        let is_above_high_water = access.core().is_above_high_water();
        if is_above_high_water {
            self.flush(access)?;
        }
        Ok(())
    }

    /// Writes the output once, unless a writer in another thread is about to write it.
    pub(super) fn flush_replies(&mut self, access: &mut impl Access) -> io::Result<()> {
        {
            let mut core = access.core();
            if !core.has_replies() {
                return Ok(());
            }
            self.take_output(&mut core);
        }
        self.write(access, &[])
    }

    fn take_output(&mut self, core: &mut Core) {
        if core.driver.check_deadlines().is_err() {
            self.state.fail(&core.driver.not_connected(), &mut self.buf);
        }
        core.take_output(&mut self.buf, &mut self.state);
        core.unwritten_len = self.state.unwritten_len(&self.buf);
    }

    /// Writes what was taken out of the core, and the payload after it, until a deadline or the
    /// owner's timeout has passed.
    fn write(&mut self, access: &mut impl Access, mut payload: &[u8]) -> io::Result<()> {
        let started = Instant::now();
        let (mut now, mut has_stalled) = (started, false);
        loop {
            let deadline = access.core().driver.deadline(now);
            self.timeout.set(&self.stream, now, deadline);
            let written = self.try_write(mem::take(&mut payload));
            let has_progressed = self.state.take_progress();
            let mut core = access.core();
            core.has_unwritten = self.state.is_pending(&self.buf);
            core.unwritten_len = self.state.unwritten_len(&self.buf);
            if has_progressed {
                core.driver.timers.written(Instant::now());
            }
            if has_progressed || written.is_ok() {
                self.timeout.restart();
            }
            let Err(error) = written else {
                if self.state.is_pending(&self.buf) {
                    core.take_control(&mut self.buf, &mut self.state);
                    core.unwritten_len = self.state.unwritten_len(&self.buf);
                    now = Instant::now();
                    continue;
                }
                core.return_buffer(&mut self.buf);
                return Ok(());
            };
            now = Instant::now();
            if !mem::replace(&mut has_stalled, true) {
                core.driver.write_stalled(started);
            }
            if core.driver.handle_timeout(now).is_err() {
                self.state.fail(&core.driver.not_connected(), &mut self.buf);
                core.unwritten_len = 0;
                return self.state.check();
            }
            if !self.timeout.should_retry(&error, now) {
                return Err(error);
            }
        }
    }

    /// Writes and flushes until all is written or the stream returns an error; or, if control
    /// frames may be written between fragments, writes once. What is written is removed from the
    /// buffer, and what is not written of the payload is appended to it, so that no byte is lost or
    /// sent twice. After a fatal error, the rest is dropped.
    fn try_write(&mut self, payload: &[u8]) -> io::Result<()> {
        if let Err(error) = self.state.check() {
            self.buf.clear();
            return Err(error);
        }
        let written = self.write_and_flush(payload);
        if written.is_ok() && self.state.is_pending(&self.buf) {
            // The rest of a large message is not moved for each piece.
            return written;
        }
        self.state.remove_written(&mut self.buf);
        match &written {
            Ok(()) => self.buf.shrink_to(KEPT_CAPACITY),
            Err(error) if is_fatal(error) => self.state.fail(error, &mut self.buf),
            Err(_) => {}
        }
        written
    }

    fn write_and_flush(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut unwritten = Unwritten::new(&mut self.state, &mut self.buf, payload);
        loop {
            let (next, payload) = unwritten.next(PIECE_LEN);
            let next_len = next.len();
            let written = match (next, payload) {
                ([], []) => break,
                (slice, []) | ([], slice) => self.stream.write(slice),
                _ => self.stream.write_vectored(&[IoSlice::new(next), IoSlice::new(payload)]),
            };
            match written {
                Ok(0) => return Err(write_zero(unwritten.len())),
                Ok(len) => {
                    unwritten.advance(len, next_len);
                    if unwritten.state.is_interleaving() && unwritten.len() > 0 {
                        // A TLS stream takes all bytes before it times out, and its flush returns
                        // the error: in the attempt that has waited, not in the next one.
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    unwritten.state.is_stalled = true;
                    return Err(error);
                }
            }
        }
        drop(unwritten);
        loop {
            match self.stream.flush() {
                Ok(()) => {
                    self.state.is_unflushed = false;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
