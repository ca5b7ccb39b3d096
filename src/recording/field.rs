//! The fields of a line.

use alloc::vec::Vec;
use core::str::FromStr;

use super::error::RecordingError;

/// What is left of a line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// The number of the line, from 1.
    pub(super) number: usize,
    pub(super) rest: &'a str,
}

/// What is expected in place of the rest of a line.
#[cold]
pub(super) fn expected(line: &Line<'_>, what: &'static str) -> RecordingError {
    RecordingError::new(line.number, line.rest, what)
}

impl<'a> Line<'a> {
    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the next word. `what` says what is expected.
    pub(super) fn word(&mut self, what: &'static str) -> Result<&'a str, RecordingError> {
        let (word, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        // A person reads it: it must not control the terminal.
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(expected(self, what));
        }
        self.rest = rest;
        Ok(word)
    }

    /// Returns the value that the next word stands for.
    pub(super) fn one_of<T: Copy>(&mut self, what: &'static str, words: &[(&str, T)]) -> Result<T, RecordingError> {
        let mut rest = *self;
        let word = rest.word(what)?;
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, value)) => {
                *self = rest;
                Ok(*value)
            }
            None => Err(expected(self, what)),
        }
    }

    pub(super) fn number<T: FromStr>(&mut self, what: &'static str) -> Result<T, RecordingError> {
        let mut rest = *self;
        let word = rest.word(what)?;
        // A sign is no part of a number here.
        let is_decimal = word.bytes().all(|byte| byte.is_ascii_digit());
        match word.parse() {
            Ok(number) if is_decimal => {
                *self = rest;
                Ok(number)
            }
            _ => Err(expected(self, what)),
        }
    }

    /// Returns the next field, which is data.
    pub(super) fn data(&mut self, what: &'static str) -> Result<Data<'a>, RecordingError> {
        let mut len = 0;
        loop {
            let rest = self.rest.get(len..).unwrap_or_default();
            let Some((_, segment_len)) = Segment::parse(rest) else {
                return Err(expected(self, what));
            };
            len += segment_len;
            match self.rest.as_bytes().get(len) {
                Some(b'+') => len += 1,
                Some(b' ') | None => break,
                Some(_) => return Err(expected(self, what)),
            }
        }
        let (data, rest) = self.rest.split_at(len);
        self.rest = rest.strip_prefix(' ').unwrap_or(rest);
        Ok(Data(data))
    }

    /// Fails unless all fields were read.
    pub(super) fn end(&self) -> Result<(), RecordingError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(expected(self, "the end of the line"))
        }
    }
}

/// Data as it is written: text in quotation marks, hexadecimal digits, and lengths of what was
/// redacted, joined by `+`. It is well-formed.
#[derive(Clone, Copy)]
pub(super) struct Data<'a>(&'a str);

impl<'a> Data<'a> {
    pub(super) const EMPTY: Self = Data("\"\"");

    pub(super) fn segments(self) -> impl Iterator<Item = Segment<'a>> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (segment, len) = Segment::parse(rest)?;
            rest = rest.get(len + 1..).unwrap_or_default();
            Some(segment)
        })
    }

    /// Returns the length of the data, of what was redacted too.
    pub(super) fn len(self) -> u64 {
        let lens = self.segments().map(|segment| match segment {
            Segment::Quoted(text) => unescaped(text).count() as u64,
            Segment::Hex(digits) => digits.len() as u64 / 2,
            Segment::Redacted(len) => len,
        });
        lens.fold(0, u64::saturating_add)
    }

    /// Returns the bytes. `None` if a part of them was redacted.
    pub(super) fn to_bytes(self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.0.len() / 2);
        for segment in self.segments() {
            segment.append_to(&mut bytes)?;
        }
        Some(bytes)
    }
}

/// A part of data.
#[derive(Clone, Copy)]
pub(super) enum Segment<'a> {
    /// What is between the quotation marks.
    Quoted(&'a str),
    /// The digits.
    Hex(&'a str),
    /// How many bytes were redacted.
    Redacted(u64),
}

impl<'a> Segment<'a> {
    /// Appends the bytes. `None` if they were redacted.
    pub(super) fn append_to(self, bytes: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Quoted(text) => bytes.extend(unescaped(text)),
            Self::Hex(digits) => bytes.extend(hex(digits)),
            Self::Redacted(_) => return None,
        }
        Some(())
    }

    /// Returns the first part of a text, and its length there.
    fn parse(text: &'a str) -> Option<(Self, usize)> {
        if let Some(rest) = text.strip_prefix('"') {
            let len = quoted_len(rest.as_bytes())?;
            return Some((Self::Quoted(rest.get(..len)?), len + 2));
        }
        if let Some(rest) = text.strip_prefix("0x") {
            let len = rest.bytes().take_while(|byte| digit(*byte).is_some()).count();
            return (len > 0 && len % 2 == 0).then_some((Self::Hex(rest.get(..len)?), len + 2));
        }
        let (number, _) = text.strip_prefix('<')?.split_once('>')?;
        let is_decimal = number.bytes().all(|byte| byte.is_ascii_digit());
        let len = number.parse().ok().filter(|_| is_decimal)?;
        Some((Self::Redacted(len), number.len() + 2))
    }
}

/// Returns how long the text before the closing quotation mark is. `None` if there is none, or the
/// text is not well-formed.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += match text.get(at..)? {
            [b'"', ..] => return Some(at),
            [b'\\', b'r' | b'n' | b't' | b'"' | b'\\', ..] => 2,
            [b'\\', b'x', high, low, ..] => digit(*high).zip(digit(*low)).map(|_| 4)?,
            [b'\\', ..] | [] => return None,
            [b' '..=b'~', ..] => 1,
            _ => return None,
        };
    }
}

/// The bytes that a well-formed text stands for.
fn unescaped(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    core::iter::from_fn(move || {
        let (byte, after) = match rest {
            [b'\\', b'x', high, low, after @ ..] => (digit(*high)? << 4 | digit(*low)?, after),
            [b'\\', b'r', after @ ..] => (b'\r', after),
            [b'\\', b'n', after @ ..] => (b'\n', after),
            [b'\\', b't', after @ ..] => (b'\t', after),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

fn hex(digits: &str) -> impl Iterator<Item = u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.filter_map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    })
}

/// The value of a hexadecimal digit. Capital letters are none, so that data has one form.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
