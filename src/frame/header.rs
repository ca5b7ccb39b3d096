//! The header of a frame, and the rules that concern one header alone. The decoder has the others:
//! reserved bits, masks and the sequence of frames.

use super::{
    opcode::Opcode,
    wire::{self, FirstByte, Length, SecondByte},
};
use crate::{error::ProtocolError, reserved_bits::ReservedBits};

/// The header of a frame (RFC 6455, section 5.2).
///
/// ```
/// use sockless::frame::{Header, Opcode};
///
/// let header = Header::new(Opcode::Text, 5);
/// let mut buf = [0; Header::MAX_LEN];
/// assert_eq!(header.encode(&mut buf)?, [0x81, 0x05]);
/// assert_eq!(Header::decode(&[0x81, 0x05])?, Some((header, 2)));
/// # Ok::<(), sockless::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "the protocol has these fields")]
pub struct Header {
    /// Whether this is the last fragment of the message.
    pub fin: bool,
    /// The reserved bits that are set. The first one marks a compressed message, if
    /// permessage-deflate is negotiated (RFC 7692).
    pub reserved: ReservedBits,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key that the payload is masked with, if it is masked.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes, at most 2^63 - 1; the key does not count.
    pub len: u64,
}

impl Header {
    /// The longest encoded header, in bytes.
    pub const MAX_LEN: usize = wire::MAX_HEADER_LEN;

    /// The longest payload of a control frame, in bytes (RFC 6455, section 5.5).
    pub const MAX_CONTROL_PAYLOAD: usize = wire::MAX_IN_7_BITS;

    /// Returns the header of an unfragmented, unmasked frame without reserved bits.
    #[must_use]
    pub const fn new(opcode: Opcode, len: u64) -> Self {
        Self {
            fin: true,
            reserved: ReservedBits::NONE,
            opcode,
            mask: None,
            len,
        }
    }

    /// Decodes the header at the start of `bytes` and returns it with the number of bytes it takes.
    /// Returns `None` if `bytes` ends before the header does.
    ///
    /// Reserved bits are returned and not checked: an extension may give them a meaning.
    /// [`Decoder`](super::Decoder) checks them.
    ///
    /// # Errors
    /// Returns the first rule that the bytes break, in the order of the bytes, as soon as the byte
    /// that breaks it is there: a reserved opcode, a fragmented or overlong control frame, a length
    /// that is not in its shortest form or is over 2^63 - 1. (RFC 6455 lets a receiver accept a
    /// longer form; refusing it keeps two readers of one stream from disagreeing.)
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((&first, bytes)) = bytes.split_first() else {
            return Ok(None);
        };
        let first = FirstByte(first);
        let opcode = check_first(first)?;
        let Some((&second, bytes)) = bytes.split_first() else {
            return Ok(None);
        };
        let second = SecondByte(second);
        check_len(opcode, second.length_bits().into())?;
        let (len, bytes, used) = match second.length() {
            Length::Short(len) => (len.into(), bytes, wire::MIN_HEADER_LEN),
            Length::Medium => {
                let Some((&len, bytes)) = bytes.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u16::from_be_bytes(len);
                check_minimal(wire::needs_16_bits(len), 16)?;
                (len.into(), bytes, wire::MEDIUM_HEADER_LEN)
            }
            Length::Long => {
                let Some((&len, bytes)) = bytes.split_first_chunk() else {
                    return decode_incomplete(bytes);
                };
                let len = u64::from_be_bytes(len);
                check_overflow(len)?;
                check_minimal(wire::needs_64_bits(len), 64)?;
                (len, bytes, wire::LONG_HEADER_LEN)
            }
        };
        let (mask, used) = if second.is_masked() {
            let Some(key) = bytes.first_chunk() else {
                return Ok(None);
            };
            (Some(*key), used + wire::KEY_LEN)
        } else {
            (None, used)
        };
        let header = Self {
            fin: first.fin(),
            reserved: first.reserved(),
            opcode,
            mask,
            len,
        };
        Ok(Some((header, used)))
    }

    /// Encodes the header into the front of `buf` and returns what it takes of it. The length is in
    /// its shortest form.
    ///
    /// # Errors
    /// Returns the rule that the header breaks, as [`decode`](Self::decode) would find it.
    pub fn encode<'a>(&self, buf: &'a mut [u8; Self::MAX_LEN]) -> Result<&'a [u8], ProtocolError> {
        let first = self.first_byte();
        check_len(check_first(first)?, self.len)?;
        let used = wire::write(first, self.mask, self.len, buf);
        Ok(buf.get(..used).unwrap_or_default())
    }
}

impl Header {
    pub(crate) const fn first_byte(&self) -> FirstByte {
        FirstByte::new(self.opcode, self.fin).with_reserved(self.reserved)
    }
}

/// The rules that the first byte alone can break (RFC 6455, sections 5.2 and 5.5). Returns the
/// opcode.
#[inline]
pub(super) fn check_first(first: FirstByte) -> Result<Opcode, ProtocolError> {
    let opcode = Opcode::from_bits(first.opcode_bits()).ok_or_else(|| ProtocolError::ReservedOpcode {
        opcode: first.opcode_bits(),
    })?;
    if opcode.is_control() && !first.fin() {
        return Err(ProtocolError::FragmentedControlFrame { opcode: opcode.bits() });
    }
    Ok(opcode)
}

/// The rules on how long a payload may be (RFC 6455, sections 5.2 and 5.5).
#[inline]
fn check_len(opcode: Opcode, len: u64) -> Result<(), ProtocolError> {
    if opcode.is_control() && len > Header::MAX_CONTROL_PAYLOAD as u64 {
        return Err(ProtocolError::ControlFrameTooLong { opcode: opcode.bits() });
    }
    check_overflow(len)
}

/// "the most significant bit MUST be 0" (RFC 6455, section 5.2)
#[inline]
fn check_overflow(len: u64) -> Result<(), ProtocolError> {
    if wire::overflows(len) {
        Err(ProtocolError::LengthOverflow)
    } else {
        Ok(())
    }
}

/// "the minimal number of bytes MUST be used to encode the length" (RFC 6455, section 5.2)
#[inline]
fn check_minimal(is_minimal: bool, bits: u8) -> Result<(), ProtocolError> {
    if is_minimal {
        Ok(())
    } else {
        Err(ProtocolError::NonMinimalLength { bits })
    }
}

/// A header that ends inside a length of 64 bits, of which `bytes` have come: both rules can be
/// broken before it is whole.
///
/// Out of line, as it needs the stack.
#[inline(never)]
fn decode_incomplete(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProtocolError> {
    let mut len = [0; 8];
    for (slot, byte) in len.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    let len = u64::from_be_bytes(len);
    check_overflow(len)?;
    // With six bytes, the last two may be anything.
    check_minimal(bytes.len() < 6 || wire::needs_64_bits(len), 64)?;
    Ok(None)
}
