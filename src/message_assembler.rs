//! Fragments to messages, and the UTF-8 of a text that comes in pieces.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::mem;

use crate::{
    copy,
    error::ProtocolError,
    frame::{
        opcode::Opcode,
        payload::{Mask, unmask},
    },
    mask,
    message::{Message, MessageKind},
    message_limits::{Limits, MessageSize},
    utf8::{InvalidUtf8, Piece, Validator, validate},
};

/// How many bytes are reserved at most because a header announces them: a length is a claim, not
/// data.
const MAX_RESERVE: u64 = 64 << 10;

/// The message in progress.
#[derive(Debug)]
pub(crate) struct MessageAssembler {
    kind: MessageKind,
    size: MessageSize,
    utf8: Validator,
    buffer: Buffer,
}

#[derive(Debug)]
enum Buffer {
    /// Nothing is assembled. The allocation, if any, is kept for the next message.
    Spare(Vec<u8>),
    /// Only validated text enters, so that it is not validated again at the end of the message.
    Text(String),
    Binary(Vec<u8>),
}

impl MessageAssembler {
    pub(crate) const fn new() -> Self {
        Self {
            kind: MessageKind::Binary,
            size: MessageSize::NONE,
            utf8: Validator::new(),
            buffer: Buffer::Spare(Vec::new()),
        }
    }

    /// A frame of the message begins, with `len` bytes; `kind` is that of a first frame.
    pub(crate) fn begin_frame(
        &mut self,
        kind: Option<MessageKind>,
        len: u64,
        limits: Limits,
    ) -> Result<(), ProtocolError> {
        if let Some(kind) = kind {
            self.kind = kind;
        }
        self.size.add_frame(kind.is_some(), len, limits)
    }

    /// Counts `len` bytes that were inflated. Returns how many of them are within the limit.
    pub(crate) fn admit(&mut self, len: usize, limits: Limits) -> usize {
        self.size.admit(len, limits)
    }

    /// Returns how long the next fragment may be, if there may be one.
    pub(crate) fn max_fragment(&self, limits: Limits) -> Option<u64> {
        self.size.max_fragment(limits)
    }

    /// Returns how many more bytes the limit permits.
    pub(crate) fn room(&self, limits: Limits) -> usize {
        self.size.room(limits)
    }

    /// The kind of the message in progress.
    pub(crate) const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Whether a piece of `len` bytes that ends the message is all of it.
    pub(crate) const fn is_whole(&self, len: usize) -> bool {
        self.size.is_whole(len as u64)
    }

    /// Whether pieces of the message have come.
    pub(crate) const fn is_assembling(&self) -> bool {
        !matches!(self.buffer, Buffer::Spare(_))
    }

    /// Appends a byte, if it breaks no rule and there is room for it without an allocation; returns
    /// whether it did. Calls `accepted` if so, before the last thing that it does: what calls
    /// something else at its end saves nothing on the stack.
    #[inline(always)]
    pub(crate) fn push_byte(&mut self, byte: u8, accepted: impl FnOnce()) -> bool {
        match &mut self.buffer {
            Buffer::Binary(data) if data.len() < data.capacity() => {
                accepted();
                data.push(byte);
                true
            }
            Buffer::Text(text) if self.utf8.is_at_ascii(byte) && text.len() < text.capacity() => {
                accepted();
                // `String::push` is not inlined.
                text.push_str(char::from(byte & 0x7F).encode_utf8(&mut [0]));
                true
            }
            Buffer::Text(text) => push_byte_of_several(text, &mut self.utf8, byte, accepted),
            Buffer::Spare(_) | Buffer::Binary(_) => false,
        }
    }

    /// Appends a piece that may be masked, of a frame of which `remaining` bytes are missing after
    /// it.
    pub(crate) fn append_masked(&mut self, piece: &mut [u8], mask: Mask, remaining: u64) -> Result<(), ProtocolError> {
        if let (MessageKind::Binary, Some(key), false) = (self.kind, mask, piece.is_empty()) {
            // One pass: after an XOR in place, a copy would wait for what was just stored.
            mask::append(piece, key, self.binary(piece.len(), remaining));
            return Ok(());
        }
        unmask(piece, mask);
        self.append(piece, remaining)
    }

