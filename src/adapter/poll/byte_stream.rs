//! The binary messages of a connection as a stream of bytes.

use core::{
    fmt,
    task::{Context, Poll, ready},
};
use std::io::{self, ErrorKind};

use super::{
    Clock, Transport, WebSocket,
    access::{Access, Unsplit},
    read_loop::poll_receive,
    socket::MAX_READS,
    waiting::Interest,
};
use crate::{
    Chunk, CloseCode, Message, MessageKind,
    adapter::{
        Error,
        driver::Outgoing,
        pieces::{STREAM_MESSAGE_LEN, Unread, closed_in_message, text_in_byte_stream},
        take::IntoBuffer,
    },
};

/// The binary messages of a [`WebSocket`] as one stream of bytes in each direction: `AsyncRead` and
/// `AsyncWrite` of tokio and of `futures-io`. Where messages begin and end has no meaning.
///
/// [`WebSocket::into_byte_stream`] returns it. The `split` functions of the runtimes can divide it
/// between two tasks.
///
/// **Reading** ends when the connection ended well, and not before: a transport that ends without a
/// Close frame is an error, and so is a Close frame inside a message. A text message is an error,
/// `InvalidData`, and closes the connection with 1003 (RFC 6455, section 7.4.1). Each read after an
/// error fails too.
///
/// Reading answers Pings and keeps the deadlines, so one task should always read. With
/// [`Delivery::Chunks`](crate::Delivery::Chunks), messages of any length are read in the memory of
/// one read.
///
/// **Writing** sends each write as one message of at most 64 KiB, and waits while more than
/// [`Settings::high_water`](super::Settings::high_water) bytes are unwritten. A flush waits until
/// the output is written; without one, the next read writes it. To **shut it down** sends a Close
/// frame with code 1000 and waits until it is written. That ends both directions: the peer answers
/// with its own Close frame, and sends nothing after it. What it has sent before is still read.
///
/// An [`adapter::Error`](Error) is the inner error of an [`io::Error`].
pub struct ByteStream<T, C = ()> {
    ws: WebSocket<T, C>,
    unread: Unread,
    /// Makes the error of all further reads.
    failure: Option<fn() -> io::Error>,
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Returns the binary messages of the connection as one stream of bytes in each direction, for
    /// a tunnel.
    #[must_use]
    pub fn into_byte_stream(self) -> ByteStream<T, C> {
        ByteStream {
            ws: self,
            unread: Unread::default(),
            failure: None,
        }
    }
}

impl<T: Transport, C: Clock> ByteStream<T, C> {
    /// Returns the connection.
    #[must_use]
    pub const fn get_ref(&self) -> &WebSocket<T, C> {
        &self.ws
    }

    /// Polls for the next bytes, to the front of `buf`. Returns how many bytes were read, and 0 at
    /// the end or if `buf` is empty.
    ///
    /// # Errors
    /// Those of [`WebSocket::recv`], as inner errors, and a text message.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // A message may be empty.
        for _ in 0..MAX_READS {
            if let Some(failure) = self.failure {
                return Poll::Ready(Err(failure()));
            }
            if !self.unread.is_empty() {
                return Poll::Ready(Ok(self.unread.read(buf)));
            }
            let Unsplit { socket, input } = &mut *self.ws.unsplit;
            let take = IntoBuffer::<Chunk<'static>>::new(buf, &mut self.unread);
            match ready!(poll_receive(&mut Access::Unsplit(socket), input, cx, take)) {
                Ok(Some(piece)) if piece.kind == MessageKind::Text => {
                    self.failure = Some(text_in_byte_stream);
                    // If the connection is closing already, the peer gets no other Close frame.
                    if socket.close(Some(CloseCode::UNSUPPORTED_DATA), "").is_ok() {
                        let _later = socket.poll_write(cx);
                    }
                }
                Ok(Some(piece)) if piece.len > 0 => return Poll::Ready(Ok(piece.len)),
                Ok(Some(_empty)) => {}
                Ok(None) if socket.driver.engine.is_in_message() => self.failure = Some(closed_in_message),
                Ok(None) => return Poll::Ready(Ok(0)),
                Err(error) => {
                    self.failure = Some(failed_before);
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls to write from the front of `data`. Returns how many bytes were taken.
    ///
    /// # Errors
    /// The transport failed, or the connection is closing.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let socket = &mut self.ws.unsplit.socket;
        ready!(socket.poll_ready(Interest::Ready, cx))?;
        let data = data.get(..STREAM_MESSAGE_LEN).unwrap_or(data);
        let message = Outgoing::Message(Message::from(data));
        if message.is_large() {
            socket.append_and_write(&message, cx)?;
        } else if !data.is_empty() {
            let appended = socket.append(|driver| driver.append(&message));
            appended.map_err(Error::from)?;
        }
        Poll::Ready(Ok(data.len()))
    }

    /// Polls until the output is written.
    ///
    /// # Errors
    /// The transport failed.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ws.unsplit.socket.poll_flush(Interest::Flush, cx)
    }

    /// Polls until a Close frame with code 1000 is written.
    ///
    /// # Errors
    /// The transport failed.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ws
            .unsplit
            .socket
            .poll_close(Interest::Close, cx)
            .map_err(Into::into)
    }
}

impl<T, C> fmt::Debug for ByteStream<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").finish_non_exhaustive()
    }
}

/// Returns the error of a read after one that has failed.
#[cold]
fn failed_before() -> io::Error {
    let text = "nothing more can be read: the connection has ended with an error, which was returned before";
    io::Error::new(ErrorKind::NotConnected, text)
}
