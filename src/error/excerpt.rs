//! What an error quotes of the input that it complains of.

use core::fmt;

/// The beginning of an input that breaks a rule, as an error quotes it.
///
/// It holds at most [`MAX_LEN`](Self::MAX_LEN) bytes and prints them in double quotes, escaped, with `...` after them if
/// there were more: fit for a log, whatever the peer sent.
///
/// ```
/// use sockless::error::Excerpt;
///
/// assert_eq!(Excerpt::new(b"PO\x07ST").to_string(), r#""PO\x07ST""#);
/// assert_eq!(Excerpt::new(&[b'a'; 100]).to_string(), format!("\"{}\"...", "a".repeat(Excerpt::MAX_LEN)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Excerpt {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
    is_cut: bool,
}

impl Excerpt {
    /// The longest quotation, in bytes.
    pub const MAX_LEN: usize = 38;

    /// Quotes the beginning of `input`.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "at most `MAX_LEN`")]
    pub fn new(input: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        for (slot, byte) in bytes.iter_mut().zip(input) {
            *slot = *byte;
        }
        Self {
            bytes,
            len: input.len().min(Self::MAX_LEN) as u8,
            is_cut: input.len() > Self::MAX_LEN,
        }
    }

    /// Returns the quoted bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())?;
        f.write_str(if self.is_cut { "..." } else { "" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
