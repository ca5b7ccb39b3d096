//! Thin loops around [`Connection`](crate::Connection): they read, write, and keep nothing else.
//!
//! All state is in the struct: the engine, the input that is not processed yet, the output that is not written yet. A
//! call on an open connection that is interrupted, by a timeout of the transport, loses nothing and repeats nothing.

mod driver;
#[cfg(feature = "futures-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures-io")))]
pub mod futures_io;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "futures-io", feature = "tokio"))))]
pub mod poll;
pub mod std_net;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tokio;

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::{error, fmt};
#[cfg(any(feature = "futures-io", feature = "tokio"))]
use core::{
    mem,
    task::{Context, Poll, ready},
};
use std::{
    io::{self, Read, Write},
    time::Instant,
};

use self::driver::Driver;
use crate::{
    Config, Event, HandshakeError, ProtocolError, Refusal, SendError,
    timers::{Due, Timeouts},
};

/// How much is read at a time, in bytes: a TLS record.
const INPUT_SIZE: usize = 16 << 10;

/// With more than this to write, in bytes, nothing is read: what is received may have to be answered.
const HIGH_WATER: usize = 64 << 10;

/// An output buffer that has grown beyond this, in bytes, is given back once it is written.
const OUTPUT_KEPT: usize = 64 << 10;

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
    /// With more than this to write, in bytes, nothing more is accepted for sending; and with so much of replies, nothing
    /// is read, because what is received may have to be answered. Default 64 KiB: enough to keep a fast connection busy.
    /// One message may exceed it.
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
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed.
    Io(io::Error),
    /// The peer was silent for too long, during the handshake, after a Ping, or while closing: see
    /// [`Timeouts`].
    TimedOut(Due),
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
    /// When.
    read: Instant,
}

impl Input {
    fn new() -> Self {
        Self {
            buf: vec![0; INPUT_SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
            read: Instant::now(),
        }
    }

    /// Reads once; 0 is the end of the transport. Only when everything before is processed.
    fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        loop {
            match stream.read(&mut self.buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) => {
                    (self.start, self.end) = (0, n.min(self.buf.len()));
                    self.read = Instant::now();
                    return Ok(n);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next event in what was read, and whether it has put something into the output.
    fn receive(&mut self, driver: &mut Driver) -> Result<Option<(Event<'static>, bool)>, ProtocolError> {
        let mut rest = self.buf.get_mut(self.start..self.end).unwrap_or_default();
        let event = driver.receive(&mut rest, self.read);
        self.start = self.end - rest.len();
        if matches!(&event, Ok(Some((event, _))) if driver::is_end(event)) {
            driver.timers.closing(Instant::now());
        }
        event
    }
}

/// What is not written yet.
#[derive(Debug, Default)]
struct Output {
    buf: Vec<u8>,
    /// How much of it is written and still stands before the rest.
    written: usize,
    /// The stream may keep what was written, until it is flushed too.
    unflushed: bool,
    /// Nothing can be written any more.
    lost: Option<io::ErrorKind>,
    /// The transport did not take everything when it was last written to.
    stalled: bool,
    /// It has gone on since.
    moved: bool,
}

impl Output {
    /// Writes everything. After an error it goes on where it stopped, so that no byte is lost or sent twice; but if the
    /// transport is lost, what is left is dropped.
    fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        if let Err(error) = self.check() {
            self.buf.clear();
            return Err(error);
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
                self.lose(error.kind());
            }
            Err(_) => {}
        }
        written
    }

    fn write(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.buf.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.took(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.stalled = true;
                    return Err(error);
                }
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

    /// Writes what the transport takes now. Once it is lost, what is left is dropped.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    fn poll_write<T: poll::Transport>(&mut self, transport: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Err(error) = self.check() {
            self.buf.clear();
            self.written = 0;
            return Poll::Ready(Err(error));
        }
        if !self.is_pending() {
            return Poll::Ready(Ok(()));
        }
        let written = self.poll_write_all(transport, cx);
        // Only when that moves no more than was written: a large message is not moved once for each write.
        if self.written >= self.left() {
            self.trim();
        }
        if let Poll::Ready(Err(error)) = &written {
            self.lose(error.kind());
        }
        written
    }

    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    fn poll_write_all<T: poll::Transport>(&mut self, transport: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.buf.get(self.written..).filter(|rest| !rest.is_empty()) {
            match transport.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    self.took(n.min(rest.len()));
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.stalled = true;
                    return Poll::Pending;
                }
            }
        }
        loop {
            match ready!(transport.poll_flush(cx)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                flushed => {
                    self.unflushed = false;
                    return Poll::Ready(flushed);
                }
            }
        }
    }

    /// The transport took so many bytes.
    fn took(&mut self, bytes: usize) {
        self.written += bytes;
        self.unflushed = true;
        self.moved |= self.stalled;
        self.stalled = self.written < self.buf.len();
    }

    /// Nothing can be written any more.
    fn lose(&mut self, kind: io::ErrorKind) {
        self.lost.get_or_insert(kind);
        self.buf = Vec::new();
        self.written = 0;
        self.unflushed = false;
    }

    /// How many bytes are not written yet.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    fn left(&self) -> usize {
        self.buf.len() - self.written
    }

    /// Lets go of what is written.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    fn trim(&mut self) {
        self.buf.drain(..mem::take(&mut self.written));
    }

    /// Whether something can be written.
    fn check(&self) -> io::Result<()> {
        self.lost.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Gives a large allocation back, if it is not in use.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    fn release(&mut self, kept: usize) {
        if self.buf.is_empty() && self.buf.capacity() > kept {
            self.buf = Vec::new();
        }
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
