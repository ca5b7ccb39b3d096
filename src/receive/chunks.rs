//! Payload of messages that are delivered in chunks.

use alloc::{borrow::Cow, string::String, vec::Vec};

use super::Receiver;
use crate::{
    error::ProtocolError,
    event::{Chunk, Event},
    message::{Message, MessageKind},
    message_limits::PayloadViolation,
};

/// What ends with a piece of payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Nothing,
    Frame,
    Message,
}

impl Receiver {
    /// The next chunk of a message that is not compressed. `None`: the frame has no payload in
    /// `input`, or only a part of a code point.
    pub(super) fn chunk<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        // The rest of a code point alone, so that the text after it can be borrowed.
        let at_most = match self.assembler.missing() {
            0 => usize::MAX,
            missing => missing,
        };
        let Some(piece) = self.decoder.piece(input, at_most) else {
            return Ok(None);
        };
        let ends = match (piece.ends_frame, self.is_in_message()) {
            (false, _) => Ends::Nothing,
            (true, true) => Ends::Frame,
            (true, false) => Ends::Message,
        };
        let data = piece.unmask();
        match self.assembler.kind() {
            MessageKind::Binary => self.deliver(Message::Binary(Cow::Borrowed(data)), ends, Ok(())),
            MessageKind::Text => {
                let piece = self.assembler.validate_chunk(data, ends == Ends::Message);
                let text = match piece.split {
                    None => Cow::Borrowed(piece.text),
                    // The piece held no more than the rest of this code point.
                    Some(split) => Cow::Owned(split.into()),
                };
                self.deliver(Message::Text(text), ends, piece.result.map_err(PayloadViolation::from))
            }
        }
    }

    /// The chunk of `output`, which was inflated. `result` says what is wrong after it.
    pub(super) fn inflated_chunk(
        &mut self,
        output: &[u8],
        ends: Ends,
        result: Result<(), PayloadViolation>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        match self.assembler.kind() {
            MessageKind::Binary => self.deliver(Message::Binary(Cow::Owned(Vec::from(output))), ends, result),
            MessageKind::Text => {
                let ends_text = ends == Ends::Message && result.is_ok();
                let piece = self.assembler.validate_chunk(output, ends_text);
                let mut text = String::with_capacity(piece.text.len() + 4);
                text.extend(piece.split);
                text.push_str(piece.text);
                let result = piece.result.map_err(PayloadViolation::from).and(result);
                self.deliver(Message::Text(Cow::Owned(text)), ends, result)
            }
        }
    }

    /// What is valid is delivered before the connection fails.
    fn deliver<'b>(
        &mut self,
        data: Message<'b>,
        ends: Ends,
        result: Result<(), PayloadViolation>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let (frame_end, message_end) = match result {
            Ok(()) if data.is_empty() && ends == Ends::Nothing => return Ok(None),
            Ok(()) => (ends != Ends::Nothing, ends == Ends::Message),
            Err(violation) if data.is_empty() => return Err(self.limits.error(violation)),
            Err(violation) => {
                self.pending = Some(violation);
                (false, false)
            }
        };
        let chunk = Chunk::new(data, self.reserved, frame_end, message_end);
        Ok(Some(Event::Chunk(chunk)))
    }
}
