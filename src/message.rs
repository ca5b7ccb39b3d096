//! Text or binary: the tag, and the payload with its tag.

#[cfg(feature = "alloc")]
use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
#[cfg(feature = "alloc")]
use core::fmt;

#[cfg(feature = "alloc")]
use crate::{copy, escaped::Escaped};

/// Whether a message is text or binary (RFC 6455, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum MessageKind {
    /// Text, valid UTF-8 as a whole.
    Text,
    /// Arbitrary bytes.
    Binary,
}

/// The payload of a message, or of a piece of one: text or binary, borrowed or owned.
///
/// ```
/// use sockless::Message;
///
/// let message = Message::from("hello");
/// assert_eq!(message.as_text(), Some("hello"));
/// assert_eq!(message.as_bytes(), b"hello");
/// let owned: Message<'static> = message.into_owned();
/// assert_eq!(owned.len(), 5);
/// assert_eq!(owned.to_string(), "hello");
///
/// let message = Message::binary(b"\x00\xFF");
/// assert!(message.is_binary() && message.as_text().is_none());
/// assert_eq!(message.into_bytes(), [0, 255]);
///
/// // An error holds the message, so nothing is lost.
/// let message = match Message::from(vec![1, 2]).into_text() {
///     Ok(text) => panic!("{text}"),
///     Err(error) => error.into_message(),
/// };
/// assert_eq!(message, Message::binary(vec![1, 2]));
/// ```
#[cfg(feature = "alloc")]
#[derive(Clone, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two kinds")]
pub enum Message<'a> {
    /// A text message.
    Text(Cow<'a, str>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
}

#[cfg(feature = "alloc")]
impl<'a> Message<'a> {
    /// Returns a text message.
    #[must_use]
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Returns a binary message.
    #[must_use]
    pub fn binary(data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::Binary(data.into())
    }

    /// Returns which kind of message it is.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns whether it is a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns whether it is a binary message.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Returns the text, if it is a text message.
    #[must_use]
    #[doc(alias = "to_text")]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns the payload as bytes, whichever kind of message it is.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// Returns the length of the payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Returns the same message, borrowing nothing. Text or data that is owned already is moved,
    /// not copied.
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(Cow::Owned(copy::into_owned_text(text, &mut Vec::new()))),
            Self::Binary(data) => Message::Binary(Cow::Owned(copy::into_owned(data, &mut Vec::new()))),
        }
    }

    /// Returns the payload as bytes, whichever kind of message it is. Data that is owned already is
    /// moved, not copied.
    #[must_use]
    #[doc(alias = "into_data")]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => copy::into_owned_text(text, &mut Vec::new()).into_bytes(),
            Self::Binary(data) => copy::into_owned(data, &mut Vec::new()),
        }
    }

    /// Returns the text. Text that is owned already is moved, not copied.
    ///
    /// # Errors
    /// It is a binary message, even one whose bytes are UTF-8. The error holds it.
    pub fn into_text(self) -> Result<String, NotText<'a>> {
        match self {
            Self::Text(text) => Ok(copy::into_owned_text(text, &mut Vec::new())),
            message @ Self::Binary(_) => Err(NotText { message }),
        }
    }
}

/// A message that is binary, where text was expected (RFC 6455, section 5.6): see
/// [`Message::into_text`].
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NotText<'a> {
    message: Message<'a>,
}

#[cfg(feature = "alloc")]
impl<'a> NotText<'a> {
    /// Returns the message.
    #[must_use]
    pub fn into_message(self) -> Message<'a> {
        self.message
    }
}

#[cfg(feature = "alloc")]
impl fmt::Display for NotText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.message.len();
        write!(
            f,
            "the message is binary, of {len} bytes, and text was expected (RFC 6455, section 5.6)"
        )
    }
}

#[cfg(feature = "alloc")]
impl core::error::Error for NotText<'_> {}

#[cfg(feature = "alloc")]
impl fmt::Display for Message<'_> {
    /// Text as it is, and of binary data the length: `5 bytes`. For a log, use
    /// [`Debug`](fmt::Debug), which escapes what a peer has sent, and cuts it off.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Binary(data) if data.len() == 1 => f.write_str("1 byte"),
            Self::Binary(data) => write!(f, "{} bytes", data.len()),
        }
    }
}

#[cfg(feature = "alloc")]
impl AsRef<[u8]> for Message<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

#[cfg(feature = "alloc")]
impl fmt::Debug for Message<'_> {
    /// Fit for a log: the payload is escaped, and cut off after 64 bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        };
        f.debug_tuple(name).field(&Escaped(self.as_bytes())).finish()
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

#[cfg(feature = "alloc")]
impl From<String> for Message<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(Cow::Borrowed(data))
    }
}

#[cfg(feature = "alloc")]
impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(Cow::Borrowed(data))
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for Message<'_> {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(Cow::Owned(data))
    }
}

#[cfg(feature = "alloc")]
impl<const N: usize> From<[u8; N]> for Message<'_> {
    fn from(data: [u8; N]) -> Self {
        Self::Binary(Cow::Owned(data.into()))
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(&**text)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(data: &'a Vec<u8>) -> Self {
        Self::from(&**data)
    }
}

#[cfg(feature = "alloc")]
impl From<Box<str>> for Message<'_> {
    fn from(text: Box<str>) -> Self {
        Self::from(String::from(text))
    }
}

#[cfg(feature = "alloc")]
impl From<Box<[u8]>> for Message<'_> {
    fn from(data: Box<[u8]>) -> Self {
        Self::from(Vec::from(data))
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<Cow<'a, str>> for Message<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<Cow<'a, [u8]>> for Message<'a> {
    fn from(data: Cow<'a, [u8]>) -> Self {
        Self::Binary(data)
    }
}

/// The payload, whichever kind of message it is.
#[cfg(feature = "alloc")]
impl From<Message<'_>> for Vec<u8> {
    fn from(message: Message<'_>) -> Self {
        message.into_bytes()
    }
}

#[cfg(feature = "alloc")]
impl<'a> TryFrom<Message<'a>> for String {
    type Error = NotText<'a>;

    fn try_from(message: Message<'a>) -> Result<Self, NotText<'a>> {
        message.into_text()
    }
}

/// A binary message. If nothing else holds the bytes, they are moved, not copied.
#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl From<bytes::Bytes> for Message<'_> {
    fn from(data: bytes::Bytes) -> Self {
        Self::from(Vec::from(data))
    }
}

/// The payload, whichever kind of message it is. Data that is owned already is moved, not copied.
#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl From<Message<'_>> for bytes::Bytes {
    fn from(message: Message<'_>) -> Self {
        Self::from(message.into_bytes())
    }
}
