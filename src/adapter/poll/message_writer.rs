//! One message as a writer.

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
};
use std::io::{self, ErrorKind};

use super::{Clock, Transport, WebSocket, Writer, call::Call, waiting::Interest};
use crate::{
    MessageKind, SendError,
    adapter::{Error, driver::SenderId, pieces::Fragment},
};

/// One message, to be written: `AsyncWrite` of tokio and of `futures-io`.
///
/// [`WebSocket::writer`] and [`Writer::writer`] return it. Each 16 KiB that are written are one
/// fragment, and so is what is left at a flush: a flush after every few bytes costs a frame each.
/// [`finish`](Self::finish) sends the last one; to shut the writer down, as `AsyncWrite`, does the
/// same. While more than [`Settings::high_water`](super::Settings::high_water) bytes are unwritten,
/// writing waits.
///
/// Other messages cannot be sent meanwhile: another [`Writer`] gets
/// [`SendError::MessageInProgress`]. Pings, Pongs and a Close frame can. A whole connection is
/// borrowed until this is dropped: after [`finish`](Self::finish), `drop` it or let its block end.
///
/// **Dropped before it is finished,** no frame is incomplete on the wire. If nothing was sent yet,
/// there is no message. Otherwise the message is in progress, and no other can be sent: that needs
/// the rest of this one, as [`send_fragment`](WebSocket::send_fragment), or the connection is
/// closed. A message that was begun cannot be taken back (RFC 6455, section 5.4).
///
/// An [`adapter::Error`](Error) is the inner error of the [`io::Error`] that writing returns. Text
/// may be cut anywhere, but has to be UTF-8 as a whole: what is not is found when it is sent, and
/// nothing more can be written.
#[must_use = "a message ends with `finish`"]
pub struct MessageWriter<'a, T, C = ()> {
    call: Call<'a, T, C>,
    fragment: Fragment,
    is_finished: bool,
}

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Sends one fragment of a message whose length is not known yet, and waits until it is
    /// written; `fin` ends the message. See
    /// [`Connection::send_fragment`](crate::Connection::send_fragment).
    ///
    /// Waits for room, and can be cancelled, like [`send`](Self::send). A small fragment is a frame
    /// of its own: [`writer`](Self::writer) collects what it is given.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, the kind is not that of the message in
    /// progress, or a text is not UTF-8: then the message is still in progress.
    pub async fn send_fragment(&mut self, kind: MessageKind, data: &[u8], fin: bool) -> Result<(), Error> {
        self.call(Interest::Ready)
            .fragment(SenderId::UNSPLIT, kind, data, fin)
            .await
    }

    /// Begins a message that is written as a stream of bytes: `AsyncWrite` of tokio or of
    /// `futures-io`. [Embedding](crate::docs::embedding#tokio) has an example.
    ///
    /// # Errors
    /// The connection is not open, or a fragmented message is in progress.
    pub fn writer(&mut self, kind: MessageKind) -> Result<MessageWriter<'_, T, C>, SendError> {
        MessageWriter::begin(self.call(Interest::Ready), kind)
    }
}

impl<T: Transport, C: Clock> Writer<T, C> {
    /// Begins a message that is written as a stream of bytes: see [`WebSocket::writer`].
    ///
    /// Until the message has ended, or the [`MessageWriter`] is dropped, all writers get
    /// [`SendError::MessageInProgress`] when they send a message.
    ///
    /// # Errors
    /// Those of [`WebSocket::writer`].
    pub fn writer(&self, kind: MessageKind) -> Result<MessageWriter<'_, T, C>, SendError> {
        MessageWriter::begin(self.call(), kind)
    }
}

impl<'a, T, C> MessageWriter<'a, T, C> {
    /// Begins a message.
    fn begin(mut call: Call<'a, T, C>, kind: MessageKind) -> Result<Self, SendError> {
        call.begin_message()?;
        Ok(Self {
            call,
            fragment: Fragment::new(kind),
            is_finished: false,
        })
    }
}

impl<T: Transport, C: Clock> MessageWriter<'_, T, C> {
    /// Sends what is left, ends the message, and waits until it is written. Nothing can be written
    /// to it after that.
    ///
    /// Cancelled, it can be called again, and the message is sent once.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or a text is not UTF-8.
    pub async fn finish(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_end(cx)).await
    }

    /// Polls to write from the front of `data`. Returns how many bytes were taken: they are held
    /// until they are a fragment.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, a text is not UTF-8, or the message is
    /// finished.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_finished {
            return Poll::Ready(Err(finished()));
        }
        if self.fragment.is_full() {
            ready!(self.poll_fragment(cx, false))?;
        }
        Poll::Ready(Ok(self.fragment.fill(data)))
    }

    /// Polls until what was written until now is sent, as a fragment, and written.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or a text is not UTF-8.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.fragment.data.is_empty() {
            ready!(self.poll_fragment(cx, false))?;
        }
        self.call.poll_flush(cx)
    }

    /// Polls until the message is sent and written: see [`finish`](Self::finish).
    ///
    /// # Errors
    /// Those of [`finish`](Self::finish).
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx).map_err(Into::into)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.is_finished {
            ready!(self.poll_fragment(cx, true))?;
        }
        self.call.poll_flush(cx).map_err(Into::into)
    }

    /// Appends what is held as a fragment, when there is room.
    fn poll_fragment(&mut self, cx: &mut Context<'_>, fin: bool) -> Poll<Result<(), Error>> {
        let (Fragment { kind, data }, sender) = (&mut self.fragment, self.call.sender());
        ready!(self.call.poll_fragment(cx, sender, *kind, data, fin))?;
        data.clear();
        self.is_finished = fin;
        Poll::Ready(Ok(()))
    }
}

/// A task may be dropped with its writer while the connection is locked: nothing is locked here.
impl<T, C> Drop for MessageWriter<'_, T, C> {
    fn drop(&mut self) {
        self.call.abandon_message();
    }
}

impl<T, C> fmt::Debug for MessageWriter<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter")
            .field("kind", &self.fragment.kind)
            .field("is_finished", &self.is_finished)
            .finish_non_exhaustive()
    }
}

#[cold]
fn finished() -> io::Error {
    let text = "the message is finished: nothing can be written to it";
    io::Error::new(ErrorKind::BrokenPipe, text)
}
