//! Incremental validation of UTF-8: a text message may be cut anywhere, in the middle of a code point too
//! (RFC 6455, sections 5.6 and 8.1).

use core::{
    error, fmt,
    str::{self, Utf8Error},
};

/// Bytes that no continuation can make valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8")
    }
}

impl error::Error for InvalidUtf8 {}

/// Validates a text that comes in pieces, and says of each piece what is text already.
///
/// It fails fast: at the first byte that cannot belong to valid UTF-8, whatever would follow. It keeps at most the
/// three bytes of an unfinished code point and needs no allocation.
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
    carry: [u8; 4],
    carried: u8,
}

/// What [`Validator::push`] found in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece<'a> {
    /// The code point that began in an earlier piece and was completed by this one; it comes before `text`.
    pub split: Option<char>,
    /// The text in this piece: all of it but an unfinished code point at the end, or all before the invalid byte.
    pub text: &'a str,
    /// Whether the piece can belong to valid UTF-8.
    pub result: Result<(), InvalidUtf8>,
}

/// As [`core::str::from_utf8`], and faster for text that is long and not ASCII.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, Utf8Error> {
    #[cfg(feature = "simd")]
    if is_for_vectors(bytes) {
        // Where an error is, `core` knows.
        return simdutf8::basic::from_utf8(bytes).or_else(|_| str::from_utf8(bytes));
    }
    str::from_utf8(bytes)
}

/// Whether `simdutf8` is likely to be faster than `core`: its start costs as much as `core` takes for 32 bytes, or for 128
/// bytes of ASCII. What is ASCII is a guess from both ends, which decides about speed alone.
#[cfg(feature = "simd")]
#[inline]
fn is_for_vectors(bytes: &[u8]) -> bool {
    let is_ascii = |end: Option<&[u8; 8]>| end.is_some_and(|end| end.is_ascii());
    bytes.len() >= 128 || (bytes.len() >= 32 && !(is_ascii(bytes.first_chunk()) && is_ascii(bytes.last_chunk())))
}

impl Validator {
    /// A validator at the start of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            carry: [0; 4],
            carried: 0,
        }
    }

    /// Validates the next piece.
    ///
    /// After an error the validator stands at the start of a new text.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Piece<'a> {
        let mut rest = bytes;
        let mut split = None;
        if self.carried > 0 {
            let (front, behind) = bytes.split_at(self.missing().min(bytes.len()));
            rest = behind;
            split = match self.extend(front) {
                Ok(split) => split,
                Err(InvalidUtf8) => return Piece::invalid(None, ""),
            };
        }
        // An unfinished code point at the end is cut off first, so that the rest is validated in one pass.
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

    /// How many bytes the unfinished code point still needs: 0 to 3, and 0 if the text so far is complete.
    #[must_use]
    pub fn missing(&self) -> usize {
        match self.carry.first() {
            Some(&lead) if self.carried > 0 => sequence_len(lead) - usize::from(self.carried),
            _ => 0,
        }
    }

    /// The text ends here; the validator stands at the start of a new one.
    ///
    /// # Errors
    /// The text ends inside a code point.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        match core::mem::take(&mut self.carried) {
            0 => Ok(()),
            _ => Err(InvalidUtf8),
        }
    }

    /// The bytes of the unfinished code point.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        self.carry.get(..self.carried.into()).unwrap_or_default()
    }

    /// Adds bytes to the unfinished code point, no more than it lacks, and returns the code point if they complete it.
    fn extend(&mut self, bytes: &[u8]) -> Result<Option<char>, InvalidUtf8> {
        for (slot, byte) in self.carry.iter_mut().skip(self.carried.into()).zip(bytes) {
            *slot = *byte;
            self.carried += 1;
        }
        match str::from_utf8(self.unfinished()) {
            Ok(text) => {
                let split = text.chars().next();
                self.carried = 0;
                Ok(split)
            }
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => {
                self.carried = 0;
                Err(InvalidUtf8)
            }
        }
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

/// How long a code point is by its first byte; 1 for a byte that begins none.
const fn sequence_len(lead: u8) -> usize {
    match lead {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    }
}

/// How many bytes at the end look like the beginning of a code point that goes on: 0 to 3.
fn unfinished_len(bytes: &[u8]) -> usize {
    for (back, &byte) in (1..=3).zip(bytes.iter().rev()) {
        if byte & 0xC0 != 0x80 {
            return if sequence_len(byte) > back { back } else { 0 };
        }
    }
    0
}
