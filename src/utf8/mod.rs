//! Incremental validation of UTF-8: a text message may be cut anywhere, in the middle of a code
//! point too (RFC 6455, sections 5.6 and 8.1).

mod automaton;

use core::{
    error, fmt, mem,
    str::{self, Utf8Error},
};

use self::automaton::Utf8State;

/// The error of bytes that no continuation can make valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not UTF-8 (RFC 3629, section 3)")
    }
}

impl error::Error for InvalidUtf8 {}

/// Validates a text that arrives in pieces, and returns the text in each piece.
///
/// It fails at the first byte that cannot belong to valid UTF-8, whatever would follow. It keeps at
/// most the three bytes of an unfinished code point and never allocates.
///
/// ```
/// use sockless::utf8::Validator;
///
/// let mut validator = Validator::new();
/// let first = validator.push(&"naïve".as_bytes()[..3]); // cut inside the ï
/// assert_eq!((first.split, first.text), (None, "na"));
/// let second = validator.push(&"naïve".as_bytes()[3..]);
/// assert_eq!((second.split, second.text), (Some('ï'), "ve"));
/// assert!(second.result.is_ok() && validator.finish().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Validator {
    state: Utf8State,
    /// The last bytes, the newest last; those of an unfinished code point are among them.
    carry: [u8; 4],
}

/// What [`Validator::push`] found in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "its result says whether the text is valid"]
#[non_exhaustive]
pub struct Piece<'a> {
    /// The code point that began in an earlier piece and ends in this one; it precedes `text`.
    pub split: Option<char>,
    /// The text in this piece: all of it except an unfinished code point at the end, or all before
    /// the invalid byte.
    pub text: &'a str,
    /// Whether the piece can belong to valid UTF-8.
    pub result: Result<(), InvalidUtf8>,
}

/// Like [`core::str::from_utf8`], and faster for text that is long and not ASCII.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, Utf8Error> {
    #[cfg(feature = "simd")]
    if is_faster_with_simd(bytes) {
        // `core` finds where the error is.
        return simdutf8::basic::from_utf8(bytes).or_else(|_| str::from_utf8(bytes));
    }
    str::from_utf8(bytes)
}

/// Returns whether `simdutf8` is probably faster than `core`: its start costs as much as `core`
/// takes for 32 bytes, or for 128 bytes of ASCII. Both ends tell whether the text is probably
/// ASCII; only the speed depends on that.
#[cfg(feature = "simd")]
#[inline]
fn is_faster_with_simd(bytes: &[u8]) -> bool {
    let is_ascii = |end: Option<&[u8; 8]>| end.is_some_and(|end| end.is_ascii());
    bytes.len() >= 128 || (bytes.len() >= 32 && !(is_ascii(bytes.first_chunk()) && is_ascii(bytes.last_chunk())))
}

impl Validator {
    /// Returns a validator at the start of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: Utf8State::START,
            carry: [0; 4],
        }
    }

    /// Validates the next piece.
    ///
    /// After an error, the validator is at the start of a new text.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Piece<'a> {
        let mut rest = bytes;
        let mut split = None;
        if self.state != Utf8State::START {
            let (front, after) = bytes.split_at(self.missing().min(bytes.len()));
            rest = after;
            split = match self.extend(front) {
                Ok(split) => split,
                Err(InvalidUtf8) => return Piece::invalid(None, ""),
            };
        }
        // Without an unfinished code point at the end, the rest is validated in one pass.
        let (body, unfinished) = rest.split_at(rest.len() - unfinished_len(rest));
        let text = match validate(body) {
            Ok(text) => text,
            Err(error) => {
                let (valid, _) = body.split_at(error.valid_up_to());
                return Piece::invalid(split, str::from_utf8(valid).unwrap_or_default());
            }
        };
        if !unfinished.is_empty() && self.extend(unfinished).is_err() {
            return Piece::invalid(split, text);
        }
        Piece::ok(split, text)
    }

    /// Returns how many bytes of the unfinished code point are missing: 0 to 3, and 0 if there is
    /// none.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.state.missing()
    }

    /// Ends the text. The validator is at the start of a new one.
    ///
    /// # Errors
    /// Fails if the text ends inside a code point.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        match mem::take(&mut self.state) {
            Utf8State::START => Ok(()),
            _ => Err(InvalidUtf8),
        }
    }

    /// Returns the bytes of the unfinished code point.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        if self.state == Utf8State::START {
            return &[];
        }
        let lead = self.carry.iter().rposition(|&byte| byte >= 0xC0);
        self.carry.get(lead.unwrap_or_default()..).unwrap_or_default()
    }

    /// Returns whether `byte` is a code point, and the text before it is complete. Such a byte
    /// changes no state, so it need not be passed to [`next`](Self::next).
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn is_at_ascii(&self, byte: u8) -> bool {
        self.state.is_at_ascii(byte)
    }

    /// Takes the next byte and returns whether a code point ends with it; [`last`](Self::last)
    /// returns that.
    ///
    /// # Errors
    /// Fails if the byte cannot follow. The validator is unchanged.
    #[inline(always)]
    pub(crate) fn next(&mut self, byte: u8) -> Result<bool, InvalidUtf8> {
        let state = self.state.next(byte);
        if state == Utf8State::INVALID {
            return Err(InvalidUtf8);
        }
        self.state = state;
        self.carry = (u32::from_le_bytes(self.carry) >> 8 | u32::from(byte) << 24).to_le_bytes();
        Ok(state == Utf8State::START)
    }

    /// Returns the code point of several bytes that ended last.
    #[inline]
    pub(crate) fn last(&self) -> char {
        let bits = |byte: u8, count: u8| u32::from(byte & ((1 << count) - 1));
        let code = match self.carry {
            [.., lead @ 0xC0..=0xDF, last] => bits(lead, 5) << 6 | bits(last, 6),
            [_, lead @ 0xE0..=0xEF, third, last] => bits(lead, 4) << 12 | bits(third, 6) << 6 | bits(last, 6),
            [lead, second, third, last] => {
                bits(lead, 3) << 18 | bits(second, 6) << 12 | bits(third, 6) << 6 | bits(last, 6)
            }
        };
        char::from_u32(code).unwrap_or_default()
    }

    /// Adds bytes to the unfinished code point, at most those that are missing, and returns the
    /// code point if it is complete.
    fn extend(&mut self, bytes: &[u8]) -> Result<Option<char>, InvalidUtf8> {
        let mut split = None;
        for &byte in bytes {
            match self.next(byte) {
                Ok(false) => {}
                Ok(true) => split = Some(self.last()),
                Err(error) => {
                    self.state = Utf8State::START;
                    return Err(error);
                }
            }
        }
        Ok(split)
    }
}

impl<'a> Piece<'a> {
    const fn ok(split: Option<char>, text: &'a str) -> Self {
        Self {
            split,
            text,
            result: Ok(()),
        }
    }

    const fn invalid(split: Option<char>, text: &'a str) -> Self {
        Self {
            split,
            text,
            result: Err(InvalidUtf8),
        }
    }
}

/// Returns how many bytes at the end begin a code point that is not complete: 0 to 3.
fn unfinished_len(bytes: &[u8]) -> usize {
    for (back, &byte) in (1..=3).zip(bytes.iter().rev()) {
        if byte & 0xC0 != 0x80 {
            let is_incomplete = Utf8State::START.next(byte).missing() >= back;
            return if is_incomplete { back } else { 0 };
        }
    }
    0
}
