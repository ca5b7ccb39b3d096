//! The streaming decoder, and the rules that concern a header and what came before it.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::{
    header::{self, Header},
    opcode::Opcode,
    payload::{Payload, Piece},
    wire::{FirstByte, SecondByte},
};
#[cfg(feature = "alloc")]
use super::{
    payload::{Mask, unmask},
    wire,
};
use crate::{error::ProtocolError, input::take, reserved_bits::ReservedBits, role::Role};

/// What [`Decoder::decode`] found next.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a frame consists of these two")]
pub enum Item<'b> {
    /// A frame begins.
    Header(Header),
    /// The next piece of the frame's payload, unmasked in place. Every frame has at least one
    /// piece; only that of an empty frame is empty.
    Payload {
        /// The piece.
        data: &'b mut [u8],
        /// Whether the frame ends with it.
        end: bool,
    },
}

/// A streaming decoder of frames: any cut of the bytes in, headers and payload pieces out.
///
/// It checks everything that RFC 6455 says of frames as such: reserved bits and opcodes, who masks,
/// how lengths are encoded, what a control frame may be, and in which sequence fragments come. It
/// does not look into payloads (UTF-8, close codes), knows no limit on lengths, holds at most the
/// 13 bytes of a partial header, and never allocates. It is for proxies and for devices without an
/// allocator; [`Connection`](crate::Connection) is built on it.
///
/// ```
/// use sockless::{Role, frame::{Decoder, Item}};
///
/// let mut decoder = Decoder::new(Role::Server);
/// let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let mut input = &mut bytes[..];
/// let mut text = String::new();
/// while let Some(item) = decoder.decode(&mut input)? {
///     match item {
///         Item::Header(header) => assert_eq!(header.len, 5),
///         Item::Payload { data, end: _ } => text.push_str(std::str::from_utf8(data)?),
///     }
/// }
/// assert_eq!(text, "Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
// What a whole message touches comes first: see `Connection`.
#[repr(C)]
pub struct Decoder {
    role: Role,
    /// Of the frame in progress, or of the last one.
    opcode: Opcode,
    fin: bool,
    in_payload: bool,
    /// A data frame has begun, and its message has not ended.
    in_message: bool,
    /// permessage-deflate gives the first reserved bit a meaning, on the first frame of a message.
    allows_compressed: bool,
    /// What is in `stash` breaks a rule.
    has_failed: bool,
    stashed: u8,
    /// Extensions of the caller's own give these bits a meaning, on every frame of a message. As
    /// one byte, they leave a connection 8 bytes smaller.
    own_bits: FirstByte,
    /// The beginning of a header that is not whole yet, or of one that breaks a rule.
    stash: [u8; Header::MAX_LEN],
    payload: Payload,
}

impl Decoder {
    #[cfg(test)]
    pub(crate) const ROLE_OFFSET: usize = core::mem::offset_of!(Self, role);

