//! The fast path for what arrives in pieces: payload of a message of which pieces have come.

use alloc::boxed::Box;

use super::Receiver;
use crate::{error::ProtocolError, message::Message};

/// What the fast path for pieces has done with the input.
pub(crate) enum Pieces {
    /// All of it is consumed; the message is not complete.
    Consumed,
    /// The message ended, with the input or before its end.
    Ended(Message<'static>),
    /// It breaks a rule. The error is boxed, because a larger value would cost every message.
    Failed(Box<ProtocolError>),
    /// The frame ended. The general path takes the rest of the input.
    FrameEnded,
}

impl Receiver {
    /// Whether the fast path for pieces may be taken.
    pub(super) fn takes_pieces(&self) -> bool {
        self.is_in_data_frame() && !self.compressed.in_message() && self.assembler.is_assembling()
    }

    /// Takes a byte of payload, if it breaks no rule, does not end the frame, and there is room for
    /// it; returns whether it did.
    #[inline(never)]
    pub(crate) fn receive_byte(&mut self, byte: u8) -> bool {
        debug_assert!(self.takes_pieces());
        let Some(byte) = self.decoder.payload().peek_byte(byte) else {
            return false;
        };
        self.assembler
            .push_byte(byte, || self.decoder.payload_mut().pass_byte())
    }

    /// Takes payload up to the end of the frame or of the input.
    #[inline(never)]
    pub(crate) fn receive_pieces(&mut self, input: &mut &mut [u8]) -> Pieces {
        debug_assert!(self.takes_pieces());
        let Some((data, mask)) = self.decoder.payload_mut().take_all(input) else {
            return self
                .last_piece(input)
                .unwrap_or_else(|error| Pieces::Failed(Box::new(error)));
        };
        match self
            .assembler
            .append_masked(data, mask, self.decoder.payload().remaining())
        {
            Ok(()) => Pieces::Consumed,
            Err(error) => Pieces::Failed(Box::new(error)),
        }
    }

    #[inline(never)]
    fn last_piece(&mut self, input: &mut &mut [u8]) -> Result<Pieces, ProtocolError> {
        let Some(piece) = self.decoder.piece(input, usize::MAX) else {
            return Ok(Pieces::Consumed);
        };
        self.assembler
            .append_masked(piece.data, piece.mask, self.decoder.payload().remaining())?;
        if self.decoder.is_in_message() {
            Ok(Pieces::FrameEnded)
        } else {
            self.assembler.finish().map(Pieces::Ended)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Receiver;
    use crate::{config::Config, event::Event, role::Role};

    /// A single byte of a message in progress is taken, but not the last one of its frame; and a
    /// message that is whole is, while there is none.
    #[test]
    fn bytes_and_whole_messages_are_taken() {
        let mut receiver = Receiver::new(Role::Client, &Config::new());
        let mut whole = *b"\x81\x02Hi";
        let event = receiver.whole_message(&mut &mut whole[..]);
        assert_eq!(event, Ok(Some(Event::Text("Hi".into()))));
        let mut bytes = *b"\x82\x05ab";
        assert_eq!(receiver.receive(&mut &mut bytes[..]), Ok(None));
        assert!(receiver.takes_pieces());
        assert!(receiver.receive_byte(b'c') && receiver.receive_byte(b'd'));
        assert!(!receiver.receive_byte(b'e'));
        assert_eq!(receiver.assembled_len(), 4);
    }
}
