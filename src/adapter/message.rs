//! Messages, as the adapters receive and send them.

use alloc::{string::String, vec::Vec};

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two kinds")]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// A borrowed [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two kinds")]
pub enum MessageRef<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// What can be sent as a message: strings as text, bytes as binary.
///
/// The adapter copies the payload once, into its output.
pub trait AsMessage {
    /// Borrows the message.
    fn as_message(&self) -> MessageRef<'_>;
}

impl AsMessage for Message {
    fn as_message(&self) -> MessageRef<'_> {
        match self {
            Self::Text(text) => MessageRef::Text(text),
            Self::Binary(data) => MessageRef::Binary(data),
        }
    }
}

impl AsMessage for str {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Text(self)
    }
}

impl AsMessage for String {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Text(self)
    }
}

impl AsMessage for [u8] {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Binary(self)
    }
}

impl AsMessage for Vec<u8> {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Binary(self)
    }
}

impl<const N: usize> AsMessage for [u8; N] {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Binary(self)
    }
}

impl<T: AsMessage + ?Sized> AsMessage for &T {
    fn as_message(&self) -> MessageRef<'_> {
        (**self).as_message()
    }
}
