//! The bits and bytes of a frame header (RFC 6455, section 5.2). No other file knows them.
//!
//! ```text
//! byte 0   FIN, RSV1, RSV2, RSV3, then the opcode in 4 bits
//! byte 1   MASK, then the payload length in 7 bits
//!          16 or 64 bits of payload length, if those 7 bits hold 126 or 127
//!          4 bytes of mask key, if MASK is set
//! ```
//!
//! Nothing here is checked: `header` and `decoder` have the rules.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::opcode::Opcode;
use crate::reserved_bits::ReservedBits;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;
const OPCODE: u8 = 0x0F;

const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7F;
/// The 7 bits of a length that follows in 16 bits.
const IN_16_BITS: u8 = 126;
/// The 7 bits of a length that follows in 64 bits.
const IN_64_BITS: u8 = 127;

/// The longest header, in bytes.
pub(crate) const MAX_HEADER_LEN: usize = 14;
/// The header of a frame with a length of 16 bits, in bytes, without the mask key.
pub(crate) const MEDIUM_HEADER_LEN: usize = MIN_HEADER_LEN + 2;
/// The header of a frame with a length of 64 bits, in bytes, without the mask key.
pub(crate) const LONG_HEADER_LEN: usize = MIN_HEADER_LEN + 8;
/// The shortest header, in bytes: what every header begins with.
pub(crate) const MIN_HEADER_LEN: usize = 2;
/// The longest payload whose length fits into 7 bits.
pub(crate) const MAX_IN_7_BITS: usize = 125;
/// The longest payload whose length fits into 16 bits.
pub(crate) const MAX_IN_16_BITS: usize = 0xFFFF;
/// The bytes of a mask key.
pub(crate) const KEY_LEN: usize = 4;
/// The header of a masked frame with a length of 7 bits, in bytes.
#[cfg(feature = "alloc")]
pub(crate) const SHORT_MASKED_LEN: usize = MIN_HEADER_LEN + KEY_LEN;
/// The header of a masked frame with a length of 16 bits, in bytes.
#[cfg(feature = "alloc")]
pub(crate) const MEDIUM_MASKED_LEN: usize = MEDIUM_HEADER_LEN + KEY_LEN;

/// The first byte of a header: FIN, the reserved bits and the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstByte(pub(crate) u8);

impl FirstByte {
    /// Nothing is set, and the opcode is that of a continuation.
    pub(crate) const NONE: Self = Self(0);

    #[inline(always)]
    pub(crate) const fn new(opcode: Opcode, fin: bool) -> Self {
        Self(opcode.bits() | bit(fin, FIN))
    }

    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) const fn with_fin(self, fin: bool) -> Self {
        Self(self.0 & !FIN | bit(fin, FIN))
    }

    /// With these reserved bits, and no others.
    #[inline(always)]
    pub(crate) const fn with_reserved(self, bits: ReservedBits) -> Self {
        Self(self.0 & !(RSV1 | RSV2 | RSV3) | bit(bits.rsv1, RSV1) | bit(bits.rsv2, RSV2) | bit(bits.rsv3, RSV3))
    }

    #[inline(always)]
    pub(crate) const fn fin(self) -> bool {
        self.0 & FIN != 0
    }

    #[inline(always)]
    pub(crate) const fn reserved(self) -> ReservedBits {
        ReservedBits::new([self.0 & RSV1 != 0, self.0 & RSV2 != 0, self.0 & RSV3 != 0])
    }

    /// With RSV1 set, and RSV2 and RSV3 as they are: the first frame of a compressed message, and
    /// only that, has the bit (RFC 7692, section 6.1).
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) const fn with_rsv1(self) -> Self {
        Self(self.0 | RSV1)
    }

    /// Whether a reserved bit is set.
    #[inline(always)]
    pub(crate) const fn has_reserved(self) -> bool {
        self.0 & (RSV1 | RSV2 | RSV3) != 0
    }

    /// The four bits of the opcode, which may be a reserved one.
    #[inline(always)]
    pub(crate) const fn opcode_bits(self) -> u8 {
        self.0 & OPCODE
    }
}

/// The second byte of a header: MASK and the first 7 bits of the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecondByte(pub(crate) u8);

/// The form of a payload length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// The 7 bits themselves.
    Short(u8),
    /// It follows in 16 bits.
    Medium,
    /// It follows in 64 bits.
    Long,
}

impl SecondByte {
    #[inline(always)]
    pub(crate) const fn is_masked(self) -> bool {
        self.0 & MASK != 0
    }

    #[inline(always)]
    pub(crate) const fn length(self) -> Length {
        match self.0 & LENGTH {
            IN_16_BITS => Length::Medium,
            IN_64_BITS => Length::Long,
            len => Length::Short(len),
        }
    }

    /// The 7 bits as a number: the length, or more than [`MAX_IN_7_BITS`] if it follows.
    #[inline(always)]
    pub(crate) const fn length_bits(self) -> u8 {
        self.0 & LENGTH
    }