    /// Appends a piece of a frame of which `remaining` bytes are missing after it.
    pub(crate) fn append(&mut self, piece: &[u8], remaining: u64) -> Result<(), ProtocolError> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.kind == MessageKind::Binary {
            copy::append(piece, self.binary(piece.len(), remaining));
            return Ok(());
        }
        let Piece {
            split, text, result, ..
        } = self.utf8.push(piece);
        result?;
        let buffer = self.buffer.text();
        if buffer.is_empty() {
            buffer.reserve(first_room(piece.len(), remaining));
        }
        buffer.extend(split);
        copy::append_text(text, buffer);
        Ok(())
    }

    /// The bytes in progress, for a piece of `len` bytes of a frame of which `remaining` are
    /// missing after it.
    fn binary(&mut self, len: usize, remaining: u64) -> &mut Vec<u8> {
        let buffer = self.buffer.binary();
        if buffer.is_empty() {
            buffer.reserve(first_room(len, remaining));
        }
        buffer
    }

    /// Copies a message that is here as a whole, while nothing is assembled.
    pub(crate) fn whole(&mut self, kind: MessageKind, data: &[u8]) -> Result<Message<'static>, ProtocolError> {
        debug_assert!(!self.is_assembling());
        Ok(match kind {
            MessageKind::Text => {
                let valid = validate(data).map_err(|_| InvalidUtf8)?;
                let mut text = self.buffer.take_text();
                copy::append_text(valid, &mut text);
                Message::Text(Cow::Owned(text))
            }
            MessageKind::Binary => {
                let mut buffer = self.buffer.take_binary();
                copy::append(data, &mut buffer);
                Message::Binary(Cow::Owned(buffer))
            }
        })
    }

    /// The message has ended; returns what was assembled.
    pub(crate) fn finish(&mut self) -> Result<Message<'static>, ProtocolError> {
        self.utf8.finish()?;
        Ok(match self.kind {
            MessageKind::Text => Message::Text(Cow::Owned(self.buffer.take_text())),
            MessageKind::Binary => Message::Binary(Cow::Owned(self.buffer.take_binary())),
        })
    }

    /// Validates a piece of a text that is delivered in chunks. With `ends_text`, the text must not
    /// end inside a code point.
    pub(crate) fn validate_chunk<'a>(&mut self, piece: &'a [u8], ends_text: bool) -> Piece<'a> {
        let mut piece = self.utf8.push(piece);
        if ends_text && piece.result.is_ok() {
            piece.result = self.utf8.finish();
        }
        piece
    }

    /// How many bytes of the unfinished code point are missing.
    pub(crate) fn missing(&self) -> usize {
        self.utf8.missing()
    }

    /// Keeps an allocation for the next message, if it is larger than the one at hand.
    pub(crate) fn recycle(&mut self, mut allocation: Vec<u8>) {
        if let Buffer::Spare(spare) = &mut self.buffer {
            if allocation.capacity() > spare.capacity() {
                allocation.clear();
                *spare = allocation;
            }
        }
    }

    /// The opcode of a frame that holds what is assembled and `remaining` bytes more: a
    /// continuation if pieces of the message were delivered before.
    pub(crate) fn opcode_of_unread(&self, remaining: u64) -> Opcode {
        if self.size.is_whole(self.len() as u64 + remaining) {
            self.kind.opcode()
        } else {
            Opcode::Continuation
        }
    }

    /// How many bytes are assembled, an unfinished code point included.
    pub(crate) fn len(&self) -> usize {
        self.assembled().len() + self.utf8.unfinished().len()
    }

    fn assembled(&self) -> &[u8] {
        match &self.buffer {
            Buffer::Spare(_) => &[],
            Buffer::Text(text) => text.as_bytes(),
            Buffer::Binary(data) => data,
        }
    }

    /// What is assembled, an unfinished code point included.
    pub(crate) fn into_assembled(self) -> Vec<u8> {
        let mut bytes = self.assembled().to_vec();
        bytes.extend_from_slice(self.utf8.unfinished());
        bytes
    }
}

/// [`MessageAssembler::push_byte`] for a byte of a code point of several.
#[inline(never)]
fn push_byte_of_several(text: &mut String, utf8: &mut Validator, byte: u8, accepted: impl FnOnce()) -> bool {
    if text.len() + char::MAX.len_utf8() > text.capacity() {
        return false;
    }
    let Ok(ends) = utf8.next(byte) else {
        return false;
    };
    accepted();
    if ends {
        push(text, utf8.last());
    }
    true
}

