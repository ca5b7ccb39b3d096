//! What the adapters send as a message.

use alloc::{
    borrow::{Cow, ToOwned},
    boxed::Box,
    rc::Rc,
    string::String,
    sync::Arc,
    vec::Vec,
};

use crate::Message;

/// What can be sent as a message: strings as text, bytes as binary.
///
/// The adapter copies the payload at most once, into its output. So a shared or borrowed payload
/// need not be copied before. A server's large messages are written from where they are, if the
/// transport has vectored writes.
///
/// ```
/// use std::{borrow::Cow, sync::Arc};
/// use sockless::{Message, MessageKind, adapter::AsMessage};
///
/// fn kind(message: impl AsMessage) -> MessageKind {
///     message.as_message().kind()
/// }
///
/// let (text, data) = (String::from("text"), vec![1, 2]);
/// assert_eq!(kind(&text), MessageKind::Text);
/// assert_eq!(kind(Cow::Borrowed("text")), MessageKind::Text);
/// assert_eq!(kind(Arc::<str>::from("text")), MessageKind::Text);
/// assert_eq!(kind(Box::<str>::from("text")), MessageKind::Text);
/// assert_eq!(kind(&data), MessageKind::Binary);
/// assert_eq!(kind(&data[1..]), MessageKind::Binary);
/// assert_eq!(kind(b"data"), MessageKind::Binary);
/// assert_eq!(kind([1, 2, 3]), MessageKind::Binary);
/// assert_eq!(kind(Arc::<[u8]>::from(data)), MessageKind::Binary);
/// assert_eq!(kind(Message::from("text")), MessageKind::Text);
/// ```
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

impl<T: AsMessage + ?Sized> AsMessage for Box<T> {
    fn as_message(&self) -> Message<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ?Sized> AsMessage for Rc<T> {
    fn as_message(&self) -> Message<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ?Sized> AsMessage for Arc<T> {
    fn as_message(&self) -> Message<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ToOwned + ?Sized> AsMessage for Cow<'_, T> {
    fn as_message(&self) -> Message<'_> {
        (**self).as_message()
    }
}

/// A binary message.
#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl AsMessage for bytes::Bytes {
    fn as_message(&self) -> Message<'_> {
        Message::from(&**self)
    }
}

/// A binary message.
#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl AsMessage for bytes::BytesMut {
    fn as_message(&self) -> Message<'_> {
        Message::from(&**self)
    }
}
