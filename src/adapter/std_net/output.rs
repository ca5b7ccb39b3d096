//! The writing direction of a connection, whole or in halves, for what writes more than one message
//! or a part of one.

use std::io::{self, Write};

use super::{access::Core, read_loop::Duplex, shared::Shared, unsplit::Unsplit};
use crate::{
    SendError,
    adapter::{
        Error,
        driver::{Driver, Outgoing},
        lock,
    },
};

/// The writing direction of a connection.
pub(super) enum Output<'a, W> {
    Unsplit(&'a mut Unsplit<W>),
    Half(&'a Shared<W>),
}

impl<W> Output<'_, W> {
    /// Calls a function that does not wait.
    pub(super) fn with_core<V>(&mut self, call: impl FnOnce(&mut Core) -> V) -> V {
        match self {
            Self::Unsplit(unsplit) => call(&mut unsplit.core),
            Self::Half(shared) => call(&mut lock(&shared.core)),
        }
    }
}

impl<W: Write> Output<'_, W> {
    /// Writes all output if too much of it is unwritten.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        match self {
            Self::Unsplit(unsplit) => unsplit.make_room(),
            Self::Half(shared) => shared.make_room(),
        }
    }

    /// Sends a message and writes all output.
    pub(super) fn send(&mut self, message: &Outgoing<'_>) -> Result<(), Error> {
        match self {
            Self::Unsplit(unsplit) => unsplit.send(message),
            Self::Half(shared) => shared.send(message),
        }
    }

    /// Appends to the output and writes it.
    pub(super) fn command(&mut self, append: impl FnOnce(&mut Driver) -> Result<(), SendError>) -> Result<(), Error> {
        match self {
            Self::Unsplit(unsplit) => {
                append(&mut unsplit.core.driver)?;
                Ok(unsplit.flush()?)
            }
            Self::Half(shared) => shared.command(append),
        }
    }

    /// Writes all output.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unsplit(unsplit) => unsplit.flush(),
            Self::Half(shared) => shared.flush_with_replies(),
        }
    }
}
