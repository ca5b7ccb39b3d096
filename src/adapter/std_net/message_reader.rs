//! One received message as a reader.

use core::fmt;
use std::io::{self, BufRead, Read, Write};

use super::{Reader, WebSocket};
use crate::{
    MessageKind,
    adapter::{
        Error,
        pieces::{Piece, Unread, closed_in_message},
    },
};

/// One message of a [`WebSocket`] or of a [`Reader`], read as it arrives: returned by their
/// `reader`.
///
/// It is at its end where the message ends. An error is one of [`WebSocket::recv_chunk`], inside an
/// [`io::Error`], see [`Error`]; if the transport has timed out, a further call continues. Text was
/// validated: a reader of text that is not UTF-8 fails after the valid part of it. If the peer
/// closes in the middle of the message, the error is `UnexpectedEof`.
///
/// Dropped before the end, it leaves the connection usable: the next call that receives skips what
/// is left of the message. Pings in the middle of the message are answered meanwhile.
///
/// ```no_run
/// use std::{fs::File, io};
/// use sockless::{Config, Delivery, adapter::std_net};
/// use sockless::ClientRequest;
///
/// let request = ClientRequest::new("ws://127.0.0.1:9001/")?;
/// // Of a message of any size, one read is in memory at a time.
/// let config = Config::new().delivery(Delivery::Chunks).max_message_size(1 << 40);
/// let (mut ws, _response) = std_net::connect_with(&request, config)?;
/// let mut number = 0;
/// while let Some(mut message) = ws.reader()? {
///     io::copy(&mut message, &mut File::create(format!("message-{number}"))?)?;
///     number += 1;
/// }
/// # Ok::<(), sockless::adapter::Error>(())
/// ```
pub struct MessageReader<'a, C> {
    connection: &'a mut C,
    kind: MessageKind,
    unread: Unread,
    /// All of the message was received.
    is_complete: bool,
}

impl<S: Read + Write> WebSocket<S> {
    /// Waits for the next message, and returns it as a reader. `None` is that of
    /// [`recv`](Self::recv).
    ///
    /// With [`Delivery::Chunks`](crate::Delivery::Chunks), it waits for the beginning of a message
    /// only, and one read is in memory at a time. With
    /// [`Delivery::Messages`](crate::Delivery::Messages), it waits for all of the message.
    ///
    /// If [`recv_chunk`](Self::recv_chunk) has returned a part of a message, the reader reads the
    /// rest of it.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub fn reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        let first = self.read_loop.next(&mut self.unsplit)?;
        Ok(first.map(|first| MessageReader::new(self, first)))
    }
}

impl<R: Read, W: Write> Reader<R, W> {
    /// Waits for the next message, and returns it as a reader: see [`WebSocket::reader`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub fn reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        let first = self.read_loop.next(&mut self.duplex)?;
        Ok(first.map(|first| MessageReader::new(self, first)))
    }
}

impl<'a, C> MessageReader<'a, C> {
    fn new(connection: &'a mut C, Piece(chunk): Piece<true>) -> Self {
        let mut unread = Unread::default();
        let (kind, is_complete) = (chunk.kind(), chunk.message_end);
        unread.set(chunk.data);
        Self {
            connection,
            kind,
            unread,
            is_complete,
        }
    }

    /// Returns which kind of message it is.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns whether it is a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self.kind, MessageKind::Text)
    }

    /// Returns what was received and is not read; if that is nothing, receives more. Nothing is
    /// left after the end of the message.
    fn fill(&mut self, next: impl Fn(&mut C) -> Result<Option<Piece<false>>, Error>) -> io::Result<&mut Unread> {
        while self.unread.is_empty() && !self.is_complete {
            let Some(Piece(chunk)) = next(self.connection)? else {
                return Err(closed_in_message());
            };
            self.is_complete = chunk.message_end;
            self.unread.set(chunk.data);
        }
        Ok(&mut self.unread)
    }
}

impl<S: Read + Write> Read for MessageReader<'_, WebSocket<S>> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.fill(|ws| ws.read_loop.next(&mut ws.unsplit))?.read(buf))
    }
}

impl<S: Read + Write> BufRead for MessageReader<'_, WebSocket<S>> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.fill(|ws| ws.read_loop.next(&mut ws.unsplit))?.as_bytes())
    }

    fn consume(&mut self, len: usize) {
        self.unread.consume(len);
    }
}

impl<R: Read, W: Write> Read for MessageReader<'_, Reader<R, W>> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.fill(|reader| reader.read_loop.next(&mut reader.duplex))?.read(buf))
    }
}

impl<R: Read, W: Write> BufRead for MessageReader<'_, Reader<R, W>> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self
            .fill(|reader| reader.read_loop.next(&mut reader.duplex))?
            .as_bytes())
    }

    fn consume(&mut self, len: usize) {
        self.unread.consume(len);
    }
}

impl<C> fmt::Debug for MessageReader<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
