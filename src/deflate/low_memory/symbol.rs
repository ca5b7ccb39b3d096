//! The symbols of a block, which stand for literals, and for lengths and distances of matches (RFC
//! 1951, section 3.2.5).

use super::{bits::BitWriter, huffman::Code};

/// The shortest match (RFC 1951, section 3.2.5).
pub(super) const MIN_MATCH: usize = 3;
/// The longest match.
pub(super) const MAX_MATCH: usize = 258;

/// Symbols for literals, the end of the block, and the lengths of matches.
pub(super) const LITERALS: usize = 286;
pub(super) const END_OF_BLOCK: usize = 256;
/// Symbols for distances.
pub(super) const DISTANCES: usize = 30;

/// A symbol that is followed by extra bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) symbol: usize,
    pub(super) extra: u32,
    pub(super) extra_bits: u32,
}

impl Symbol {
    /// The symbol of a value from 0 on. Each power of two has `2^precision` symbols.
    #[inline]
    const fn new(value: usize, precision: u32) -> Self {
        let value = value as u32;
        if value < 2 << precision {
            return Self::without_extra(value as usize);
        }
        let extra_bits = value.ilog2() - precision;
        Self {
            symbol: ((extra_bits << precision) + (value >> extra_bits)) as usize,
            extra: value & ((1 << extra_bits) - 1),
            extra_bits,
        }
    }

    /// The symbol of the length of a match.
    #[inline]
    pub(super) const fn of_length(length: usize) -> Self {
        if length == MAX_MATCH {
            return Self::without_extra(LITERALS - 1);
        }
        let mut found = Self::new(length - MIN_MATCH, 2);
        found.symbol += END_OF_BLOCK + 1;
        found
    }

    #[inline]
    pub(super) const fn of_distance(distance: usize) -> Self {
        Self::new(distance - 1, 1)
    }

    #[inline]
    pub(super) const fn without_extra(symbol: usize) -> Self {
        Self {
            symbol,
            extra: 0,
            extra_bits: 0,
        }
    }
}

/// Writes a code, and the extra bits of its symbol.
#[inline]
pub(super) fn put(code: Code, symbol: Symbol, bits: &mut BitWriter<'_>) {
    let length = code.length();
    bits.put(code.bits() | symbol.extra << length, length + symbol.extra_bits);
}

#[inline]
pub(super) fn count(frequencies: &mut [u16], symbol: usize) {
    if let Some(frequency) = frequencies.get_mut(symbol) {
        *frequency += 1;
    }
}
