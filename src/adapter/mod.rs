//! Thin loops around [`Connection`]: they read, write, and keep nothing else.
//!
//! All state is in the struct: the engine, the input that is not processed yet, the output that is not written yet. A
//! call on an open connection that is interrupted, by a timeout of the transport, loses nothing and repeats nothing.

pub mod std_net;

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::{error, fmt};
use std::io::{self, Read, Write};

use crate::{Connection, Event, HandshakeError, ProtocolError, Refusal, SendError};

/// How much is read at a time, in bytes: a TLS record.
const INPUT_SIZE: usize = 16 << 10;

/// With more than this to write, in bytes, nothing is read: what is received may have to be answered.
const HIGH_WATER: usize = 64 << 10;

/// An output buffer that has grown beyond this, in bytes, is given back once it is written.
const OUTPUT_KEPT: usize = 64 << 10;

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
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed.
    Io(io::Error),
    /// The peer broke the protocol, or the transport ended too early. The peer was told, as far as it still listens.
    Protocol(ProtocolError),
    /// A message could not be sent; nothing has changed.
    Send(SendError),
    /// A request, an acceptance or a rejection could not be sent.
    Handshake(HandshakeError),
    /// The server did not open a WebSocket: its response says why.
    Refused(Box<Refusal>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => fmt::Display::fmt(error, f),
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
            Self::Refused(_) => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

/// What was read and is not processed yet.
#[derive(Debug)]
struct Input {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Input {
    fn new() -> Self {
        Self {
            buf: vec![0; INPUT_SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// Reads once; 0 is the end of the transport. Only when everything before is processed.
    fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        loop {
            match stream.read(&mut self.buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) => {
                    (self.start, self.end) = (0, n.min(self.buf.len()));
                    return Ok(n);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next event in what was read.
    fn receive(&mut self, engine: &mut Connection, out: &mut Vec<u8>) -> Result<Option<Event<'static>>, ProtocolError> {
        let mut rest = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        let event = engine.receive(&mut rest, out).map(|event| event.map(Event::into_owned));
        self.start = self.end - rest.len();
        event
    }
}

/// What is not written yet.
#[derive(Debug, Default)]
struct Output {
    buf: Vec<u8>,
    /// How much of it is written, while writing.
    written: usize,
    /// The stream may keep what was written, until it is flushed too.
    unflushed: bool,
    /// Nothing can be written any more.
    lost: Option<io::ErrorKind>,
}

impl Output {
    /// Writes everything. After an error it goes on where it stopped, so that no byte is lost or sent twice; but if the
    /// transport is lost, what is left is dropped.
    fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        if let Some(lost) = self.lost {
            self.buf.clear();
            return Err(lost.into());
        }
        if !self.is_pending() {
            return Ok(());
        }
        let written = self.write(stream);
        self.buf.drain(..self.written);
        self.written = 0;
        match &written {
            Ok(()) => self.buf.shrink_to(OUTPUT_KEPT),
            Err(error) if is_fatal(error) => {
                self.lost = Some(error.kind());
                self.unflushed = false;
                self.buf = Vec::new();
            }
            Err(_) => {}
        }
        written
    }

    /// As [`flush`](Self::flush) for one who goes on reading: the peer may have said why it went.
    fn flush_to_read(&mut self, stream: &mut impl Write) -> io::Result<()> {
        match self.flush(stream) {
            Err(error) if is_fatal(&error) => Ok(()),
            written => written,
        }
    }

    fn write(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.buf.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n;
                    self.unflushed = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            match stream.flush() {
                Ok(()) => {
                    self.unflushed = false;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a flush has something to do.
    fn is_pending(&self) -> bool {
        self.unflushed || !self.buf.is_empty()
    }

    /// What is not written yet.
    fn into_rest(self) -> Vec<u8> {
        self.buf
    }
}

/// Whether the transport is lost, and not just late.
fn is_fatal(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::WriteZero
    )
}
