//! UTF-8 byte by byte and without a branch (RFC 3629, section 4): for text that arrives in small
//! pieces.

/// The position inside a code point: the number of the bit at which a row of [`ROWS`] holds the
/// state after this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Utf8State(u8);

impl Utf8State {
    /// Between two code points.
    pub(super) const START: Self = Self(0);
    /// One byte is missing; two; three.
    const ONE: Self = Self(6);
    const TWO: Self = Self(12);
    const THREE: Self = Self(18);
    /// Two or three bytes are missing, after a byte that restricts the next one: no overlong form,
    /// no surrogate, nothing above U+10FFFF.
    const E0: Self = Self(24);
    const ED: Self = Self(30);
    const F0: Self = Self(36);
    const F4: Self = Self(42);
    /// No continuation is valid.
    pub(super) const INVALID: Self = Self(48);

    const ALL: [Self; 9] = [
        Self::START,
        Self::ONE,
        Self::TWO,
        Self::THREE,
        Self::E0,
        Self::ED,
        Self::F0,
        Self::F4,
        Self::INVALID,
    ];

    /// Returns the state after `byte`.
    #[inline(always)]
    pub(super) fn next(self, byte: u8) -> Self {
        let row = ROWS.get(usize::from(byte)).copied().unwrap_or_default();
        Self((row >> self.0) as u8 & 0x3F)
    }

    /// Returns whether `byte` is a code point and none is unfinished, in one comparison.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(super) fn is_at_ascii(self, byte: u8) -> bool {
        u32::from(self.0) << 8 | u32::from(byte) < 0x80
    }

    /// Returns how many bytes of the code point are missing; 0 also if it is invalid.
    #[inline]
    pub(super) const fn missing(self) -> usize {
        match self {
            Self::ONE => 1,
            Self::TWO | Self::E0 | Self::ED => 2,
            Self::THREE | Self::F0 | Self::F4 => 3,
            _ => 0,
        }
    }

    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::START, 0..=0x7F) | (Self::ONE, 0x80..=0xBF) => Self::START,
            (Self::START, 0xC2..=0xDF)
            | (Self::TWO, 0x80..=0xBF)
            | (Self::E0, 0xA0..=0xBF)
            | (Self::ED, 0x80..=0x9F) => Self::ONE,
            (Self::START, 0xE1..=0xEC | 0xEE..=0xEF)
            | (Self::THREE, 0x80..=0xBF)
            | (Self::F0, 0x90..=0xBF)
            | (Self::F4, 0x80..=0x8F) => Self::TWO,
            (Self::START, 0xF1..=0xF3) => Self::THREE,
            (Self::START, 0xE0) => Self::E0,
            (Self::START, 0xED) => Self::ED,
            (Self::START, 0xF0) => Self::F0,
            (Self::START, 0xF4) => Self::F4,
            _ => Self::INVALID,
        }
    }
}

/// For each byte, the state after it for each state before it, in six bits: a transition is a
/// shift.
static ROWS: [u64; 256] = rows();

#[allow(clippy::indexing_slicing, reason = "computed by the compiler, of numbers below 256")]
const fn rows() -> [u64; 256] {
    let mut rows = [0; 256];
    let mut byte = 0;
    while byte < rows.len() {
        let mut at = 0;
        while at < Utf8State::ALL.len() {
            let state = Utf8State::ALL[at];
            rows[byte] |= (state.after(byte as u8).0 as u64) << state.0;
            at += 1;
        }
        byte += 1;
    }
    rows
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::{Utf8State, rows};

    /// The bytes at which a range of the definition begins or ends.
    const EDGES: [u8; 12] = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xED, 0xF4, 0xFF];

    /// The table agrees with `core` on every lead byte, and on all after it at which something
    /// changes.
    #[test]
    fn the_table_agrees_with_core() {
        let rows = rows();
        let mut unfinished = alloc::vec![(alloc::vec::Vec::new(), Utf8State::START)];
        for len in 0..4 {
            let bytes: &[u8] = if len == 0 {
                &alloc::vec::Vec::from_iter(0..=255)
            } else {
                &EDGES
            };
            let mut longer = alloc::vec::Vec::new();
            for (sequence, state) in &unfinished {
                for &byte in bytes {
                    let next = Utf8State((rows[usize::from(byte)] >> state.0) as u8 & 0x3F);
                    let sequence = [&sequence[..], &[byte]].concat();
                    match core::str::from_utf8(&sequence) {
                        Ok(_) => assert_eq!(next.0, Utf8State::START.0, "{sequence:x?}"),
                        Err(error) if error.error_len().is_some() => {
                            assert_eq!(next.0, Utf8State::INVALID.0, "{sequence:x?}");
                        }
                        Err(_) => longer.push((sequence, next)),
                    }
                }
            }
            unfinished = longer;
        }
        assert!(unfinished.is_empty());
    }
}
