//! What an input buffer needs to keep a message until it is complete.

use alloc::{boxed::Box, vec::Vec};

use super::Connection;
use crate::{
    error::ProtocolError,
    receive::{BufferedMessage, Path},
    utf8::InvalidUtf8,
};

impl Connection {
    /// Whether the connection is open and between messages, and assembles them.
    pub(crate) fn takes_whole_messages(&self) -> bool {
        self.path == Path::Whole
    }

    /// The incomplete message at the front of `input`, if the buffer may keep it: it is in one frame
    /// and not compressed, and its header is complete.
    pub(crate) fn buffered_message(&self, input: &[u8]) -> Option<BufferedMessage> {
        if !self.takes_whole_messages() {
            return None;
        }
        self.receiver.buffered_message(input)
    }

    /// Assembles a message that was buffered. `input` is what has arrived of it.
    pub(crate) fn assemble_buffered(
        &mut self,
        message: &BufferedMessage,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Box<ProtocolError>> {
        let result = self.receiver.assemble_buffered(message, input);
        self.update_path();
        result.map_err(|error| self.fail(error, out))
    }

    /// A buffered message is not UTF-8.
    pub(crate) fn fail_buffered(&mut self, error: InvalidUtf8, out: &mut Vec<u8>) -> Box<ProtocolError> {
        self.fail(error.into(), out)
    }
}
