//! The part of an input that an error quotes.

use core::fmt;

/// The beginning of an input, as an error quotes it.
///
/// An excerpt holds at most [`MAX_LEN`](Self::MAX_LEN) bytes. It prints them in double quotes and
/// escaped, followed by `...` if the input has more bytes. Whatever the peer sent, the text is one
/// line of ASCII.
///
/// ```
/// use sockless::error::Excerpt;
///
/// assert_eq!(Excerpt::new(b"PO\x07ST").to_string(), r#""PO\x07ST""#);
/// assert_eq!(
///     Excerpt::new(b"a request line that does not end soon enough").to_string(),
///     r#""a request line that does not end soon "..."#
/// );
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Excerpt {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
    is_cut: bool,
}

impl Excerpt {
    /// The length of the longest excerpt, in bytes.
    pub const MAX_LEN: usize = 38;

    /// Quotes the beginning of `input`.
    #[must_use]
    pub fn new(input: &[u8]) -> Self {
        Self::truncated(input, Self::MAX_LEN)
    }

    /// Quotes at most the first `len` bytes of `input`, for an input that holds a secret after
    /// them.
    ///
    /// ```
    /// use sockless::error::Excerpt;
    ///
    /// assert_eq!(Excerpt::truncated(b"/chat?token=1", 5).to_string(), r#""/chat"..."#);
    /// ```
    #[must_use]
    pub fn truncated(input: &[u8], len: usize) -> Self {
        let len = len.min(input.len()).min(Self::MAX_LEN);
        let mut bytes = [0; Self::MAX_LEN];
        for (slot, byte) in bytes.iter_mut().zip(input.iter().take(len)) {
            *slot = *byte;
        }
        Self {
            bytes,
            len: len as u8,
            is_cut: input.len() > len,
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
