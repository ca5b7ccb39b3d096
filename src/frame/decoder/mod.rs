//! The streaming decoder.

#[cfg(feature = "alloc")]
mod whole;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::mem;

use super::{Header, Opcode, Role};
use crate::{error::ProtocolError, mask};

/// What [`Decoder::decode`] found next.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a frame consists of these two")]
pub enum Item<'b> {
    /// A frame begins.
    Header(Header),
    /// The next piece of the frame's payload, unmasked in place. Every frame has at least one piece; only that of an
    /// empty frame is empty.
    Payload {
        /// The piece.
        data: &'b mut [u8],
        /// The frame ends with it.
        end: bool,
    },
}

/// A streaming decoder of frames: any cut of the bytes in, headers and payload pieces out.
///
/// It checks everything that RFC 6455 says of frames as such: reserved bits and opcodes, who masks, how lengths are
/// written, what a control frame may be, and in which sequence fragments come. It does not look into payloads (UTF-8,
/// close codes), knows no limit on lengths, holds at most the 13 bytes of a partial header, and never allocates. For
/// a proxy or a device without an allocator; [`Connection`](crate::Connection) is built on it.
///
/// ```
/// use sockless::frame::{Decoder, Item, Role};
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
pub struct Decoder {
    /// What the payload still lacks: 0 where no payload is in progress.
    remaining: u64,
    /// Turned to the next byte of the payload; zero if the frame is not masked.
    key: [u8; 4],
    /// The beginning of a header that is not whole yet.
    stash: [u8; Header::MAX_LEN],
    stashed: u8,
    role: Role,
    in_payload: bool,
    /// A data frame without FIN has passed and its message has not ended.
    in_message: bool,
    /// An extension gives the first reserved bit a meaning, on the first frame of a message.
    rsv1: bool,
    failed: Option<ProtocolError>,
}

