//! Thin loops around [`Connection`](crate::Connection): they read, write, and keep nothing else.
//!
//! All state is in the struct: the engine, the input that is not processed yet, the output that is not written yet. A
//! call on an open connection that is interrupted, by a timeout of the transport, loses nothing and repeats nothing.

mod driver;
#[cfg(feature = "futures-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures-io")))]
pub mod futures_io;
mod output;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "futures-io", feature = "tokio"))))]
pub mod poll;
pub mod std_net;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tokio;

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{error, fmt};
use std::io;

use crate::{
    Config, LocalHandshakeError, ProtocolError, Refusal, SendError,
    timers::{Due, Timeouts},
};

/// With more than this to write, in bytes, nothing is read: what is received may have to be answered.
const HIGH_WATER: usize = 64 << 10;

/// What an adapter needs to know: the options of the engine, and its own.
///
/// A [`Config`] will do where settings are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The limits and options of the engine. Adapters deliver whole messages, whatever
    /// [`delivery`](Config::delivery) says.
    pub config: Config,
    /// How long to wait for a silent peer.
    pub timeouts: Timeouts,
    /// With more than this to write, in bytes, a polled adapter accepts nothing more for sending; and with so much of
    /// replies, nothing is read, because what is received may have to be answered. Default 64 KiB: enough to keep a fast
    /// connection busy. One message may exceed it. A blocking adapter writes before it goes on, and holds what is fed.
    pub high_water: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: Config::default(),
            timeouts: Timeouts::default(),
            high_water: HIGH_WATER,
        }
    }
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two kinds")]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// What can be sent as a message, without a copy before the one into the output: strings as text, bytes as binary.
pub trait AsMessage {
    /// The message.
    fn as_message(&self) -> MessageRef<'_>;
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

/// What can go wrong around a connection.
///
/// `recv` says how it ended: `None` or one of these. Asked again, a blocking adapter says so again, and a polled one
/// returns `None`, as a stream has to. Whoever sends when it is over, or is cut off by a deadline while sending, gets
/// [`Io`](Self::Io) with `NotConnected` or [`Send`](Self::Send).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed.
    Io(io::Error),
    /// The peer was silent for too long, during the handshake, after a Ping, or while closing: see
    /// [`Timeouts`].
    TimedOut(Due),
    /// The peer broke the protocol, or the transport ended too early. The peer was told, as far as it still listens.
    Protocol(Box<ProtocolError>),
    /// A message could not be sent; nothing has changed.
    Send(SendError),
    /// A request, an acceptance or a rejection could not be sent.
    Handshake(LocalHandshakeError),
    /// The server did not open a WebSocket: its response says why.
    Refused(Box<Refusal>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => fmt::Display::fmt(error, f),
            Self::TimedOut(Due::Handshake) => f.write_str("the opening handshake took too long"),
            Self::TimedOut(Due::Close) => f.write_str("the closing handshake took too long"),
            Self::TimedOut(_) => f.write_str("the peer does not answer"),
            Self::Protocol(error) => fmt::Display::fmt(error, f),
            Self::Send(error) => fmt::Display::fmt(error, f),
            Self::Handshake(error) => fmt::Display::fmt(error, f),
            Self::Refused(refusal) => write!(f, "the server answered with status {}", refusal.response.status()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::TimedOut(_) | Self::Refused(_) => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Box<ProtocolError>> for Error {
    fn from(error: Box<ProtocolError>) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<LocalHandshakeError> for Error {
    fn from(error: LocalHandshakeError) -> Self {
        Self::Handshake(error)
    }
}
