//! What the read loop of a whole connection uses besides its own state.

use core::ops::DerefMut;
use std::io::{self, Write};

use super::{
    access::{Access, Core},
    read_loop::Duplex,
    write_loop::WriteLoop,
};
use crate::adapter::{Error, driver::Outgoing};

pub(super) struct Unsplit<S> {
    pub(super) core: Core,
    pub(super) write_loop: WriteLoop<S>,
}

impl<S: Write> Unsplit<S> {
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        self.write_loop.make_room(&mut self.core)
    }

    /// Sends a message and writes all output.
    pub(super) fn send(&mut self, message: &Outgoing<'_>) -> Result<(), Error> {
        if message.is_large() {
            return self.write_loop.send(&mut self.core, message);
        }
        self.core.driver.append(message)?;
        Ok(self.flush()?)
    }
}

impl<S> Access for Unsplit<S> {
    #[inline]
    fn core(&mut self) -> impl DerefMut<Target = Core> {
        &mut self.core
    }
}

impl<S: Write> Duplex<S> for Unsplit<S> {
    fn stream(&mut self) -> &mut S {
        &mut self.write_loop.stream
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_loop.flush(&mut self.core)
    }

    fn flush_replies(&mut self) -> io::Result<()> {
        self.flush()
    }
}
