//! What an adapter sends: each call appends to the output.

use alloc::vec::Vec;
use core::mem;
use std::time::Instant;

use super::{Driver, SenderId};
use crate::{CloseCode, Connection, Message, MessageKind, PreparedMessage, Role, SendError, adapter::AsMessage, copy};

/// A message with a payload of so many bytes is written from where it is, if it can be, and not
/// copied to the output: below that, the copy costs about as much as the second slice.
const MIN_BORROWED_LEN: usize = 16 << 10;

/// A message to send.
pub(in crate::adapter) enum Outgoing<'m> {
    Message(Message<'m>),
    Prepared(&'m PreparedMessage),
}

impl Outgoing<'_> {
    /// Returns whether it is so long that not to copy it is worth it.
    #[inline]
    pub(in crate::adapter) fn is_large(&self) -> bool {
        let len = match self {
            Self::Message(message) => message.len(),
            Self::Prepared(message) => message.payload().len(),
        };
        len >= MIN_BORROWED_LEN
    }
}

impl Driver {
    /// Appends a message.
    pub(in crate::adapter) fn append(&mut self, message: &Outgoing<'_>) -> Result<(), SendError> {
        match message {
            Outgoing::Message(message) => self.feed(message.as_message()),
            Outgoing::Prepared(message) => self.feed_prepared(message),
        }
    }

    /// Appends a message, or all of it but its payload. Returns the payload then, which is to be
    /// written after the output and before anything else. Only if it [can](Self::can_borrow).
    pub(in crate::adapter) fn append_borrowed<'m>(&mut self, message: &'m Outgoing<'_>) -> Result<&'m [u8], SendError> {
        match message {
            Outgoing::Message(message) if self.engine.sends_payload_as_it_is(message.len()) => {
                self.check_message_sender(None)?;
                self.engine
                    .send_header(message.kind(), message.len() as u64, &mut self.out)?;
                Ok(message.as_bytes())
            }
            Outgoing::Prepared(message) => {
                self.check_message_sender(None)?;
                let frame = self.engine.prepared_frame(message)?;
                if frame.len() >= MIN_BORROWED_LEN {
                    return Ok(frame);
                }
                // It is compressed.
                copy::append(frame, &mut self.out);
                Ok(&[])
            }
            Outgoing::Message(_) => self.append(message).map(|()| &[][..]),
        }
    }

    /// Appends a message.
    // Measured, as for `Connection::send_text`.
    #[inline(always)]
    pub(in crate::adapter) fn feed(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.check_message_sender(None)?;
        match message {
            Message::Text(text) => self.engine.send_text(&text, &mut self.out),
            Message::Binary(data) => self.engine.send_binary(&data, &mut self.out),
        }
    }

    /// Appends a message that was prepared for many connections.
    pub(in crate::adapter) fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.check_message_sender(None)?;
        self.engine.send_prepared(message, &mut self.out)
    }

    /// Returns whether a payload can be written from where it is: a client masks it, and with
    /// `fragment_size`, control frames are written between the frames of the output.
    pub(in crate::adapter) const fn can_borrow(&self) -> bool {
        matches!(self.engine.role(), Role::Server) && !self.engine.fragments_messages()
    }

    /// Begins a message that `sender` sends in fragments. Until it has ended, or was
    /// [abandoned](Self::abandon_message), nobody else can send a message.
    pub(in crate::adapter) fn begin_message(&mut self, sender: SenderId) -> Result<(), SendError> {
        self.check_message_sender(None)?;
        self.engine.check_message()?;
        self.message_sender = Some(sender);
        Ok(())
    }

    /// Returns who sends a message in fragments, and has not ended it.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(in crate::adapter) const fn message_sender(&self) -> Option<SenderId> {
        self.message_sender
    }

    /// Appends one fragment of a message; `fin` ends it.
    pub(in crate::adapter) fn fragment(
        &mut self,
        sender: SenderId,
        kind: MessageKind,
        data: &[u8],
        fin: bool,
    ) -> Result<(), SendError> {
        self.check_message_sender(Some(sender))?;
        self.engine.send_fragment(kind, data, fin, &mut self.out)?;
        self.message_sender = if fin { None } else { Some(sender) };
        Ok(())
    }

    /// Notes that nobody continues the message of `sender`, unless it has ended. If a fragment of
    /// it was sent, it is still in progress: whoever sends the next fragment continues it.
    pub(in crate::adapter) fn abandon_message(&mut self, sender: SenderId) {
        if self.message_sender == Some(sender) {
            self.message_sender = None;
        }
    }

    /// Fails while another than `sender` sends a message in fragments.
    #[inline]
    fn check_message_sender(&mut self, sender: Option<SenderId>) -> Result<(), SendError> {
        if self.message_sender.is_none() || self.message_sender == sender {
            return Ok(());
        }
        // That the connection is closing says more.
        self.engine.check_message()?;
        Err(SendError::MessageInProgress)
    }

    /// Returns how many bytes of output are here, and not with who writes it.
    pub(in crate::adapter) fn pending_bytes(&self) -> usize {
        self.out.len() + self.control.len()
    }

    /// Appends a Ping of the application.
    pub(in crate::adapter) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.append_ping(payload)?;
        self.timers.ping_sent();
        Ok(())
    }

    /// Appends a Ping of the application or of the timers.
    pub(super) fn append_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let (engine, out) = self.control_output();
        engine.ping(payload, out)
    }

    /// Appends a Pong.
    pub(in crate::adapter) fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let (engine, out) = self.control_output();
        engine.pong(payload, out)
    }

    /// The engine, and the output for a Ping or a Pong.
    fn control_output(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        let is_apart = self.engine.fragments_messages();
        (
            &mut self.engine,
            if is_apart { &mut self.control } else { &mut self.out },
        )
    }

    /// Appends a Close frame.
    pub(in crate::adapter) fn close(
        &mut self,
        code: Option<CloseCode>,
        reason: &str,
        now: Instant,
    ) -> Result<(), SendError> {
        let out_len = self.out.len();
        self.engine.close(code, reason, &mut self.out)?;
        self.put_control_before_close(out_len);
        self.timers.closing(now);
        Ok(())
    }

    /// Puts the control frames that are kept apart before the Close frame that was appended at
    /// `close_at`, if one was: after it, nothing may be sent (RFC 6455, section 5.5.1).
    pub(super) fn put_control_before_close(&mut self, close_at: usize) {
        if self.out.len() > close_at {
            let control = mem::take(&mut self.control);
            self.out.splice(close_at..close_at, control);
        }
    }
}
