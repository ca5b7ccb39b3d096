//! What the two halves of a connection share, and who writes.

use core::mem;
use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::Instant,
};

use super::patience::Patience;
use crate::adapter::{
    driver::Driver,
    output::{Output, is_fatal},
};

pub(super) struct Shared<W> {
    /// Locked for computing only, never while the transport is waited for.
    pub(super) core: Mutex<Core>,
    pub(super) writing: Mutex<Writing<W>>,
}

pub(super) struct Core {
    /// In its output, what has to be written, in that order.
    pub(super) driver: Driver,
    /// How many bytes of that are replies.
    pub(super) replies: usize,
    /// A write was interrupted and has left something to write.
    pub(super) left: bool,
    /// How many writers have put something there and are about to write it.
    pub(super) writers: usize,
}

pub(super) struct Writing<W> {
    pub(super) stream: W,
    pub(super) patience: Patience<W>,
    pub(super) output: Output,
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

impl<W: Write> Shared<W> {
    /// Writes everything, waiting for whoever is writing.
    pub(super) fn flush(&self) -> io::Result<()> {
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
        let (begun, mut stalled) = (Instant::now(), false);
        loop {
            let now = Instant::now();
            let deadline = lock(&self.core).driver.deadline(now);
            patience.prepare(stream, now, deadline);
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
            if !mem::replace(&mut stalled, true) {
                core.driver.begin_stall(begun);
            }
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
    pub(super) fn flush_to_read(&self) -> io::Result<()> {
        match self.flush() {
            Err(error) if is_fatal(&error) => Ok(()),
            written => written,
        }
    }

    /// Writes replies, or leaves that to whoever is writing: each looks for them when it has let go of the stream. So
    /// a reader never waits for a peer to take a message of ours, while the peer may wait for the reader.
    pub(super) fn flush_replies(&self) -> io::Result<()> {
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

/// A panic elsewhere leaves the engine in a state it can go on from: each call completes before the lock is released.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
