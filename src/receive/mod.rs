//! The receive half: bytes to events. It knows nothing of the send half and of the closing handshake; what has to be
//! answered is in the event or the error that it returns.

#[cfg(feature = "deflate")]
mod compressed;

use alloc::{borrow::Cow, vec::Vec};
use core::mem;

use crate::{
    close::{CloseCode, CloseFrame},
    config::{Config, Delivery},
    error::ProtocolError,
    event::{Chunk, Data, Event},
    frame::{Decoder, Header, Kind, Mask, Opcode, Role, unmask},
    message::{Assembled, Limits, Message},
    utf8::{self, Piece},
};

#[derive(Debug)]
pub(crate) struct Receiver {
    decoder: Decoder,
    /// The opcode and FIN of the frame in progress.
    opcode: Opcode,
    fin: bool,
    delivery: Delivery,
    limits: Limits,
    message: Message,
    /// The payload of a control frame that spans inputs.
    control: Vec<u8>,
    /// A violation found behind text that was delivered first.
    pending: Option<ProtocolError>,
    #[cfg(feature = "deflate")]
    compressed: compressed::Compressed,
}

/// What became of the input where the rest of a message was expected.
pub(crate) enum Rest {
    /// It is consumed.
    Taken,
    /// The message ended with it, or before it did.
    Ended(Assembled),
    /// It breaks a rule.
    Failed(ProtocolError),
    /// What is left of it is something else.
    Unknown,
}

impl Receiver {
    pub(crate) const fn new(role: Role, config: &Config) -> Self {
        Self {
            decoder: Decoder::new(role),
            opcode: Opcode::Continuation,
            fin: false,
            delivery: config.delivery,
            limits: Limits {
                size: config.max_message_size,
                fragments: config.max_fragments,
            },
            message: Message::new(),
            control: Vec::new(),
            pending: None,
            #[cfg(feature = "deflate")]
            compressed: compressed::Compressed::new(),
        }
    }

    pub(crate) const fn role(&self) -> Role {
        self.decoder.role()
    }

