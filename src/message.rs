//! Fragments to messages: the limits, the assembly, and the UTF-8 of a text that comes in pieces.

use alloc::{string::String, vec::Vec};
use core::mem;

use crate::{
    error::ProtocolError,
    frame::{Decoder, Kind, Mask, Opcode, unmask},
    utf8::{InvalidUtf8, Piece, Validator},
};

/// The most that is reserved on the word of a header: a length is a claim, not data.
const MAX_RESERVE: u64 = 64 << 10;

/// The limits on one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) size: u64,
    pub(crate) fragments: u32,
}

/// The message in progress.
#[derive(Debug)]
pub(crate) struct Message {
    kind: Option<Kind>,
    /// The bytes of its frames so far, the current one's announced length included; or, if it is compressed, the bytes
    /// inflated so far.
    announced: u64,
    fragments: u32,
    utf8: Validator,
    buffer: Buffer,
}

#[derive(Debug)]
enum Buffer {
    /// Nothing is assembled; the allocation, if any, waits for the next message.
    Spare(Vec<u8>),
    /// Only validated text enters, so that the end of the message needs no second look at it.
    Text(String),
    Binary(Vec<u8>),
}

/// A message that was assembled.
pub(crate) enum Assembled {
    Text(String),
    Binary(Vec<u8>),
}

impl Message {
    pub(crate) const fn new() -> Self {
        Self {
            kind: None,
            announced: 0,
            fragments: 0,
            utf8: Validator::new(),
            buffer: Buffer::Spare(Vec::new()),
        }
    }

    /// A frame of the message begins; `kind` is that of its first frame.
    pub(crate) fn begin_frame(&mut self, kind: Option<Kind>, len: u64, limits: Limits) -> Result<(), ProtocolError> {
        if kind.is_some() {
            self.kind = kind;
            self.announced = 0;
            self.fragments = 0;
        }
        // Both fit: a length is below 2^63 and the limit was not passed before.
        self.announced = self.announced.saturating_add(len);
        if self.announced > limits.size {
            return Err(ProtocolError::MessageTooBig);
        }
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > limits.fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        Ok(())
    }

    /// How many of `len` bytes that were inflated the limit admits.
    #[cfg(feature = "deflate")]
    pub(crate) fn admit(&mut self, len: usize, limits: Limits) -> usize {
        let room = usize::try_from(limits.size.saturating_sub(self.announced)).unwrap_or(usize::MAX);
        let admitted = len.min(room);
        self.announced += admitted as u64;
        admitted
    }

