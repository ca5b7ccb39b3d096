//! One message as a reader.

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
};
use std::io;

use super::{Clock, Reader, Transport, WebSocket, call::Call, input::Input, socket::MAX_READS};
use crate::{
    MessageKind,
    adapter::{
        Error,
        pieces::{Piece, Unread, closed_in_message},
        take::IntoBuffer,
    },
};

/// One message, to be read: `AsyncRead` of tokio and of `futures-io`.
///
/// [`WebSocket::reader`] and [`Reader::reader`] return it. While it is read, Pings are answered,
/// deadlines are kept and output is written, as by [`recv`](WebSocket::recv).
///
/// It is at its end after the last byte of the message. **Dropped before that,** the rest of the
/// message is skipped by the next call that receives, of any kind: it is neither returned nor kept.
///
/// An [`adapter::Error`](Error) is the inner error of the [`io::Error`] that reading returns: the
/// peer may violate the protocol in the middle of the message, and text that is not UTF-8 is found
/// when it is read. A peer that closes before the end of the message is `UnexpectedEof`.
pub struct MessageReader<'a, T, C = ()> {
    call: Call<'a, T, C>,
    input: &'a mut Input,
    unread: Unread,
    kind: MessageKind,
    /// The last piece has arrived.
    is_complete: bool,
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Waits for the next message, to be read as a stream of bytes: `AsyncRead` of tokio or of
    /// `futures-io`. `None` is that of [`recv`](Self::recv).
    ///
    /// With [`Delivery::Chunks`](crate::Delivery::Chunks), it is there when the first piece has
    /// arrived, and a message of any length is read in the memory of one read. With
    /// [`Delivery::Messages`](crate::Delivery::Messages), it is there when the message is whole.
    /// [`MessageReader`] says what becomes of a message that is not read to its end.
    ///
    /// After [`recv_chunk`](Self::recv_chunk) has returned a part of a message, it reads the rest.
    ///
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub async fn reader(&mut self) -> Result<Option<MessageReader<'_, T, C>>, Error> {
        let (call, input) = self.reading();
        MessageReader::next(call, input).await
    }
}

impl<T: Transport, C: Clock> Reader<T, C> {
    /// Waits for the next message, to be read as a stream of bytes: see [`WebSocket::reader`].
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`].
    pub async fn reader(&mut self) -> Result<Option<MessageReader<'_, T, C>>, Error> {
        let (call, input) = self.reading();
        MessageReader::next(call, input).await
    }
}

impl<'a, T: Transport, C: Clock> MessageReader<'a, T, C> {
    /// Waits for the first piece of the next message.
    async fn next(mut call: Call<'a, T, C>, input: &'a mut Input) -> Result<Option<Self>, Error> {
        let mut unread = Unread::default();
        let piece =
            poll_fn(|cx| call.poll_receive(input, cx, IntoBuffer::<Piece<true>>::new(&mut [], &mut unread))).await?;
        Ok(piece.map(|piece| Self {
            call,
            input,
            unread,
            kind: piece.kind,
            is_complete: piece.message_end,
        }))
    }

    /// Polls for the next bytes of the message, to the front of `buf`. Returns how many bytes were
    /// read, and 0 at the end of the message or if `buf` is empty.
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`], as inner errors; or the peer has sent a Close frame before the
    /// end of the message.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // A fragment may be empty.
        for _ in 0..MAX_READS {
            if !self.unread.is_empty() || self.is_complete {
                return Poll::Ready(Ok(self.unread.read(buf)));
            }
            let take = IntoBuffer::<Piece<false>>::new(buf, &mut self.unread);
            match ready!(self.call.poll_receive(self.input, cx, take))? {
                Some(piece) => {
                    self.is_complete = piece.message_end;
                    if piece.len > 0 {
                        return Poll::Ready(Ok(piece.len));
                    }
                }
                None => return Poll::Ready(Err(closed_in_message())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T, C> MessageReader<'_, T, C> {
    /// Returns which kind of message it is.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns whether it is a text message. The bytes of all reads together are UTF-8 then, and a
    /// read may end inside a character.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self.kind, MessageKind::Text)
    }
}

impl<T, C> fmt::Debug for MessageReader<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