    /// A whole message that lies at the front of `input`, lent from it: the straight line for the common case.
    #[inline(always)]
    pub(crate) fn whole_message<'b>(&self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        match self.decoder.whole_message(input, self.limits.size) {
            None => Ok(None),
            Some((kind, data)) => lend(kind, data).map(Some),
        }
    }

    /// How many bytes at least `input` lacks to be a message that [`whole_message`](Self::whole_message) lends; `None` if it
    /// never will be, or is.
    pub(crate) fn lacks(&self, input: &[u8]) -> Option<u64> {
        self.decoder.lacks(input, self.limits.size)
    }

    /// How many bytes of payload the frame in progress lacks.
    pub(crate) fn lacks_of_frame(&self) -> u64 {
        self.decoder.rest().0
    }

    /// Whether [`whole_message`](Self::whole_message) may be asked.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.decoder.is_between_messages() && self.delivery == Delivery::Messages && self.limits.fragments > 0
    }

    /// The straight line for what arrives byte by byte: takes a byte if it is as it should be, and says whether.
    #[inline(never)]
    pub(crate) fn next_byte(&mut self, byte: u8) -> bool {
        debug_assert!(self.is_in_pieces());
        self.message.append_byte(byte, &mut self.decoder)
    }

    /// The straight line for what arrives in pieces: payload of a message of which pieces have come.
    #[inline(never)]
    pub(crate) fn rest_of_message(&mut self, input: &mut &mut [u8]) -> Rest {
        debug_assert!(self.is_in_pieces());
        let Some((data, mask)) = self.decoder.middle_of_payload(input) else {
            return self.end_of_frame(input).unwrap_or_else(Rest::Failed);
        };
        match self.message.append_masked(data, mask, self.decoder.rest().0) {
            Ok(()) => Rest::Taken,
            Err(error) => Rest::Failed(error),
        }
    }

    #[inline(never)]
    fn end_of_frame(&mut self, input: &mut &mut [u8]) -> Result<Rest, ProtocolError> {
        let Some((data, mask, end)) = self.decoder.payload(input, usize::MAX) else {
            return Ok(Rest::Taken);
        };
        self.message.append_masked(data, mask, self.decoder.rest().0)?;
        if end && self.fin {
            self.message.finish().map(Rest::Ended)
        } else {
            Ok(Rest::Unknown)
        }
    }

    /// Whether [`rest_of_message`](Self::rest_of_message) may be asked.
    pub(crate) fn is_in_pieces(&self) -> bool {
        #[cfg(feature = "deflate")]
        if self.compressed.in_message() {
            return false;
        }
        self.decoder.is_in_payload() && !self.opcode.is_control() && self.message.is_assembling()
    }

    /// The next event; `None` means that `input` is empty.
    pub(crate) fn receive<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        if let Some(error) = self.pending {
            return Err(error);
        }
        loop {
            if !self.decoder.is_in_payload() {
                match self.decoder.header(input)? {
                    Some(header) => self.begin(&header)?,
                    None => return Ok(None),
                }
            }
            #[cfg(feature = "deflate")]
            if self.compressed.in_message() && !self.opcode.is_control() {
                match self.inflate(input)? {
                    Some(event) => return Ok(Some(event)),
                    // The frame is processed, or it lacks input.
                    None if self.decoder.is_in_payload() => return Ok(None),
                    None => continue,
                }
            }
            // The rest of a code point alone, so that the text behind it can be lent.
            let at_most = match (self.delivery, self.opcode.is_control(), self.message.missing()) {
                (Delivery::Messages, _, _) | (_, true, _) | (_, _, 0) => usize::MAX,
                (Delivery::Chunks, false, missing) => missing,
            };
            let Some((data, mask, end)) = self.decoder.payload(input, at_most) else {
                return Ok(None);
            };
            let result = match (self.opcode.is_control(), self.delivery) {
                (true, _) => self.control(data, mask, end),
                (false, Delivery::Messages) => self.piece(data, mask, end),
                (false, Delivery::Chunks) => self.chunk(data, mask, end),
            };
            match result {
                Ok(None) if input.is_empty() => return Ok(None),
                Ok(None) => {}
                result => return result,
            }
        }
    }

    /// How many bytes of the message in progress are assembled.
    pub(crate) fn assembled_len(&self) -> usize {
        self.message.assembled_len()
    }

    /// Keeps the allocation of an event for the next message.
    pub(crate) fn recycle(&mut self, event: Event<'_>) {
        match event {
            Event::Text(Cow::Owned(text)) => self.message.recycle(text.into_bytes()),
            Event::Binary(Cow::Owned(data)) => self.message.recycle(data),
            _ => {}
        }
    }

    /// What was received cannot be told to another engine.
    #[cfg(feature = "deflate")]
    pub(crate) fn is_lossy(&self) -> bool {
        self.compressed.is_lossy()
    }

    /// What was taken and not reported: the message and the control frame in progress, each as a frame that says the
    /// same, and the beginning of a header. Nothing of a compressed message.
    pub(crate) fn into_unread(self) -> Vec<u8> {
        let mut unread = Vec::new();
        let (rest, key) = self.decoder.rest();
        let in_payload = self.decoder.is_in_payload();
        let in_control = in_payload && self.opcode.is_control();
        let in_data = in_payload && !in_control;
        #[cfg(feature = "deflate")]
        let is_plain = !self.compressed.in_message();
        #[cfg(not(feature = "deflate"))]
        let is_plain = true;
        if is_plain && (in_data || self.decoder.is_in_message()) {
            let opcode = self.message.opcode_of_rest(if in_data { rest } else { 0 });
            let collected = self.message.into_collected();
            if !in_data {
                self.decoder.write_frame(opcode, false, collected, 0, key, &mut unread);
            } else if (collected.len() as u64 + rest) >> 63 == 0 {
                self.decoder
                    .write_frame(opcode, self.fin, collected, rest, key, &mut unread);
            } else {
                // Together they are longer than a frame can be.
                self.decoder.write_frame(opcode, false, collected, 0, key, &mut unread);
                let opcode = Opcode::Continuation;
                self.decoder
                    .write_frame(opcode, self.fin, Vec::new(), rest, key, &mut unread);
            }
        }
        if in_control {
            self.decoder
                .write_frame(self.opcode, true, self.control, rest, key, &mut unread);
        }
        unread.extend_from_slice(self.decoder.stashed());
        unread
    }

    fn begin(&mut self, header: &Header) -> Result<(), ProtocolError> {
        self.opcode = header.opcode;
        self.fin = header.fin;
        let kind = match header.opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            Opcode::Continuation => None,
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(()),
        };
        #[cfg(feature = "deflate")]
        let len = if self.compressed.begin_frame(header, self.limits)? {
            0
        } else {
            header.len
        };
        #[cfg(not(feature = "deflate"))]
        let len = header.len;
        self.message.begin_frame(kind, len, self.limits)
    }

    fn piece<'b>(&mut self, data: &'b mut [u8], mask: Mask, end: bool) -> Result<Option<Event<'b>>, ProtocolError> {
        let message_end = end && self.fin;
        // `data` is the whole message unless something of it came before.
        if message_end && self.message.is_whole(data.len()) {
            unmask(data, mask);
            return lend(self.message.kind(), data).map(Some);
        }
        self.message.append_masked(data, mask, self.decoder.rest().0)?;
        if !message_end {
            return Ok(None);
        }
        self.message.finish().map(|message| Some(message.into()))
    }

    fn chunk<'b>(&mut self, data: &'b mut [u8], mask: Mask, end: bool) -> Result<Option<Event<'b>>, ProtocolError> {
        unmask(data, mask);
        let message_end = end && self.fin;
        let data = match self.message.kind() {
            Kind::Binary => Data::Binary(Cow::Borrowed(data)),
            Kind::Text => {
                let Piece {
                    split,
                    text,
                    mut result,
                    ..
                } = self.message.validate(data);
                if result.is_ok() && message_end {
                    result = self.message.finish_text();
                }
                let text = match split {
                    None => Cow::Borrowed(text),
                    // The piece held no more than the rest of this code point.
                    Some(split) => Cow::Owned(split.into()),
                };
                if result.is_err() {
                    // What was valid is delivered first; only then the connection fails.
                    self.pending = Some(ProtocolError::InvalidUtf8);
                    if text.is_empty() {
                        return Err(ProtocolError::InvalidUtf8);
                    }
                    return Ok(Some(Event::Chunk(Chunk::new(Data::Text(text), false, false))));
                }
                if text.is_empty() && !end {
                    return Ok(None);
                }
                Data::Text(text)
            }
        };
        Ok(Some(Event::Chunk(Chunk::new(data, end, message_end))))
    }

    fn control<'b>(&mut self, data: &'b mut [u8], mask: Mask, end: bool) -> Result<Option<Event<'b>>, ProtocolError> {
        unmask(data, mask);
        let payload = if end && self.control.is_empty() {
            Cow::Borrowed(data)
        } else {
            self.control.extend_from_slice(data);
            if !end {
                return Ok(None);
            }
            Cow::Owned(mem::take(&mut self.control))
        };
        Ok(Some(match self.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => Event::Close(close_frame(payload)?),
        }))
    }
}

