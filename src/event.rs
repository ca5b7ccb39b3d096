//! What the engine returns to its caller.

use alloc::{borrow::Cow, boxed::Box};
use core::fmt;

use crate::{
    close::CloseFrame,
    escaped::Escaped,
    frame::ReservedBits,
    handshake::{Refusal, Request, Response},
    message::{Message, MessageKind},
};

/// What [`Connection::receive`](crate::Connection::receive) found in the input.
///
/// An event borrows from the input slice, never from the connection: the caller can send while it
/// holds one. What is whole in one input is borrowed from it; what had to be assembled is owned.
///
/// ```
/// use sockless::Event;
///
/// fn log(event: &Event<'_>) -> String {
///     match event {
///         Event::Request(request) => format!("{} for {}", request.target(), request.host()),
///         Event::Open(response) => format!("open, subprotocol {:?}", response.subprotocol()),
///         Event::Refused(refusal) => format!("refused with {}", refusal.response.status()),
///         Event::Text(text) => format!("text, {} bytes", text.len()),
///         Event::Binary(data) => format!("binary, {} bytes", data.len()),
///         Event::Chunk(chunk) => format!("a chunk, the last: {}", chunk.message_end),
///         Event::Close(Some(frame)) => format!("closed with {}", frame.code),
///         // Ping, Pong, a Close frame without a code, and what a later version adds.
///         _ => String::new(),
///     }
/// }
///
/// assert_eq!(log(&Event::Text("hello".into())), "text, 5 bytes");
/// ```
#[derive(Clone, PartialEq, Eq)]
// With a tag of one word, nothing is stored in narrower steps than it is loaded in, not even
// padding: docs/DESIGN.md.
#[repr(usize)]
#[non_exhaustive]
pub enum Event<'b> {
    /// Server: a client asks to open a connection, and its request is valid. The caller answers
    /// with [`accept`](crate::Connection::accept) or [`reject`](crate::Connection::reject) (RFC
    /// 6455, section 4.2).
    Request(Request<'b>),
    /// Client: the server accepted, and the connection is open (RFC 6455, section 4.1).
    Open(Response<'b>),
    /// Client: the server answered with another status than 101, and the connection is closed (RFC
    /// 6455, section 4.1).
    Refused(Box<Refusal>),
    /// A text message ([`Delivery::Messages`](crate::Delivery::Messages)).
    Text(Cow<'b, str>),
    /// A binary message ([`Delivery::Messages`](crate::Delivery::Messages)).
    Binary(Cow<'b, [u8]>),
    /// A piece of a message ([`Delivery::Chunks`](crate::Delivery::Chunks)).
    Chunk(Chunk<'b>),
    /// A Ping with its payload of at most 125 bytes. The answer is in the output already, unless
    /// [`auto_pong`](crate::Config::auto_pong) is off (RFC 6455, section 5.5.2).
    Ping(Cow<'b, [u8]>),
    /// A Pong with its payload of at most 125 bytes, solicited or not (RFC 6455, section 5.5.3).
    Pong(Cow<'b, [u8]>),
    /// The peer's Close frame; `None` if it was empty. The answer is in the output already, unless
    /// [`auto_close`](crate::Config::auto_close) is off. No event follows it (RFC 6455, section
    /// 5.5.1).
    Close(Option<CloseFrame<'b>>),
}

impl Event<'_> {
    /// Returns the same event, borrowing nothing. What is owned already is moved, what is borrowed
    /// is copied.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Request(request) => Event::Request(request.into_owned()),
            Self::Open(response) => Event::Open(response.into_owned()),
            Self::Refused(refusal) => Event::Refused(refusal),
            Self::Text(text) => Message::Text(text).into_owned().into(),
            Self::Binary(data) => Message::Binary(data).into_owned().into(),
            Self::Chunk(chunk) => Event::Chunk(chunk.into_owned()),
            Self::Ping(data) => Event::Ping(Cow::Owned(data.into_owned())),
            Self::Pong(data) => Event::Pong(Cow::Owned(data.into_owned())),
            Self::Close(frame) => Event::Close(frame.map(CloseFrame::into_owned)),
        }
    }
}

impl<'b> From<Message<'b>> for Event<'b> {
    fn from(message: Message<'b>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(data) => Self::Binary(data),
        }
    }
}

impl fmt::Debug for Event<'_> {
    /// Fit for a log: payloads are escaped, and cut off after 64 bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, payload): (_, &[u8]) = match self {
            Self::Request(request) => return f.debug_tuple("Request").field(request).finish(),
            Self::Open(response) => return f.debug_tuple("Open").field(response).finish(),
            Self::Refused(refusal) => return f.debug_tuple("Refused").field(refusal).finish(),
            Self::Close(frame) => return f.debug_tuple("Close").field(frame).finish(),
            Self::Chunk(chunk) => return f.debug_tuple("Chunk").field(chunk).finish(),
            Self::Text(text) => ("Text", text.as_bytes()),
            Self::Binary(data) => ("Binary", data),
            Self::Ping(data) => ("Ping", data),
            Self::Pong(data) => ("Pong", data),
        };
        f.debug_tuple(name).field(&Escaped(payload)).finish()
    }
}

/// A piece of a message, as it arrived.
///
/// A frame yields one or more chunks, the last with `frame_end`; only that one may be empty. The
/// chunks of a message, joined, are the message. Where frames begin and end has no meaning (RFC
/// 6455, section 5.4), but a proxy may want to preserve it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk<'b> {
    /// Which reserved bits of the frame are set that belong to extensions which the caller
    /// implements; without such, none. That of permessage-deflate is not among them.
    pub reserved: ReservedBits,
    /// The payload. Text is cut at a code point boundary: the bytes of a code point that is not
    /// complete yet come with a later chunk, also if the frame ends between them.
    pub data: Message<'b>,
    /// Whether the frame ends with this chunk.
    pub frame_end: bool,
    /// Whether the message ends with this chunk.
    pub message_end: bool,
}

impl<'b> Chunk<'b> {
    pub(crate) const fn new(data: Message<'b>, reserved: ReservedBits, frame_end: bool, message_end: bool) -> Self {
        Self {
            reserved,
            data,
            frame_end,
            message_end,
        }
    }

    /// Returns the kind of the message that the chunk belongs to.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.data.kind()
    }

    /// Returns the payload as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.data.as_bytes()
    }

    /// Returns the same chunk, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Chunk<'static> {
        Chunk::new(self.data.into_owned(), self.reserved, self.frame_end, self.message_end)
    }
}

impl fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("kind", &self.kind())
            .field("data", &Escaped(self.as_bytes()))
            .field("reserved", &self.reserved)
            .field("frame_end", &self.frame_end)
            .field("message_end", &self.message_end)
            .finish()
    }
}