    /// Returns a decoder for what the given end receives.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            payload: Payload::new(),
            stash: [0; Header::MAX_LEN],
            stashed: 0,
            role,
            opcode: Opcode::Continuation,
            fin: false,
            in_payload: false,
            in_message: false,
            allows_compressed: false,
            own_bits: FirstByte::NONE,
            has_failed: false,
        }
    }

    /// Lets messages be compressed, because permessage-deflate was negotiated: the first reserved
    /// bit may be set on the first frame of a message, and on no other (RFC 7692, section 6).
    pub const fn allow_compressed(&mut self) {
        self.allows_compressed = true;
    }

    /// Lets reserved bits be set on every frame of a message, because extensions were negotiated
    /// that give them a meaning there (RFC 6455, section 9). For permessage-deflate, use
    /// [`allow_compressed`](Self::allow_compressed).
    ///
    /// What they mean, the caller knows: [`Header`] has them. On control frames, they are never
    /// allowed.
    pub const fn allow_reserved(&mut self, bits: ReservedBits) {
        self.own_bits = FirstByte::NONE.with_reserved(self.own_bits().union(bits));
    }

    /// Takes the next item off the front of `input`, which shrinks as it is consumed.
    ///
    /// `Ok(None)` means exactly: `input` is empty.
    ///
    /// # Errors
    /// Returns the rule that the peer broke, at the first byte that breaks it. Later calls return
    /// the same error.
    pub fn decode<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, ProtocolError> {
        if self.in_payload {
            Ok(self.piece(input, usize::MAX).map(|piece| {
                let end = piece.ends_frame;
                Item::Payload {
                    data: piece.unmask(),
                    end,
                }
            }))
        } else {
            Ok(self.header(input)?.map(Item::Header))
        }
    }

    /// Returns whether a header comes next, and no byte of it has arrived yet.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        !self.in_payload && self.stashed == 0
    }

    /// Returns whether a message is in progress: its first header has arrived, and the end of its
    /// last frame has not. Control frames between its fragments change nothing.
    #[must_use]
    pub const fn is_in_message(&self) -> bool {
        self.in_message
    }

    /// The bytes of a header that is not whole yet.
    pub(crate) fn stashed(&self) -> &[u8] {
        self.stash.get(..self.stashed.into()).unwrap_or_default()
    }

    /// The next header, or `None` if `input` is consumed first.
    pub(crate) fn header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, ProtocolError> {
        // One byte is no header.
        if self.stashed == 0 && input.len() > 1 {
            match self.parse(input) {
                Ok(Some((header, used))) => {
                    take(input, used);
                    self.begin(&header);
                    return Ok(Some(header));
                }
                Ok(None) => {}
                Err(error) => {
                    self.stash_failed(input);
                    return Err(error);
                }
            }
        }
        self.collect_header(input)
    }

    /// A header that the end of the input cuts is collected byte by byte, so that it ends where it
    /// ends.
    fn collect_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, ProtocolError> {
        if self.has_failed {
            // What broke a rule is in the stash, and breaks it again.
            return self.parse(self.stashed()).map(|_| None);
        }
        while let Some((&mut byte, _)) = input.split_first_mut() {
            take(input, 1);
            self.stash(byte);
            match self.parse(self.stashed()) {
                Ok(Some((header, _))) => {
                    self.stashed = 0;
                    self.begin(&header);
                    return Ok(Some(header));
                }
                Ok(None) => {}
                Err(error) => {
                    self.has_failed = true;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// The next piece of the payload, of at most `at_most` bytes; `None` if `input` is empty and
    /// the frame is not complete.
    pub(crate) fn piece<'b>(&mut self, input: &mut &'b mut [u8], at_most: usize) -> Option<Piece<'b>> {
        let piece = self.payload.take(input, at_most)?;
        if piece.ends_frame {
            self.end_payload();
        }
        Some(piece)
    }

    /// The payload of the frame is processed; a header follows.
    #[inline]
    pub(crate) const fn end_payload(&mut self) {
        self.in_payload = false;
        if self.fin && !self.opcode.is_control() {
            self.in_message = false;
        }
    }

    /// Keeps a header that breaks a rule.
    #[cold]
    fn stash_failed(&mut self, bytes: &[u8]) {
        self.has_failed = true;
        for &byte in bytes.iter().take(Header::MAX_LEN) {
            self.stash(byte);
        }
    }

    fn stash(&mut self, byte: u8) {
        if let Some(slot) = self.stash.get_mut(usize::from(self.stashed)) {
            *slot = byte;
            self.stashed += 1;
        }
    }

    /// The header at the start of `bytes`, checked by every rule on frames.
    #[inline]
    fn parse(&self, bytes: &[u8]) -> Result<Option<(Header, usize)>, ProtocolError> {
        self.check(bytes)?;
        Header::decode(bytes)
    }

    /// The rules that depend on more than the header. They concern its first two bytes and are
    /// checked in their order, like those of [`Header::decode`], so that the error is the same
    /// wherever the input was cut.
    fn check(&self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let Some((&first, bytes)) = bytes.split_first() else {
            return Ok(());
        };
        let first = FirstByte(first);
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values"
        // (section 5.2)
        if first.has_reserved() {
            self.check_reserved(first)?;
        }
        // What the first byte alone breaks is found before the second byte is looked at.
        match header::check_first(first)? {
            Opcode::Continuation if !self.in_message => return Err(ProtocolError::UnexpectedContinuation),
            opcode @ (Opcode::Text | Opcode::Binary) if self.in_message => {
                return Err(ProtocolError::InterleavedMessage { opcode: opcode.bits() });
            }
            _ => {}
        }
        let Some(&second) = bytes.first() else {
            return Ok(());
        };
        if !self.has_wrong_mask(SecondByte(second)) {
            return Ok(());
        }
        Err(match self.role {
            Role::Server => ProtocolError::UnmaskedFrame,
            Role::Client => ProtocolError::MaskedFrame,
        })
    }

    /// Whether a frame with this second byte breaks the rule on who masks.
    #[inline(always)]
    pub(super) fn has_wrong_mask(&self, second: SecondByte) -> bool {
        // "The server MUST close the connection upon receiving a frame that is not masked" and "A
        // client MUST close a connection if it detects a masked frame" (section 5.1)
        second.is_masked() != (self.role == Role::Server)
    }

    /// The reserved bits that extensions of the caller's own give a meaning.
    pub(crate) const fn own_bits(&self) -> ReservedBits {
        self.own_bits.reserved()
    }

    /// The rule on reserved bits, if one is set.
    #[inline(never)]
    const fn check_reserved(&self, first: FirstByte) -> Result<(), ProtocolError> {
        let allowed = match Opcode::from_bits(first.opcode_bits()) {
            Some(Opcode::Text | Opcode::Binary) if self.allows_compressed => self.own_bits().union(ReservedBits::RSV1),
            Some(Opcode::Text | Opcode::Binary | Opcode::Continuation) => self.own_bits(),
            Some(Opcode::Close | Opcode::Ping | Opcode::Pong) | None => ReservedBits::NONE,
        };
        let set = first.reserved();
        if set.without(allowed).is_empty() {
            return Ok(());
        }
        Err(ProtocolError::ReservedBits { bits: set })
    }

    fn begin(&mut self, header: &Header) {
        self.payload.begin(header.len, header.mask);
        self.opcode = header.opcode;
        self.fin = header.fin;
        self.in_payload = true;
        if !header.opcode.is_control() {
            self.in_message = true;
        }
    }
}

/// What only a connection needs.
#[cfg(feature = "alloc")]
impl Decoder {
    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    /// A fragment that continues the message was taken as a whole; `fin`: it is the last one.
    #[inline(always)]
    pub(super) fn pass_fragment(&mut self, fin: bool, len: usize, mask: Mask) {
        self.payload.begin(len as u64, mask);
        self.payload.pass(len);
        self.opcode = Opcode::Continuation;
        self.fin = fin;
        self.in_message = !fin;
    }

    /// Whether no message and no frame is in progress: a whole message can come.
    pub(crate) const fn is_between_messages(&self) -> bool {
        self.is_between_frames() && !self.in_message
    }

    /// Whether payload of a frame is to come next, which may be empty.
    pub(crate) const fn is_in_payload(&self) -> bool {
        self.in_payload
    }

    /// Whether payload of a control frame is to come next.
    pub(crate) const fn is_in_control_frame(&self) -> bool {
        self.in_payload && self.opcode.is_control()
    }

    /// What the frame in progress is.
    pub(crate) const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// Whether the message ends with the frame in progress.
    pub(crate) const fn is_in_last_frame(&self) -> bool {
        self.fin
    }

    /// The payload in progress.
    pub(crate) const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The payload in progress, for what does not end it.
    pub(crate) const fn payload_mut(&mut self) -> &mut Payload {
        &mut self.payload
    }

    /// Writes a frame as this decoder receives it: the `front` of its payload, with `rest` bytes to
    /// follow. The key of the payload in progress continues at the end of `front`.
    pub(crate) fn write_frame(&self, first: FirstByte, mut front: Vec<u8>, rest: u64, out: &mut Vec<u8>) {
        let mask = self.payload.mask().map(|mut key| {
            key.rotate_right(front.len() % 4);
            key
        });
        wire::append(first, mask, front.len() as u64 + rest, out);
        unmask(&mut front, mask);
        out.append(&mut front);
    }
}
