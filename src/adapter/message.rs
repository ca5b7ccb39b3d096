//! What the adapters send as a message.

use alloc::{string::String, vec::Vec};

use crate::Message;

/// What can be sent as a message: strings as text, bytes as binary.
///
/// The adapter copies the payload once, into its output.
pub trait AsMessage {
    /// Borrows the message.
    fn as_message(&self) -> Message<'_>;
}

impl AsMessage for Message<'_> {
    fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::from(&**text),
            Self::Binary(data) => Message::from(&**data),
        }
    }
}

impl AsMessage for str {
    fn as_message(&self) -> Message<'_> {
        Message::from(self)
    }
}

impl AsMessage for String {
    fn as_message(&self) -> Message<'_> {
        Message::from(&**self)
    }
}

impl AsMessage for [u8] {
    fn as_message(&self) -> Message<'_> {
        Message::from(self)
    }
}

impl AsMessage for Vec<u8> {
    fn as_message(&self) -> Message<'_> {
        Message::from(&**self)
    }
}

impl<const N: usize> AsMessage for [u8; N] {
    fn as_message(&self) -> Message<'_> {
        Message::from(self)
    }
}

impl<T: AsMessage + ?Sized> AsMessage for &T {
    fn as_message(&self) -> Message<'_> {
        (**self).as_message()
    }
}
