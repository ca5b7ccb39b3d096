//! What the two halves of a connection share.

use std::{
    io::{self, Write},
    sync::Mutex,
};

use super::{access::Core, unless_fatal, write_loop::WriteLoop};
use crate::{
    SendError,
    adapter::{
        Error,
        driver::{Driver, Outgoing},
        lock, try_lock,
    },
};

/// What the two halves share.
pub(super) struct Shared<W> {
    /// Never locked while the stream is waited for.
    pub(super) core: Mutex<Core>,
    /// Locked by the thread that writes. It may be locked before `core`, but not after it.
    pub(super) write_loop: Mutex<WriteLoop<W>>,
}

impl<W: Write> Shared<W> {
    /// Writes all output. Waits for another thread that writes.
    pub(super) fn flush(&self) -> io::Result<()> {
        lock(&self.write_loop).flush(&mut &self.core)
    }

    /// Writes all output, and then the replies that the reader has left to this thread.
    pub(super) fn flush_with_replies(&self) -> io::Result<()> {
        self.flush()?;
        self.flush_left_replies()
    }

    /// Writes all output if too much of it is unwritten. Waits for another thread that writes.
    pub(super) fn make_room(&self) -> io::Result<()> {
        lock(&self.write_loop).make_room(&mut &self.core)
    }

    /// Writes replies, unless another thread is writing: that thread looks for replies when it has
    /// unlocked the write loop.
    ///
    /// So a reader never waits for the peer to take a message of a writer. The peer may be waiting
    /// for the reader.
    pub(super) fn flush_replies(&self) -> io::Result<()> {
        // The core is unlocked before the write loop is tried: a thread that is writing looks for
        // replies after that.
        while lock(&self.core).has_replies() {
            let Some(mut write_loop) = try_lock(&self.write_loop) else {
                return Ok(());
            };
            write_loop.flush_replies(&mut &self.core)?;
        }
        Ok(())
    }

    /// Sends a message and writes all output. While another thread writes, it is copied to the
    /// output, and follows what that thread writes.
    pub(super) fn send(&self, message: &Outgoing<'_>) -> Result<(), Error> {
        if !message.is_large() {
            return self.command(|driver| driver.append(message));
        }
        let Some(mut write_loop) = try_lock(&self.write_loop) else {
            return self.command(|driver| driver.append(message));
        };
        let sent = write_loop.send(&mut &self.core, message);
        drop(write_loop);
        match sent {
            // The reader may have left a reply to this thread, which has written nothing.
            Ok(()) | Err(Error::Send(_)) => self.flush_left_replies()?,
            Err(_) => {}
        }
        sent
    }

    /// Appends to the output and writes it.
    pub(super) fn command(&self, append: impl FnOnce(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        {
            let mut core = lock(&self.core);
            append(&mut core.driver)?;
            core.active_writers += 1;
        }
        let written = self.flush();
        lock(&self.core).active_writers -= 1;
        written?;
        Ok(self.flush_left_replies()?)
    }

    /// Writes the replies that the reader has left to this thread while this thread was writing.
    fn flush_left_replies(&self) -> io::Result<()> {
        unless_fatal(self.flush_replies())
    }
}
