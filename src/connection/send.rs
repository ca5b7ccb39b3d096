//! Commands that send: each appends to the output of the caller.

use alloc::vec::Vec;

use super::{
    Connection,
    recorded::{if_recorded, recorded},
};
#[cfg(feature = "recording")]
use crate::recorder::Call;
use crate::{
    close::{CloseFrame, ClosedBy},
    close_code::CloseCode,
    error::SendError,
    frame::{ReservedBits, opcode::Opcode},
    message::MessageKind,
    send::{PreparedMessage, Sender},
    state::{Command, Permission, Signal},
};

impl Connection {
    /// Sends a text message (RFC 6455, section 6.1).
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), or a fragmented message is in
    /// progress. Nothing was sent.
    // A call takes a fifth of the instructions of a short message; measured.
    #[inline(always)]
    pub fn send_text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), SendError> {
        if_recorded!(self, self.send_recorded(MessageKind::Text, text.as_bytes(), out));
        self.sender_for(Command::SendData)?
            .message(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a binary message (RFC 6455, section 6.1).
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), or a fragmented message is in
    /// progress. Nothing was sent.
    // A call takes a fifth of the instructions of a short message; measured.
    #[inline(always)]
    pub fn send_binary(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        if_recorded!(self, self.send_recorded(MessageKind::Binary, data, out));
        self.sender_for(Command::SendData)?
            .message(MessageKind::Binary, data, out)
    }

    /// Sets whether messages are compressed from now on, if permessage-deflate was negotiated.
    /// Initially true.
    ///
    /// Turn it off for a message that holds a secret beside something that an attacker may choose:
    /// the length on the wire tells how similar they are (RFC 7692, section 8). Turn it off, too,
    /// for images and other data that is compressed already: a message that does not get smaller is
    /// sent uncompressed, but the next one starts with an empty window. A fragmented message in
    /// progress continues as it began.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub const fn set_compression(&mut self, enabled: bool) {
        self.sender.set_compression(enabled);
    }

    /// Sends one fragment with reserved bits set that negotiated extensions of the caller's own
    /// give a meaning (RFC 6455, sections 5.2 and 9); otherwise as
    /// [`send_fragment`](Self::send_fragment) does. With `fin` on the first call, it is a whole
    /// message.
    ///
    /// The payload is what the extensions make of it; of a text, it must be UTF-8 as they make it.
    /// If permessage-deflate was negotiated too, it is compressed after that.
    ///
    /// # Errors
    /// Fails as `send_fragment` does, and if a bit was not negotiated. Nothing was sent, and the
    /// message is still in progress.
    pub fn send_fragment_with(
        &mut self,
        kind: MessageKind,
        data: &[u8],
        fin: bool,
        reserved: ReservedBits,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        recorded!(
            self,
            out,
            Call::SendFragment {
                kind,
                data,
                fin,
                reserved
            },
            self.send_fragment_with(kind, data, fin, reserved, out)
        );
        let negotiated = self.receiver.own_bits();
        let sender = self.sender_for_fragment()?;
        let not_negotiated = reserved.without(negotiated);
        if !not_negotiated.is_empty() {
            return Err(SendError::ReservedBitsNotNegotiated { bits: not_negotiated });
        }
        sender.fragment(kind, data, fin, reserved, out)
    }

    /// Sends one fragment of a message whose length is not known yet; `fin` ends the message (RFC
    /// 6455, section 5.4).
    ///
    /// The first call begins a message of the given kind. Pings, Pongs and a Close frame may be
    /// sent between fragments, another message may not. A fragment of text may end inside a code
    /// point; the message may not.
    ///
    /// With [`auto_close`](crate::Config::auto_close) off, a message in progress may be continued
    /// and finished after the peer's Close frame, before this end answers it; no other message may
    /// begin (section 5.5.1).
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), except as said above, the kind
    /// is not that of the message in progress, or a text is not UTF-8. Nothing was sent, and the
    /// message is still in progress.
    pub fn send_fragment(
        &mut self,
        kind: MessageKind,
        data: &[u8],
        fin: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.send_fragment_with(kind, data, fin, ReservedBits::NONE, out)
    }

    /// Server: sends only the header of a message of `len` bytes, for a vectored write of a payload
    /// that is not copied.
    ///
    /// The caller must write the payload after `out` and before anything else, and text must be
    /// UTF-8. For clients, and for fragments, there is
    /// [`send_fragment_header`](Self::send_fragment_header).
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), a fragmented message is in
    /// progress, this is a client, which has to mask the payload (RFC 6455, section 5.1), or `len`
    /// is over 2^63 - 1. Nothing was sent.
    pub fn send_header(&mut self, kind: MessageKind, len: u64, out: &mut Vec<u8>) -> Result<(), SendError> {
        recorded!(self, out, Call::SendHeader(kind, len), self.send_header(kind, len, out));
        self.sender_for(Command::SendData)?.header(kind, len, out)
    }

    /// Sends a message from the buffer in which the caller has made it: writes the header before
    /// the payload, masks the payload in place if this is a client, and returns the frame. Nothing
    /// is copied.
    ///
    /// `buf` begins with [`Header::MAX_LEN`](crate::frame::Header::MAX_LEN) bytes of room for the
    /// header; the rest is the payload. The caller must write all of the frame, after the output
    /// that the connection has appended before, and before what it appends later. The message is
    /// one frame and is not compressed, whatever was negotiated.
    ///
    /// ```
    /// use sockless::{Config, Connection, MessageKind, frame::Header, handshake::Negotiated};
    /// use std::io::Write;
    ///
    /// # let mut transport: Vec<u8> = Vec::new();
    /// # let seed = [7; 32];
    /// let mut client =
    ///     Connection::upgraded_client(&Negotiated::default(), Config::default(), seed);
    ///
    /// let mut buf = vec![0; Header::MAX_LEN];
    /// write!(buf, "temperature {}", 21)?;
    /// let frame = client.send_in_place(MessageKind::Text, &mut buf)?;
    /// transport.write_all(frame)?;
    /// # assert_eq!(transport.len(), 6 + "temperature 21".len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), a fragmented message is in
    /// progress, the buffer has no room for a header, or a text is not UTF-8. Nothing was sent, and
    /// the buffer is unchanged.
    pub fn send_in_place<'b>(&mut self, kind: MessageKind, buf: &'b mut [u8]) -> Result<&'b [u8], SendError> {
        if_recorded!(self, self.send_in_place_recorded(kind, buf));
        self.sender_for(Command::SendData)?.in_place(kind, buf)
    }

    /// Sends the header of one fragment, for a vectored write of a payload that is not copied; a
    /// client masks the payload in place. `fin` ends the message: with it on the first call, the
    /// fragment is a whole message.
    ///
    /// The caller must write the payload after `out` and before anything else. The message is not
    /// compressed, whatever was negotiated. Otherwise it is as
    /// [`send_fragment`](Self::send_fragment) says, which may send other fragments of it.
    ///
    /// # Errors
    /// Fails as `send_fragment` does, and if the message in progress is compressed. Nothing was
    /// sent, and the payload is unchanged.
    pub fn send_fragment_header(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
        fin: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if_recorded!(self, self.send_fragment_header_recorded(kind, payload, fin, out));
        self.sender_for_fragment()?.fragment_header(kind, payload, fin, out)
    }

    /// Sends a message that was prepared for many connections, in one frame.
    ///
    /// Whether it is compressed, [`PreparedMessage`] says. A client masks it with a fresh key.
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), or a fragmented message is in
    /// progress. Nothing was sent.
    #[inline]
    pub fn send_prepared(&mut self, message: &PreparedMessage, out: &mut Vec<u8>) -> Result<(), SendError> {
        if_recorded!(self, self.send_prepared_recorded(message, out));
        self.sender_for(Command::SendData)?.prepared(message, out)
    }

    /// Server: sends a message that was prepared for many connections, and returns its frame, for a
    /// vectored write without a copy.
    ///
    /// The caller must write all of it, after the output that the connection has appended before,
    /// and before what it appends later. Whether it is compressed, [`PreparedMessage`] says.
    ///
    /// ```
    /// use sockless::{Config, Connection, PreparedMessage, handshake::Negotiated};
    /// use std::io::{IoSlice, Write};
    ///
    /// # let mut transport: Vec<u8> = Vec::new();
    /// let mut connection = Connection::upgraded_server(&Negotiated::default(), Config::default());
    /// let mut out = Vec::new();
    /// connection.ping(b"", &mut out)?;
    ///
    /// let news = PreparedMessage::text("news for all");
    /// let frame = connection.prepared_frame(&news)?;
    /// let written = transport.write_vectored(&[IoSlice::new(&out), IoSlice::new(frame)])?;
    /// // If fewer bytes were written, the rest follows when the transport takes more.
    /// assert_eq!(written, out.len() + frame.len());
    /// # assert_eq!(transport, b"\x89\0\x81\x0Cnews for all");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), a fragmented message is in
    /// progress, or this is a client, which has to mask the payload (RFC 6455, section 5.1).
    /// Nothing was sent.
    #[inline]
    pub fn prepared_frame<'m>(&mut self, message: &'m PreparedMessage) -> Result<&'m [u8], SendError> {
        if_recorded!(self, self.prepared_frame_recorded(message));
        self.sender_for(Command::SendData)?.prepared_frame(message)
    }

    /// Sends a Ping with at most 125 bytes (RFC 6455, section 5.5.2). The peer answers with a Pong
    /// of the same payload.
    ///
    /// # Errors
    /// Fails if the connection is not [`Open`](crate::State::Open), or the payload is too long.
    /// Nothing was sent.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        recorded!(self, out, Call::Ping(payload), self.ping(payload, out));
        self.sender_for(Command::SendPing)?.control(Opcode::Ping, payload, out)
    }

    /// Sends a Pong with at most 125 bytes: an answer, if [`auto_pong`](crate::Config::auto_pong)
    /// is off, or an unsolicited one, as a heartbeat in one direction (RFC 6455, section 5.5.3).
    ///
    /// # Errors
    /// Fails if the connection is not open, a Close frame was received, or the payload is too long.
    /// Nothing was sent.
    pub fn pong(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        recorded!(self, out, Call::Pong(payload), self.pong(payload, out));
        self.sender_for(Command::SendPong)?.control(Opcode::Pong, payload, out)
    }

    /// Starts the closing handshake with a code and a reason of at most 123 bytes; or, if
    /// [`auto_close`](crate::Config::auto_close) is off, answers the peer's (RFC 6455, sections
    /// 5.5.1 and 7.1.2).
    ///
    /// A code of `None` sends an empty Close frame. After it, nothing can be sent; what the peer
    /// sends is received until its Close frame arrives. The reason is for debugging, not for end
    /// users (section 5.5.1).
    ///
    /// A client closes only because its application asks for it: it does not close the transport
    /// itself, and when it connects again after a failure, it waits a random time first, longer
    /// each time, as [`Backoff`](crate::timers::Backoff) says (sections 7.1.1, 7.2.3 and 7.3).
    ///
    /// # Errors
    /// Fails if the connection is not open, a Close frame was sent before, the code may not be
    /// sent, or the reason is too long or has no code. Nothing was sent.
    pub fn close(
        &mut self,
        code: impl Into<Option<CloseCode>>,
        reason: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let code = code.into();
        recorded!(self, out, Call::Close(code, reason), self.close(code, reason, out));
        self.sender_for(Command::SendClose)?;
        if code.is_none() && !reason.is_empty() {
            return Err(SendError::ReasonWithoutCode);
        }
        self.send_close(code.map(|code| CloseFrame::new(code, reason)), out)
    }

    pub(super) fn send_close(&mut self, frame: Option<CloseFrame<'_>>, out: &mut Vec<u8>) -> Result<(), SendError> {
        self.sender.close(frame.as_ref(), out)?;
        self.close_status_mut(ClosedBy::Us).sent = Some(frame.map(CloseFrame::into_owned));
        self.signal(Signal::CloseSent);
        Ok(())
    }

    /// Returns whether a message of `len` bytes leaves as one frame with its payload as it is: this
    /// is a server, and the message is neither compressed nor divided.
    #[cfg(feature = "std")]
    pub(crate) fn sends_payload_as_it_is(&self, len: usize) -> bool {
        // The recorder sees what is in the output.
        if_recorded!(self, false);
        self.sender.sends_payload_as_it_is(len)
    }

    /// Fails if no message can be sent now.
    #[cfg(feature = "std")]
    pub(crate) fn check_message(&mut self) -> Result<(), SendError> {
        self.sender_for(Command::SendData)?.check_between_messages()
    }

    /// The sender, if the state machine permits the command.
    #[inline(always)]
    pub(super) fn sender_for(&mut self, command: Command) -> Result<&mut Sender, SendError> {
        if self.phase.permits(command) == Permission::Granted {
            Ok(&mut self.sender)
        } else {
            Err(self.not_permitted(command))
        }
    }

    /// The sender, if the state machine permits the next fragment of a message.
    #[inline]
    fn sender_for_fragment(&mut self) -> Result<&mut Sender, SendError> {
        self.sender_for(match self.sender.is_in_message() {
            true => Command::ContinueMessage,
            false => Command::SendData,
        })
    }

    #[cold]
    fn not_permitted(&self, command: Command) -> SendError {
        match self.phase.permits(command) {
            Permission::TooEarly => SendError::NotOpen,
            Permission::TooLate | Permission::Granted => SendError::Closing,
        }
    }
}