    /// How many bytes the header takes.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) const fn header_len(self) -> usize {
        let len = match self.length() {
            Length::Short(_) => MIN_HEADER_LEN,
            Length::Medium => MEDIUM_HEADER_LEN,
            Length::Long => LONG_HEADER_LEN,
        };
        if self.is_masked() { len + KEY_LEN } else { len }
    }
}

/// Whether a length needs the 16 bits it was written in.
#[inline(always)]
pub(crate) const fn needs_16_bits(len: u16) -> bool {
    len as usize > MAX_IN_7_BITS
}

/// Whether a length needs the 64 bits it was written in.
#[inline(always)]
pub(crate) const fn needs_64_bits(len: u64) -> bool {
    len > MAX_IN_16_BITS as u64
}

/// Whether a length has its most significant bit set.
#[inline(always)]
pub(crate) const fn overflows(len: u64) -> bool {
    len >> 63 != 0
}

/// Writes a header into the front of `buf` and returns its length. It is made in registers and
/// stored at once: a load that follows soon would wait for several stores.
#[inline(always)]
pub(crate) fn write(first: FirstByte, key: Option<[u8; KEY_LEN]>, len: u64, buf: &mut [u8; MAX_HEADER_LEN]) -> usize {
    let masked = bit(key.is_some(), MASK);
    let key_len = if key.is_some() { KEY_LEN } else { 0 };
    let key = u32::from_le_bytes(key.unwrap_or_default());
    let start = |second: u8| u64::from(first.0) | u64::from(masked | second) << 8;
    let (low, high, used) = match len {
        0..=125 => (start(len as u8) | u64::from(key) << 16, 0, MIN_HEADER_LEN),
        126..=0xFFFF => {
            let len = u64::from((len as u16).swap_bytes());
            (
                start(IN_16_BITS) | len << 16 | u64::from(key) << 32,
                0,
                MEDIUM_HEADER_LEN,
            )
        }
        _ => {
            let len = len.swap_bytes();
            let high = len >> 48 | u64::from(key) << 16;
            (start(IN_64_BITS) | len << 16, high, LONG_HEADER_LEN)
        }
    };
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
    if let Some(front) = bytes.first_chunk() {
        *buf = *front;
    }
    used + key_len
}

/// Appends a header.
#[cfg(feature = "alloc")]
#[inline]
pub(crate) fn append(first: FirstByte, key: Option<[u8; KEY_LEN]>, len: u64, out: &mut Vec<u8>) {
    let mut buf = [0; MAX_HEADER_LEN];
    let used = write(first, key, len, &mut buf);
    out.extend_from_slice(buf.get(..used).unwrap_or_default());
}

#[cfg(feature = "alloc")]
/// The header of a frame that is not masked, for at most [`MAX_IN_7_BITS`] bytes.
#[inline(always)]
pub(crate) const fn short(first: FirstByte, len: usize) -> [u8; MIN_HEADER_LEN] {
    debug_assert!(len <= MAX_IN_7_BITS);
    [first.0, len as u8]
}

#[cfg(feature = "alloc")]
/// The header of a frame that is not masked, for more bytes than that and at most
/// [`MAX_IN_16_BITS`].
#[inline(always)]
pub(crate) const fn medium(first: FirstByte, len: usize) -> [u8; MEDIUM_HEADER_LEN] {
    debug_assert!(len > MAX_IN_7_BITS && len <= MAX_IN_16_BITS);
    let [high, low] = (len as u16).to_be_bytes();
    [first.0, IN_16_BITS, high, low]
}

#[cfg(feature = "alloc")]
/// As [`short`], masked.
#[inline(always)]
pub(crate) const fn short_masked(first: FirstByte, len: usize, key: [u8; KEY_LEN]) -> [u8; SHORT_MASKED_LEN] {
    let ([first, len], [a, b, c, d]) = (short(first, len), key);
    [first, MASK | len, a, b, c, d]
}

#[cfg(feature = "alloc")]
/// As [`medium`], masked.
#[inline(always)]
pub(crate) const fn medium_masked(first: FirstByte, len: usize, key: [u8; KEY_LEN]) -> [u8; MEDIUM_MASKED_LEN] {
    let ([first, second, high, low], [a, b, c, d]) = (medium(first, len), key);
    [first, MASK | second, high, low, a, b, c, d]
}

#[inline(always)]
const fn bit(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::FirstByte;
    use crate::reserved_bits::ReservedBits;

    /// Reserved bits are replaced and found, and nothing else is.
    #[test]
    fn reserved_bits_are_replaced() {
        for byte in 0..=u8::MAX {
            let first = FirstByte(byte);
            assert_eq!(first.has_reserved(), byte & 0b0111_0000 != 0);
            assert_eq!(first.with_reserved(ReservedBits::NONE).0, byte & 0b1000_1111);
            assert_eq!(
                first.with_reserved(ReservedBits::RSV2).0,
                byte & 0b1000_1111 | 0b0010_0000
            );
            assert_eq!(first.with_reserved(first.reserved()), first);
        }
    }
}