    /// The kind of the message in progress.
    pub(crate) fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Binary)
    }

    /// Whether a piece of `len` bytes that ends the message is all of it.
    pub(crate) fn is_whole(&self, len: usize) -> bool {
        self.announced == len as u64
    }

    /// Takes a byte for `decoder` and appends it, if the frame goes on behind it, it breaks no rule, and there is room; whether
    /// it did.
    #[inline(always)]
    pub(crate) fn append_byte(&mut self, byte: u8, decoder: &mut Decoder) -> bool {
        let Some(byte) = decoder.peek_byte(byte) else {
            return false;
        };
        match &mut self.buffer {
            Buffer::Binary(data) if data.len() < data.capacity() => {
                decoder.pass_byte();
                data.push(byte);
                true
            }
            Buffer::Text(text) if self.utf8.is_at_ascii(byte) && text.len() < text.capacity() => {
                decoder.pass_byte();
                // `String::push` is not inlined.
                text.push_str(char::from(byte & 0x7F).encode_utf8(&mut [0]));
                true
            }
            Buffer::Text(text) => append_of_code_point(text, &mut self.utf8, byte, decoder),
            Buffer::Spare(_) | Buffer::Binary(_) => false,
        }
    }

    /// Appends a piece that may be masked; `rest` is what its frame still lacks.
    pub(crate) fn append_masked(&mut self, piece: &mut [u8], mask: Mask, rest: u64) -> Result<(), ProtocolError> {
        if self.kind() == Kind::Text {
            unmask(piece, mask);
            return self.append(piece, rest);
        }
        if piece.is_empty() {
            return Ok(());
        }
        self.append_binary(piece, mask, rest);
        Ok(())
    }

    /// Whether pieces of the message have come.
    pub(crate) const fn is_assembling(&self) -> bool {
        !matches!(self.buffer, Buffer::Spare(_))
    }

    fn append_binary(&mut self, piece: &[u8], mask: Mask, rest: u64) {
        if !matches!(self.buffer, Buffer::Binary(_)) {
            let mut buffer = self.buffer.take_binary();
            buffer.reserve(first_room(piece.len(), rest));
            self.buffer = Buffer::Binary(buffer);
        }
        if let Buffer::Binary(buffer) = &mut self.buffer {
            // In two passes, and not in the one of `mask::append`: what is collected lies in a farther cache than what was
            // just read, and a copy brings it near in the fastest way.
            let start = buffer.len();
            buffer.extend_from_slice(piece);
            unmask(buffer.get_mut(start..).unwrap_or_default(), mask);
        }
    }

    /// Appends a piece; `rest` is what its frame still lacks.
    pub(crate) fn append(&mut self, piece: &[u8], rest: u64) -> Result<(), ProtocolError> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.kind() == Kind::Binary {
            self.append_binary(piece, None, rest);
            return Ok(());
        }
        let Piece {
            split, text, result, ..
        } = self.utf8.push(piece);
        result.map_err(|_| ProtocolError::InvalidUtf8)?;
        let buffer = self.buffer.text();
        if buffer.is_empty() {
            buffer.reserve(first_room(piece.len(), rest));
        }
        buffer.extend(split);
        buffer.push_str(text);
        Ok(())
    }

    /// A message that is here as a whole, while nothing is assembled.
    #[cfg(feature = "deflate")]
    pub(crate) fn whole(&mut self, kind: Kind, data: &[u8]) -> Result<Assembled, ProtocolError> {
        Ok(match kind {
            Kind::Text => {
                let valid = crate::utf8::validate(data).map_err(|_| ProtocolError::InvalidUtf8)?;
                let mut text = self.buffer.take_text();
                text.push_str(valid);
                Assembled::Text(text)
            }
            Kind::Binary => {
                let mut buffer = self.buffer.take_binary();
                buffer.extend_from_slice(data);
                Assembled::Binary(buffer)
            }
        })
    }

    /// The message has ended; returns what was assembled.
    pub(crate) fn finish(&mut self) -> Result<Assembled, ProtocolError> {
        self.finish_text().map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(match self.kind() {
            Kind::Text => Assembled::Text(self.buffer.take_text()),
            Kind::Binary => Assembled::Binary(self.buffer.take_binary()),
        })
    }

    /// Validates a piece of a text that is delivered in chunks.
    pub(crate) fn validate<'a>(&mut self, piece: &'a [u8]) -> Piece<'a> {
        self.utf8.push(piece)
    }

    /// How many bytes the unfinished code point lacks.
    pub(crate) fn missing(&self) -> usize {
        self.utf8.missing()
    }

    /// The message has ended: a text must not end inside a code point.
    pub(crate) fn finish_text(&mut self) -> Result<(), InvalidUtf8> {
        self.utf8.finish()
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

    /// The opcode for a frame that holds what is collected and `rest` bytes more: a continuation if pieces of the
    /// message were delivered before.
    pub(crate) fn opcode_of_rest(&self, rest: u64) -> Opcode {
        if self.assembled_len() as u64 + rest == self.announced {
            self.kind().into()
        } else {
            Opcode::Continuation
        }
    }

    /// How many bytes are assembled, an unfinished code point included.
    pub(crate) fn assembled_len(&self) -> usize {
        self.collected().len() + self.utf8.unfinished().len()
    }

    fn collected(&self) -> &[u8] {
        match &self.buffer {
            Buffer::Spare(_) => &[],
            Buffer::Text(text) => text.as_bytes(),
            Buffer::Binary(data) => data,
        }
    }

    /// What was assembled so far, an unfinished code point included.
    pub(crate) fn into_collected(self) -> Vec<u8> {
        let mut bytes = self.collected().to_vec();
        bytes.extend_from_slice(self.utf8.unfinished());
        bytes
    }
}

/// [`Message::append_byte`] for a byte of several.
#[inline(never)]
fn append_of_code_point(text: &mut String, utf8: &mut Validator, byte: u8, decoder: &mut Decoder) -> bool {
    if text.len() + char::MAX.len_utf8() > text.capacity() {
        return false;
    }
    let Ok(ends) = utf8.next(byte) else {
        return false;
    };
    decoder.pass_byte();
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

/// What is reserved for a message that begins with `len` bytes of a frame that has `rest` bytes more. Later, the allocation
/// grows with what has come.
fn first_room(len: usize, rest: u64) -> usize {
    let frame = rest.saturating_add(len as u64);
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
