//! One message as a reader or a writer, and binary messages as a stream of bytes: what blocking and
//! polled adapters have in common.

#[cfg(any(feature = "futures-io", feature = "tokio"))]
use alloc::borrow::Cow;
use alloc::vec::Vec;
use std::io::{self, ErrorKind};

use super::received::{ChunkConsumer, FromEvent};
use crate::{Chunk, Event, Message, MessageKind, copy};

/// How many bytes of a message a writer sends in one fragment, and holds until then.
pub(super) const FRAGMENT_LEN: usize = 16 << 10;

/// How many bytes a stream of bytes sends in one message at most.
pub(super) const STREAM_MESSAGE_LEN: usize = 64 << 10;

/// What was received of a message, and is not read yet.
#[derive(Debug, Default)]
pub(super) struct Unread {
    data: Vec<u8>,
    start: usize,
}

impl Unread {
    /// Takes what was received next. All that was received before is read.
    pub(super) fn set(&mut self, data: Message<'static>) {
        (self.data, self.start) = (data.into_bytes(), 0);
    }

    /// Takes what was received next, as [`set`](Self::set) does, and [reads](Self::read) of it.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(super) fn read_piece(&mut self, data: Message<'_>, buf: &mut [u8]) -> usize {
        let data = match data {
            Message::Binary(Cow::Borrowed(data)) => data,
            Message::Text(Cow::Borrowed(text)) => text.as_bytes(),
            owned => {
                self.set(owned.into_owned());
                return self.read(buf);
            }
        };
        let (read, rest) = data.split_at(data.len().min(buf.len()));
        if let Some(to) = buf.get_mut(..read.len()) {
            copy::to_slice(read, to);
        }
        (self.data, self.start) = (copy::into_owned(rest.into(), &mut Vec::new()), 0);
        read.len()
    }

    /// Returns what is not read yet.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.data.get(self.start..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Notes that the first `len` bytes are read.
    pub(super) fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.data.len());
    }

    /// Reads to the front of `buf`. Returns how many bytes were read.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> usize {
        let unread = self.as_bytes();
        let len = unread.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), unread.get(..len)) {
            copy::to_slice(from, to);
        }
        self.consume(len);
        len
    }
}

/// What a [`MessageWriter`](super::std_net::MessageWriter) holds until it is sent as a fragment.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) kind: MessageKind,
    pub(super) data: Vec<u8>,
}

impl Fragment {
    pub(super) const fn new(kind: MessageKind) -> Self {
        Self { kind, data: Vec::new() }
    }

    /// Returns whether it is to be sent before more is taken.
    pub(super) fn is_full(&self) -> bool {
        self.data.len() >= FRAGMENT_LEN
    }

    /// Takes bytes off the front of `data`. Returns how many.
    pub(super) fn fill(&mut self, data: &[u8]) -> usize {
        let len = data.len().min(FRAGMENT_LEN.saturating_sub(self.data.len()));
        copy::append(data.get(..len).unwrap_or_default(), &mut self.data);
        len
    }
}

/// A piece of a message, for its reader: the first one, or a further one. Before the first, what a
/// reader has left of another message is skipped.
pub(super) struct Piece<const FIRST: bool>(pub(super) Chunk<'static>);

impl<const FIRST: bool> FromEvent for Piece<FIRST> {
    const CHUNK_CONSUMER: ChunkConsumer = if FIRST {
        ChunkConsumer::NewReader
    } else {
        ChunkConsumer::SameReader
    };

    fn from_message(message: Message<'static>) -> Self {
        Self(Chunk::from_message(message))
    }

    fn from_event(event: Event<'_>) -> Option<Self> {
        Chunk::from_event(event).map(Self)
    }
}

/// Returns the error of a reader: the peer has sent a Close frame in the middle of the message.
#[cold]
pub(super) fn closed_in_message() -> io::Error {
    let text = "the peer closed the connection before the end of the message";
    io::Error::new(ErrorKind::UnexpectedEof, text)
}

/// Returns the error of a stream of bytes that has received text.
#[cold]
pub(super) fn text_in_byte_stream() -> io::Error {
    let text = "the peer sent a text message, and a stream of bytes takes binary messages only";
    io::Error::new(ErrorKind::InvalidData, text)
}
