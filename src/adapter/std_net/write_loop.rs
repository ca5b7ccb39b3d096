//! Writing to a blocking stream.

use core::mem;
use std::{
    io::{self, Write},
    time::Instant,
};

use super::{
    access::{Access, Core},
    socket_timeout::{SocketHooks, SocketTimeout},
};
use crate::adapter::output::Output;

/// The writing direction of a connection.
pub(super) struct WriteLoop<W> {
    pub(super) stream: W,
    /// What was taken out of the core and is not written yet.
    output: Output,
    pub(super) timeout: SocketTimeout<W>,
}

impl<W> WriteLoop<W> {
    pub(super) fn new(stream: W, hooks: &SocketHooks<W>) -> Self {
        Self {
            stream,
            output: Output::default(),
            timeout: SocketTimeout::write(hooks),
        }
    }

    /// Replaces the stream by what `split` makes of it, which is a stream without timeouts.
    pub(super) fn map_stream<R, V>(self, split: impl FnOnce(W) -> io::Result<(R, V)>) -> io::Result<(R, WriteLoop<V>)> {
        let (reader, stream) = split(self.stream)?;
        let writer = WriteLoop {
            stream,
            output: self.output,
            timeout: SocketTimeout::write(&SocketHooks::NONE),
        };
        Ok((reader, writer))
    }
}

impl<W: Write> WriteLoop<W> {
    /// Writes all output. After an error that is not fatal, a further call continues.
    pub(super) fn flush(&mut self, access: &mut impl Access) -> io::Result<()> {
        loop {
            self.take_output(&mut access.core());
            if !self.output.is_pending() {
                return self.output.check();
            }
            self.write(access)?;
        }
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
        self.write(access)
    }

    #[inline]
    fn take_output(&mut self, core: &mut Core) {
        if core.driver.check().is_err() {
            self.output.lose(io::ErrorKind::NotConnected);
        }
        core.take_output(&mut self.output.buf);
    }

    /// Writes what was taken out of the core, for as long as the deadlines and the owner of the stream allow.
    fn write(&mut self, access: &mut impl Access) -> io::Result<()> {
        let started = Instant::now();
        let (mut now, mut has_stalled) = (started, false);
        loop {
            let deadline = access.core().driver.deadline(now);
            self.timeout.set(&self.stream, now, deadline);
            let written = self.output.flush(&mut self.stream);
            let has_progressed = mem::take(&mut self.output.moved);
            let mut core = access.core();
            core.has_unwritten = self.output.is_pending();
            if has_progressed {
                core.driver.timers.written(Instant::now());
            }
            if has_progressed || written.is_ok() {
                self.timeout.restart();
            }
            let Err(error) = written else {
                return Ok(());
            };
            now = Instant::now();
            if !mem::replace(&mut has_stalled, true) {
                core.driver.begin_stall(started);
            }
            if core.driver.handle_timeout(now).is_err() {
                self.output.lose(io::ErrorKind::NotConnected);
                return self.output.check();
            }
            if !self.timeout.should_retry(&error, now) {
                return Err(error);
            }
        }
    }
}
