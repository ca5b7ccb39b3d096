//! Frames on the wire (RFC 6455, section 5.2): the header codec, and a streaming decoder that checks every rule
//! which concerns frames alone and needs no allocation.

mod decoder;

pub use self::decoder::{Decoder, Item};
#[cfg(feature = "alloc")]
pub(crate) use self::decoder::{Mask, unmask};
use crate::error::ProtocolError;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the other values are reserved and refused")]
pub enum Opcode {
    /// 0x0: a further fragment of the message in progress.
    Continuation,
    /// 0x1: the first or only fragment of a text message.
    Text,
    /// 0x2: the first or only fragment of a binary message.
    Binary,
    /// 0x8: one direction of the connection ends (section 5.5.1).
    Close,
    /// 0x9: asks for a Pong (section 5.5.2).
    Ping,
    /// 0xA: answers a Ping, or is a heartbeat (section 5.5.3).
    Pong,
}

impl Opcode {
    /// Close, Ping and Pong are control frames: at most 125 bytes, never fragmented, allowed between the fragments
    /// of a message (section 5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }
}

/// What a message is (RFC 6455, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum Kind {
    /// Text, valid UTF-8 as a whole.
    Text,
    /// Arbitrary bytes.
    Binary,
}

impl From<Kind> for Opcode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}

/// Which end of the connection one is. It decides who masks (RFC 6455, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Role {
    /// Opens the connection; masks what it sends.
    Client,
    /// Accepts the connection; never masks.
    Server,
}

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
pub struct Header {
    /// This is the last fragment of the message.
    pub fin: bool,
    /// First reserved bit: a compressed message, if permessage-deflate is agreed (RFC 7692).
    pub rsv1: bool,
    /// Second reserved bit.
    pub rsv2: bool,
    /// Third reserved bit.
    pub rsv3: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key the payload is masked with, if it is masked.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes, at most 2^63 - 1; the key does not count.
    pub len: u64,
}

impl Header {
    /// The longest encoded header, in bytes.
    pub const MAX_LEN: usize = 14;

    /// The longest payload of a control frame, in bytes (section 5.5).
    pub const MAX_CONTROL_PAYLOAD: usize = 125;

    /// The header of an unfragmented, unmasked frame without reserved bits.
    #[must_use]
    pub const fn new(opcode: Opcode, len: u64) -> Self {
        Self {
            fin: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode,
            mask: None,
            len,
        }
    }

    /// Decodes the header at the start of `bytes` and says how many bytes it takes. `None`: there are too few.
    ///
    /// Reserved bits are reported, not judged: an extension may give them a meaning.
    ///
    /// # Errors
    /// The first rule that the bytes break, in the order of the bytes, as soon as the byte that breaks it is there:
    /// reserved opcode, fragmented or overlong control frame, a length that is not in its shortest form or is over
    /// 2^63 - 1. (RFC 6455 lets a receiver accept a longer form; refusing it keeps two readers of one stream from
    /// disagreeing.)
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((&first, bytes)) = bytes.split_first() else {
            return Ok(None);
        };
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(ProtocolError::ReservedOpcode)?;
        let fin = first & 0x80 != 0;
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControlFrame);
        }
        let Some((&second, bytes)) = bytes.split_first() else {
            return Ok(None);
        };
        let short = second & 0x7F;
        if opcode.is_control() && short > 125 {
            return Err(ProtocolError::ControlFrameTooLong);
        }
        let (len, bytes, used) = match short {
            126 => {
                let Some((len, bytes)) = bytes.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u64::from(u16::from_be_bytes(*len));
                if len < 126 {
                    return Err(ProtocolError::NonMinimalLength);
                }
                (len, bytes, 4)
            }
            127 => {
                // Both rules are decided before the length is whole.
                if bytes.first().is_some_and(|high| high & 0x80 != 0) {
                    return Err(ProtocolError::LengthOverflow);
                }
                if bytes.first_chunk() == Some(&[0; 6]) {
                    return Err(ProtocolError::NonMinimalLength);
                }
                let Some((len, bytes)) = bytes.split_first_chunk() else {
                    return Ok(None);
                };
                (u64::from_be_bytes(*len), bytes, 10)
            }
            short => (u64::from(short), bytes, 2),
        };
        let (mask, used) = if second & 0x80 == 0 {
            (None, used)
        } else {
            let Some((key, _)) = bytes.split_first_chunk() else {
                return Ok(None);
            };
            (Some(*key), used + 4)
        };
        let header = Self {
            fin,
            rsv1: first & 0x40 != 0,
            rsv2: first & 0x20 != 0,
            rsv3: first & 0x10 != 0,
            opcode,
            mask,
            len,
        };
        Ok(Some((header, used)))
    }

    /// Encodes the header, its length in the shortest form, into the front of `buf`.
    ///
    /// # Errors
    /// The rule that the header breaks, as [`decode`](Self::decode) would find it.
    pub fn encode<'a>(&self, buf: &'a mut [u8; Self::MAX_LEN]) -> Result<&'a [u8], ProtocolError> {
        if self.opcode.is_control() && !self.fin {
            return Err(ProtocolError::FragmentedControlFrame);
        }
        if self.opcode.is_control() && self.len > Self::MAX_CONTROL_PAYLOAD as u64 {
            return Err(ProtocolError::ControlFrameTooLong);
        }
        if self.len >> 63 != 0 {
            return Err(ProtocolError::LengthOverflow);
        }
        let used = self.write(buf);
        Ok(buf.get(..used).unwrap_or_default())
    }

    /// Writes the header, made in registers, without judging it and returns its length.
    #[allow(clippy::cast_possible_truncation, reason = "each arm has tested the range")]
    pub(crate) fn write(self, buf: &mut [u8; Self::MAX_LEN]) -> usize {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let first = bit(self.fin, 0x80)
            | bit(self.rsv1, 0x40)
            | bit(self.rsv2, 0x20)
            | bit(self.rsv3, 0x10)
            | self.opcode.bits();
        let masked = bit(self.mask.is_some(), 0x80);
        let key = u32::from_le_bytes(self.mask.unwrap_or_default());
        let key_len = if self.mask.is_some() { 4 } else { 0 };
        let start = |second: u8| u64::from(first) | u64::from(masked | second) << 8;
        let (low, high, used) = match self.len {
            0..=125 => (start(self.len as u8) | u64::from(key) << 16, 0, 2),
            126..=0xFFFF => {
                let len = u64::from((self.len as u16).swap_bytes());
                (start(126) | len << 16 | u64::from(key) << 32, 0, 4)
            }
            _ => {
                let len = self.len.swap_bytes();
                (start(127) | len << 16, len >> 48 | u64::from(key) << 16, 10)
            }
        };
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
        if let Some(front) = bytes.first_chunk() {
            *buf = *front;
        }
        used + key_len
    }
}
