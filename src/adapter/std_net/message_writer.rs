//! One message to send as a writer.

use core::fmt;
use std::io::{self, Read, Write};

use super::{WebSocket, Writer, output::Output, unless_repeatable};
use crate::{
    MessageKind, SendError,
    adapter::{
        Error,
        driver::SenderId,
        pieces::{FRAGMENT_LEN, Fragment},
    },
};

/// One message that is sent while it is written: returned by [`WebSocket::writer`] and
/// [`Writer::writer`].
///
/// It sends a fragment for every 16 KiB (RFC 6455, section 5.4), and what is left when it is
/// flushed. [`finish`](Self::finish) ends the message: without it, the peer waits for the rest. A
/// message that is written in less than 16 KiB is a single frame.
///
/// **Errors** are those of [`WebSocket::send`], inside an [`io::Error`], see [`Error`]. After a
/// timeout of the transport, the call can be repeated: what it has returned an error for is not
/// taken. Text that is not UTF-8 is `InvalidData`, from the call that would have sent it.
///
/// **Dropped unfinished**, it sends nothing more, not even what it holds. If it has sent a
/// fragment, the message stays in progress, because a frame cannot be taken back: messages and
/// other writers fail with [`SendError::MessageInProgress`] until
/// [`send_fragment`](WebSocket::send_fragment) ends it, or the connection is closed. Pings and the
/// closing handshake are not concerned.
///
/// ```no_run
/// use std::{fs::File, io};
/// use sockless::{CloseCode, MessageKind, adapter::std_net};
///
/// let mut ws = std_net::connect("ws://127.0.0.1:9001/")?;
/// let mut message = ws.writer(MessageKind::Binary)?;
/// io::copy(&mut File::open("large-file")?, &mut message)?;
/// message.finish()?;
/// ws.close(CloseCode::NORMAL, "")?;
/// while ws.recv()?.is_some() {}
/// # Ok::<(), sockless::adapter::Error>(())
/// ```
#[must_use = "a message ends with `finish`"]
pub struct MessageWriter<'a, W> {
    output: Output<'a, W>,
    id: SenderId,
    fragment: Fragment,
}

impl<S: Read + Write> WebSocket<S> {
    /// Sends one fragment of a message whose length is not known yet, and waits until it is
    /// written; `fin` ends the message (RFC 6455, section 5.4).
    ///
    /// The first call begins a message of the given kind. Pings, Pongs and a Close frame may be
    /// sent between fragments, another message may not. A fragment of text may end inside a code
    /// point; the message may not.
    ///
    /// If more than [`Settings::high_water`](crate::adapter::Settings::high_water) bytes are
    /// unwritten, it writes them first: when that times out, the fragment is not sent.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, the kind is not that of the message in
    /// progress, or a text is not UTF-8. After any other timeout, [`flush`](Self::flush) writes the
    /// rest.
    pub fn send_fragment(&mut self, kind: MessageKind, data: &[u8], fin: bool) -> Result<(), Error> {
        let mut output = Output::Unsplit(&mut self.unsplit);
        output.make_room()?;
        output.command(|driver| driver.fragment(SenderId::UNSPLIT, kind, data, fin))
    }

    /// Begins a message that is sent while it is written: for one that is large, or whose length is
    /// not known yet.
    ///
    /// Nothing is received while it is written, as with [`send`](Self::send). For a message that
    /// takes long, use [halves](Self::split_with).
    ///
    /// # Errors
    /// The connection is not open, or a message is in progress.
    pub fn writer(&mut self, kind: MessageKind) -> Result<MessageWriter<'_, S>, SendError> {
        MessageWriter::new(Output::Unsplit(&mut self.unsplit), kind)
    }
}

impl<W: Write> Writer<W> {
    /// Begins a message that is sent while it is written: see [`WebSocket::writer`].
    ///
    /// Until it is finished or dropped, calls that send other messages, of this handle and of its
    /// clones, fail with [`SendError::MessageInProgress`]: they do not wait, because the message
    /// may be written by the same thread. Control frames can be sent.
    ///
    /// # Errors
    /// The connection is not open, or a message is in progress.
    pub fn writer(&self, kind: MessageKind) -> Result<MessageWriter<'_, W>, SendError> {
        MessageWriter::new(Output::Half(&self.shared), kind)
    }
}

impl<'a, W> MessageWriter<'a, W> {
    fn new(mut output: Output<'a, W>, kind: MessageKind) -> Result<Self, SendError> {
        let begun = output.with_core(|core| {
            let id = core.new_sender();
            core.driver.begin_message(id).map(|()| id)
        });
        Ok(Self {
            id: begun?,
            output,
            fragment: Fragment::new(kind),
        })
    }
}

impl<W: Write> MessageWriter<'_, W> {
    /// Sends what is left, ends the message, and waits until it is written.
    ///
    /// # Errors
    /// The transport failed, the connection is closing, or the text is not UTF-8 or ends inside a
    /// code point: then the message stays in progress. After a timeout, the message is complete,
    /// and [`flush`](WebSocket::flush) of the connection writes the rest.
    pub fn finish(mut self) -> Result<(), Error> {
        let Self { output, id, fragment } = &mut self;
        output.command(|driver| driver.fragment(*id, fragment.kind, &fragment.data, true))
    }

    /// Sends what is held as a fragment. After an error, it is still held.
    fn send_held(&mut self) -> io::Result<()> {
        let Self { output, id, fragment } = self;
        output.make_room()?;
        let sent = output.command(|driver| driver.fragment(*id, fragment.kind, &fragment.data, false));
        if !matches!(sent, Err(Error::Send(_))) {
            fragment.data.clear();
        }
        unless_repeatable(sent)
    }
}

impl<W: Write> Write for MessageWriter<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.fragment.is_full() && !data.is_empty() {
            self.send_held()?;
        }
        match data.split_at_checked(FRAGMENT_LEN) {
            // The last bytes of a message are held, so that its last fragment is not empty.
            Some((now, later)) if self.fragment.data.is_empty() && !later.is_empty() => {
                let Self { output, id, fragment } = self;
                output.make_room()?;
                unless_repeatable(output.command(|driver| driver.fragment(*id, fragment.kind, now, false)))?;
                Ok(now.len())
            }
            _ => Ok(self.fragment.fill(data)),
        }
    }

    /// Sends what is held as a fragment, and waits until it is written.
    fn flush(&mut self) -> io::Result<()> {
        if !self.fragment.data.is_empty() {
            self.send_held()?;
        }
        self.output.flush()
    }
}

impl<W> Drop for MessageWriter<'_, W> {
    fn drop(&mut self) {
        self.output.with_core(|core| core.driver.abandon_message(self.id));
    }
}

impl<W> fmt::Debug for MessageWriter<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter")
            .field("kind", &self.fragment.kind)
            .finish_non_exhaustive()
    }
}