/// Out of line, as it needs more registers than a byte that ends nothing.
#[inline(never)]
fn push(text: &mut String, char: char) {
    text.push(char);
}

/// How many bytes are reserved for a message that begins with `len` bytes of a frame of which
/// `remaining` are missing. Later, the allocation grows with what has come.
fn first_room(len: usize, remaining: u64) -> usize {
    let frame = remaining.saturating_add(len as u64);
    usize::try_from(frame.min(MAX_RESERVE)).unwrap_or(0).max(len)
}

impl Buffer {
    /// The text in progress.
    #[inline]
    fn text(&mut self) -> &mut String {
        loop {
            match self {
                Self::Text(text) => return text,
                Self::Spare(_) | Self::Binary(_) => *self = Self::Text(self.take_text()),
            }
        }
    }

    /// The bytes in progress.
    #[inline]
    fn binary(&mut self) -> &mut Vec<u8> {
        loop {
            match self {
                Self::Binary(data) => return data,
                Self::Spare(_) | Self::Text(_) => *self = Self::Binary(self.take_binary()),
            }
        }
    }

    fn take_text(&mut self) -> String {
        match mem::take(self) {
            Self::Text(text) => text,
            // A spare is empty, and empty is valid UTF-8.
            Self::Spare(spare) | Self::Binary(spare) => String::from_utf8(spare).unwrap_or_default(),
        }
    }

    fn take_binary(&mut self) -> Vec<u8> {
        match mem::take(self) {
            Self::Text(text) => text.into_bytes(),
            Self::Spare(data) | Self::Binary(data) => data,
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Spare(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, MessageAssembler};
    use crate::{
        message::{Message, MessageKind},
        message_limits::Limits,
    };

    const LIMITS: Limits = Limits {
        size: 1000,
        fragments: 2,
    };

    fn assembling(kind: MessageKind) -> MessageAssembler {
        let mut assembler = MessageAssembler::new();
        assembler.begin_frame(Some(kind), 100, LIMITS).unwrap();
        assembler.append(b"ab", 0).unwrap();
        assembler
    }

    fn free(assembler: &MessageAssembler) -> usize {
        match &assembler.buffer {
            Buffer::Spare(data) | Buffer::Binary(data) => data.capacity() - data.len(),
            Buffer::Text(text) => text.capacity() - text.len(),
        }
    }

    /// The fast path takes a byte while there is room for it, and no byte for which the memory
    /// would have to grow.
    #[test]
    fn single_bytes_are_taken_while_there_is_room() {
        for (kind, byte) in [(MessageKind::Binary, 0xFF), (MessageKind::Text, b'c')] {
            let mut assembler = assembling(kind);
            while free(&assembler) > 0 {
                let before = free(&assembler);
                let mut is_accepted = false;
                assert!(assembler.push_byte(byte, || is_accepted = true) && is_accepted);
                assert_eq!(free(&assembler), before - 1);
            }
            assert!(!assembler.push_byte(byte, || panic!("accepted without room")));
            assert_eq!(free(&assembler), 0);
        }
    }

    /// The same for a code point of several bytes: while there is room for the longest.
    #[test]
    fn bytes_of_code_points_are_taken_while_there_is_room() {
        let mut assembler = assembling(MessageKind::Text);
        let mut expected = alloc::string::String::from("ab");
        while free(&assembler) >= 4 {
            for byte in "é".bytes() {
                assert!(assembler.push_byte(byte, || ()));
            }
            expected.push('é');
        }
        assert!(!assembler.push_byte(0xC3, || panic!("accepted without room")));
        assert_eq!(assembler.finish().unwrap(), Message::Text(expected.into()));
    }

    /// A fragment may be as long as what the limit on the size leaves, if the limit on their number
    /// permits one more.
    #[test]
    fn the_longest_fragment_follows_from_the_limits() {
        let mut assembler = assembling(MessageKind::Text);
        assert_eq!(assembler.max_fragment(LIMITS), Some(900));
        assembler.begin_frame(None, 900, LIMITS).unwrap();
        assert_eq!(assembler.max_fragment(LIMITS), None);
        assert_eq!(assembler.max_fragment(Limits { fragments: 3, ..LIMITS }), Some(0));
    }
}