impl From<Assembled> for Event<'static> {
    fn from(message: Assembled) -> Self {
        match message {
            Assembled::Text(text) => Event::Text(Cow::Owned(text)),
            Assembled::Binary(data) => Event::Binary(Cow::Owned(data)),
        }
    }
}

#[inline(always)]
fn lend(kind: Kind, data: &[u8]) -> Result<Event<'_>, ProtocolError> {
    match kind {
        Kind::Binary => Ok(Event::Binary(Cow::Borrowed(data))),
        Kind::Text => match utf8::validate(data) {
            Ok(text) => Ok(Event::Text(Cow::Borrowed(text))),
            Err(_) => Err(ProtocolError::InvalidUtf8),
        },
    }
}

/// The body of a Close frame (RFC 6455, section 5.5.1).
fn close_frame(payload: Cow<'_, [u8]>) -> Result<Option<CloseFrame<'_>>, ProtocolError> {
    let code = match *payload {
        [] => return Ok(None),
        // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
        [_] => return Err(ProtocolError::TruncatedCloseCode),
        [high, low, ..] => CloseCode(u16::from_be_bytes([high, low])),
    };
    if !code.is_valid_on_wire() {
        return Err(ProtocolError::InvalidCloseCode);
    }
    let reason = match payload {
        Cow::Borrowed(bytes) => core::str::from_utf8(bytes.get(2..).unwrap_or_default()).map(Cow::Borrowed),
        Cow::Owned(bytes) => {
            core::str::from_utf8(bytes.get(2..).unwrap_or_default()).map(|reason| Cow::Owned(reason.into()))
        }
    };
    match reason {
        Ok(reason) => Ok(Some(CloseFrame { code, reason })),
        Err(_) => Err(ProtocolError::InvalidCloseReason),
    }
}