impl Decoder {
    /// A decoder for what the given end receives.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            remaining: 0,
            key: [0; 4],
            stash: [0; Header::MAX_LEN],
            stashed: 0,
            role,
            in_payload: false,
            in_message: false,
            rsv1: false,
            failed: None,
        }
    }

    /// Lets the first reserved bit be set on the first frame of a message, as an extension was agreed that gives it
    /// a meaning there: permessage-deflate marks compressed messages with it (RFC 7692, section 6).
    pub const fn allow_rsv1(&mut self) {
        self.rsv1 = true;
    }

    /// Takes the next item off the front of `input`, which shrinks as it is consumed.
    ///
    /// `Ok(None)` means exactly: `input` is empty.
    ///
    /// # Errors
    /// The rule that the peer broke, at the first byte that breaks it. Later calls return the same error.
    pub fn decode<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, ProtocolError> {
        if self.in_payload {
            Ok(self.payload(input, usize::MAX).map(|(data, mask, end)| {
                unmask(data, mask);
                Item::Payload { data, end }
            }))
        } else {
            Ok(self.header(input)?.map(Item::Header))
        }
    }

    /// Whether the next thing to come is a header, and no byte of it has come yet.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        !self.in_payload && self.stashed == 0
    }

    /// Whether a fragmented message is in progress.
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
        if let Some(error) = self.failed {
            return Err(error);
        }
        let found = self.find_header(input);
        match found {
            Ok(Some(header)) => self.begin(&header),
            Ok(None) => {}
            Err(error) => self.failed = Some(error),
        }
        found
    }

    /// The next piece of the payload, of at most `at_most` bytes, still masked with the key beside it, and whether the frame
    /// ends with it; or `None` if `input` is empty and the frame is not.
    pub(crate) fn payload<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        at_most: usize,
    ) -> Option<(&'b mut [u8], Mask, bool)> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(at_most);
        if wanted > 0 && input.is_empty() {
            return None;
        }
        let data = take(input, wanted.min(input.len()));
        let mask = self.pass(data.len());
        self.in_payload = self.remaining > 0;
        Some((data, mask, !self.in_payload))
    }

    /// All of `input`, as [`payload`](Self::payload) gives it, if it is payload and the frame goes on behind it.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn middle_of_payload<'b>(&mut self, input: &mut &'b mut [u8]) -> Option<(&'b mut [u8], Mask)> {
        let len = input.len();
        if len as u64 >= self.remaining || len == 0 {
            return None;
        }
        Some((mem::take(input), self.pass(len)))
    }

    /// Passes over so many bytes of the payload, and returns what they are masked with.
    #[inline]
    fn pass(&mut self, len: usize) -> Mask {
        self.remaining -= len as u64;
        match self.role {
            Role::Client => None,
            Role::Server => {
                let key = self.key;
                self.key = mask::turned(key, len);
                Some(key)
            }
        }
    }

    fn find_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, ProtocolError> {
        // One byte is no header.
        if self.stashed == 0 && input.len() > 1 {
            self.check(input)?;
            if let Some((header, used)) = Header::decode(input)? {
                take(input, used);
                return Ok(Some(header));
            }
        }
        // A header cut by the end of the input: collected byte by byte, so that it ends where it ends.
        while let Some((&mut byte, _)) = input.split_first_mut() {
            take(input, 1);
            if let Some(slot) = self.stash.get_mut(usize::from(self.stashed)) {
                *slot = byte;
                self.stashed += 1;
            }
            self.check(self.stashed())?;
            if let Some((header, _)) = Header::decode(self.stashed())? {
                self.stashed = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// The rules that depend on more than the header. They concern its first two bytes and are checked in their
    /// order, like those of [`Header::decode`], so that the error is the same wherever the input was cut.
    fn check(&self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let Some((&first, bytes)) = bytes.split_first() else {
            return Ok(());
        };
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (section 5.2)
        let opens_message = matches!(first & 0x0F, 0x1 | 0x2);
        let allowed = if self.rsv1 && opens_message { 0x40 } else { 0 };
        if first & 0x70 & !allowed != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        match Opcode::from_bits(first & 0x0F) {
            Some(Opcode::Continuation) if !self.in_message => return Err(ProtocolError::UnexpectedContinuation),
            Some(Opcode::Text | Opcode::Binary) if self.in_message => return Err(ProtocolError::InterleavedMessage),
            // A byte that `Header::decode` refuses is refused before the next byte is looked at.
            None => return Err(ProtocolError::ReservedOpcode),
            Some(opcode) if opcode.is_control() && first & 0x80 == 0 => {
                return Err(ProtocolError::FragmentedControlFrame);
            }
            Some(_) => {}
        }
        let Some(&second) = bytes.first() else {
            return Ok(());
        };
        // "The server MUST close the connection upon receiving a frame that is not masked" and "A client MUST close
        // a connection if it detects a masked frame" (section 5.1)
        match (self.role, second & 0x80 != 0) {
            (Role::Server, false) => Err(ProtocolError::UnmaskedFrame),
            (Role::Client, true) => Err(ProtocolError::MaskedFrame),
            (Role::Server, true) | (Role::Client, false) => Ok(()),
        }
    }

    fn begin(&mut self, header: &Header) {
        self.remaining = header.len;
        self.key = header.mask.unwrap_or_default();
        self.in_payload = true;
        if !header.opcode.is_control() {
            self.in_message = !header.fin;
        }
    }
}

/// What only a connection needs.
#[cfg(feature = "alloc")]
impl Decoder {
    /// `byte`, unmasked, if it is payload and more of that has to follow it.
    #[inline(always)]
    pub(crate) fn peek_byte(&self, byte: u8) -> Option<u8> {
        // The key of a frame that is not masked is zero.
        let [key, ..] = self.key;
        (self.remaining > 1).then_some(byte ^ key)
    }

    /// Passes over the byte that was peeked.
    #[inline(always)]
    pub(crate) fn pass_byte(&mut self) {
        self.remaining -= 1;
        self.key = mask::turned(self.key, 1);
    }

    pub(crate) const fn is_in_payload(&self) -> bool {
        self.in_payload
    }

    /// What the payload lacks, and the key turned to its next byte.
    pub(crate) const fn rest(&self) -> (u64, [u8; 4]) {
        (self.remaining, self.key)
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    /// Writes a frame as this decoder receives it: the `front` of its payload, with `rest` bytes to follow, which are
    /// masked with `key` on.
    pub(crate) fn write_frame(
        &self,
        opcode: Opcode,
        fin: bool,
        mut front: Vec<u8>,
        rest: u64,
        mut key: [u8; 4],
        out: &mut Vec<u8>,
    ) {
        key.rotate_right(front.len() % 4);
        let mask = match self.role {
            Role::Server => Some(key),
            Role::Client => None,
        };
        let header = Header {
            fin,
            mask,
            ..Header::new(opcode, front.len() as u64 + rest)
        };
        let mut buf = [0; Header::MAX_LEN];
        let used = header.write(&mut buf);
        out.extend_from_slice(buf.get(..used).unwrap_or_default());
        if mask.is_some() {
            mask::apply(&mut front, key);
        }
        out.append(&mut front);
    }

    pub(crate) const fn is_between_messages(&self) -> bool {
        self.is_between_frames() && !self.in_message && self.failed.is_none()
    }
}

/// What compressed messages need: the inflater says how much of a payload it takes.
#[cfg(feature = "deflate")]
impl Decoder {
    /// Unmasks what is there of the payload, at most `at_most` bytes, and returns how many. They stay in `input` until
    /// [`consume`](Self::consume) takes them.
    pub(crate) fn peek(&self, input: &mut [u8], at_most: usize) -> usize {
        let len = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(at_most)
            .min(input.len());
        if let Some(front) = input.get_mut(..len).filter(|_| self.role == Role::Server) {
            mask::apply(front, self.key);
        }
        len
    }

    /// Takes `used` of the bytes that [`peek`](Self::peek) has unmasked, and masks the rest again.
    pub(crate) fn consume(&mut self, input: &mut &mut [u8], peeked: usize, used: usize) {
        self.key.rotate_left(used % 4);
        take(input, used);
        if let Some(rest) = input.get_mut(..peeked - used).filter(|_| self.role == Role::Server) {
            mask::apply(rest, self.key);
        }
        self.remaining -= used as u64;
    }

    /// Whether all of the payload is consumed.
    pub(crate) const fn is_payload_consumed(&self) -> bool {
        self.remaining == 0
    }

    /// The payload is processed; a header follows.
    pub(crate) const fn end_payload(&mut self) {
        self.in_payload = false;
    }
}

/// What a piece of payload is masked with, if it is.
pub(crate) type Mask = Option<[u8; 4]>;

#[inline]
pub(crate) fn unmask(data: &mut [u8], mask: Mask) {
    if let Some(key) = mask {
        mask::apply(data, key);
    }
}

/// Takes `n` bytes off the front of `input`; `n` is at most its length.
#[inline]
fn take<'b>(input: &mut &'b mut [u8], n: usize) -> &'b mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(n);
    *input = rest;
    front
}
