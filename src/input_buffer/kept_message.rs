//! The incomplete message that an input buffer keeps.

use alloc::{boxed::Box, vec::Vec};

use crate::{
    connection::Connection,
    error::ProtocolError,
    event::Event,
    receive::{BufferedMessage, BufferedProgress},
    utf8::InvalidUtf8,
};

/// The incomplete message that is kept in the buffer.
pub(super) struct KeptMessage {
    /// The message that begins at `start`, if bytes of it are missing and its header is there.
    pub(super) message: Option<BufferedMessage>,
    /// The longest message that was kept and has ended since `room` was called.
    pub(super) longest: usize,
    /// Whether the last read filled the room.
    pub(super) is_room_full: bool,
}

impl KeptMessage {
    pub(super) const fn new() -> Self {
        Self {
            message: None,
            longest: 0,
            is_room_full: false,
        }
    }

    /// How many bytes have to be unread before there is something to do for the message: 0 if there
    /// is none.
    pub(super) fn wanted(&self) -> usize {
        self.message.as_ref().map_or(0, BufferedMessage::wanted)
    }

    /// The general path for `input`, which is all that is unread. Returns how much of it is left,
    /// and puts the event, if there is one, into `slot`. After an error, nothing is left.
    #[inline(never)]
    pub(super) fn receive<'b>(
        &mut self,
        connection: &mut Connection,
        mut input: &'b mut [u8],
        max_len: usize,
        out: &mut Vec<u8>,
        slot: &mut Option<Event<'b>>,
    ) -> Result<usize, Box<ProtocolError>> {
        if let Some(message) = &self.message {
            if connection.takes_whole_messages() {
                return self.advance(connection, input, out, slot);
            }
            // The caller has ended the connection meanwhile.
            message.restore(input);
            self.message = None;
        }
        let mut message = connection.buffered_message(input);
        if message.is_none() {
            *slot = connection.receive_whole(&mut input, out)?;
            if slot.is_some() {
                return Ok(input.len());
            }
            message = connection.buffered_message(input);
        }
        match message {
            // There is nothing left, or its header is not complete.
            None => Ok(input.len()),
            Some(message) if message.frame_len() <= max_len => {
                self.message = Some(message);
                self.advance(connection, input, out, slot)
            }
            Some(_) => {
                *slot = connection.receive(&mut input, out)?;
                Ok(input.len())
            }
        }
    }

    /// Continues with the message at the front of `input`.
    fn advance<'b>(
        &mut self,
        connection: &mut Connection,
        mut input: &'b mut [u8],
        out: &mut Vec<u8>,
        slot: &mut Option<Event<'b>>,
    ) -> Result<usize, Box<ProtocolError>> {
        let Some(message) = &mut self.message else {
            return Ok(input.len());
        };
        let result = match message.advance(input, self.is_room_full) {
            Ok(BufferedProgress::Incomplete) => return Ok(input.len()),
            Ok(BufferedProgress::Complete) => {
                self.longest = self.longest.max(message.frame_len());
                let left = input.len() - message.frame_len();
                message.event(input).map(|event| (event, left))
            }
            Ok(BufferedProgress::Unsuitable) => {
                message.restore(input);
                let limit = message.limit();
                self.message = None;
                *slot = connection.receive_with_limit(limit, &mut input, out)?;
                return Ok(input.len());
            }
            Err(error) => Err(error),
        };
        self.message = None;
        let (event, left) = result.map_err(|InvalidUtf8| connection.fail_buffered(out))?;
        *slot = Some(event);
        Ok(left)
    }
}
