//! Frames whose payload stays in the buffer of the caller.

use alloc::vec::Vec;

use super::Sender;
use crate::{
    error::SendError,
    frame::{
        header::Header,
        payload::unmask,
        wire::{self, FirstByte},
    },
    message::MessageKind,
    utf8::{self, InvalidUtf8},
};

impl Sender {
    /// Whether [`message`](Self::message) sends `len` bytes as one frame with its payload as it is.
    #[cfg(feature = "std")]
    pub(crate) fn sends_payload_as_it_is(&self, len: usize) -> bool {
        self.keys.is_none() && self.fragment_size.is_none() && !self.compressed.compresses(len)
    }

    /// The header alone of an unfragmented message.
    pub(crate) fn header(&self, kind: MessageKind, len: u64, out: &mut Vec<u8>) -> Result<(), SendError> {
        if self.keys.is_some() {
            return Err(SendError::MaskRequired);
        }
        if wire::overflows(len) {
            return Err(SendError::PayloadTooLong { len });
        }
        self.check_between_messages()?;
        wire::append(FirstByte::new(kind.opcode(), true), None, len, out);
        Ok(())
    }

    /// A whole message, which follows the room for its header in `buf`.
    pub(crate) fn in_place<'b>(&mut self, kind: MessageKind, buf: &'b mut [u8]) -> Result<&'b [u8], SendError> {
        self.check_between_messages()?;
        let len = buf.len();
        let Some((room, payload)) = buf.split_first_chunk_mut() else {
            return Err(SendError::NoRoomForHeader { len });
        };
        if kind == MessageKind::Text {
            utf8::validate(payload).map_err(|_| InvalidUtf8)?;
        }
        let key = self.next_key();
        let used = wire::write(FirstByte::new(kind.opcode(), true), key, payload.len() as u64, room);
        room.rotate_right(Header::MAX_LEN - used);
        unmask(payload, key);
        Ok(buf.get(Header::MAX_LEN - used..).unwrap_or_default())
    }

    /// The header of a fragment, whose payload is masked in place.
    pub(crate) fn fragment_header(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
        fin: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if self.compressed.is_in_message() {
            return Err(SendError::MessageCompressed);
        }
        let opcode = self.next_fragment(kind, payload, fin)?;
        let key = self.next_key();
        wire::append(FirstByte::new(opcode, fin), key, payload.len() as u64, out);
        unmask(payload, key);
        Ok(())
    }
}
