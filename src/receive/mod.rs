//! The receive half: bytes to events. It knows nothing of the send half and of the closing
//! handshake: `connection/receive.rs` answers what it returns.

mod buffered_message;
mod chunks;
mod compressed;
mod fragments;
mod path;
mod pieces;

use alloc::{borrow::Cow, vec::Vec};
use core::mem;

pub(crate) use self::{
    buffered_message::{BufferedMessage, BufferedProgress},
    path::Path,
    pieces::Pieces,
};
use crate::{
    close::CloseFrame,
    config::{Config, Delivery},
    error::ProtocolError,
    event::Event,
    frame::{
        ReservedBits,
        decoder::Decoder,
        header::Header,
        opcode::Opcode,
        wire::{self, FirstByte},
    },
    message::MessageKind,
    message_assembler::MessageAssembler,
    message_limits::{Limits, PayloadViolation},
    role::Role,
    utf8::{self, InvalidUtf8},
};

// What a whole message touches comes first: see `Connection`.
#[repr(C)]
pub(crate) struct Receiver {
    /// The limit on the size of the next message.
    max_message_size: u64,
    decoder: Decoder,
    /// Of the message in progress.
    limits: Limits,
    /// As far as the settings say, the fast path for a whole message may be taken: messages are
    /// assembled, may have a frame, and have no reserved bits, which the general path keeps.
    whole_messages: bool,
    /// Off only in tests, which compare the fast paths with the general one.
    fast_paths: bool,
    delivery: Delivery,
    /// A violation that was found after text or bytes that are delivered first.
    pending: Option<PayloadViolation>,
    /// Which reserved bits of the caller's extensions are set: with chunk delivery, in the frame in
    /// progress; otherwise in any frame of the message in progress or of the last one.
    reserved: ReservedBits,
    assembler: MessageAssembler,
    /// The payload of a control frame that spans inputs.
    control: Vec<u8>,
    compressed: compressed::Compressed,
}

impl Receiver {
    /// The first and the last byte of what receiving a whole message touches.
    #[cfg(test)]
    pub(crate) const TOUCHED: [usize; 2] = [
        mem::offset_of!(Self, max_message_size),
        mem::offset_of!(Self, decoder) + Decoder::ROLE_OFFSET,
    ];

    pub(crate) const fn new(role: Role, config: &Config) -> Self {
        Self {
            decoder: Decoder::new(role),
            delivery: config.delivery,
            limits: Limits::of(config),
            max_message_size: config.max_message_size,
            assembler: MessageAssembler::new(),
            control: Vec::new(),
            pending: None,
            compressed: compressed::Compressed::new(),
            reserved: ReservedBits::NONE,
            whole_messages: matches!(config.delivery, Delivery::Messages) && config.max_fragments > 0,
            fast_paths: true,
        }
    }

    /// Replaces the settings, before anything is received.
    pub(crate) fn configure(&mut self, config: &Config) {
        *self = Self {
            fast_paths: self.fast_paths,
            ..Self::new(self.role(), config)
        };
    }

    pub(crate) const fn role(&self) -> Role {
        self.decoder.role()
    }

    pub(crate) const fn delivery(&self) -> Delivery {
        self.delivery
    }

    pub(crate) const fn disable_fast_paths(&mut self) {
        self.fast_paths = false;
    }

    /// Returns the limit on the size of the next message.
    pub(crate) const fn max_message_size(&self) -> u64 {
        self.max_message_size
    }

    /// Sets the limit on the size of the next message.
    pub(crate) const fn set_max_message_size(&mut self, bytes: u64) {
        self.max_message_size = bytes;
    }

    /// Lets the reserved bits of extensions be set that the caller implements.
    pub(crate) const fn allow_reserved(&mut self, bits: ReservedBits) {
        self.decoder.allow_reserved(bits);
        self.whole_messages = false;
    }

    /// The reserved bits of extensions that the caller implements.
    pub(crate) const fn own_bits(&self) -> ReservedBits {
        self.decoder.own_bits()
    }

    /// The reserved bits of the last message, or of its last frame with chunk delivery.
    pub(crate) const fn reserved(&self) -> ReservedBits {
        self.reserved
    }

    /// Whether a message is in progress: its first header has come and its last byte has not. Only
    /// the decoder stores this; `receive` asserts that the other fields agree.
    pub(crate) const fn is_in_message(&self) -> bool {
        self.decoder.is_in_message()
    }

    /// Whether payload of a message is to come next, which may be empty.
    const fn is_in_data_frame(&self) -> bool {
        self.decoder.is_in_payload() && !self.decoder.is_in_control_frame()
    }

    /// Whether the fast path for a whole message may be taken.
    fn takes_whole_messages(&self) -> bool {
        self.decoder.is_between_messages() && self.whole_messages
    }

    /// Takes a whole message off the front of `input`, which it borrows: the fast path for the
    /// common case.
    #[inline(always)]
    pub(crate) fn whole_message<'b>(&self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, InvalidUtf8> {
        debug_assert!(self.takes_whole_messages() && !self.is_in_message());
        match self.decoder.whole_message::<false>(input, self.max_message_size) {
            None => Ok(None),
            Some((kind, data)) => borrow(kind, data).map(Some),
        }
    }

    /// Returns at least how many bytes are missing in `input` for
    /// [`whole_message`](Self::whole_message) to take it; `None` if it takes it now or never will.
    pub(crate) fn missing_bytes(&self, input: &[u8]) -> Option<u64> {
        self.decoder.missing_bytes(input, self.max_message_size)
    }

    /// Returns how many bytes of payload are missing in the frame in progress.
    pub(crate) const fn missing_bytes_of_frame(&self) -> u64 {
        self.decoder.payload().remaining()
    }

    /// The next event; `None` means that `input` is empty.
    pub(crate) fn receive<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        debug_assert!(self.is_in_message() || !(self.assembler.is_assembling() || self.compressed.in_message()));
        if let Some(violation) = self.pending {
            return Err(self.limits.error(violation));
        }
        loop {
            if !self.decoder.is_in_payload() {
                match self.decoder.header(input)? {
                    Some(header) => self.begin_frame(&header)?,
                    None => return Ok(None),
                }
            }
            let result = if self.decoder.is_in_control_frame() {
                self.control_piece(input)
            } else if self.compressed.in_message() {
                self.inflate(input)
            } else if self.delivery == Delivery::Messages {
                self.piece(input)
            } else {
                self.chunk(input)
            };
            match result {
                Ok(None) if input.is_empty() => return Ok(None),
                Ok(None) => {}
                result => return result,
            }
        }
    }

    fn begin_frame(&mut self, header: &Header) -> Result<(), ProtocolError> {
        let kind = match header.opcode {
            Opcode::Text => Some(MessageKind::Text),
            Opcode::Binary => Some(MessageKind::Binary),
            Opcode::Continuation => None,
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(()),
        };
        if kind.is_some() {
            self.limits.size = self.max_message_size;
        }
        let own_bits = self.decoder.own_bits();
        if !own_bits.is_empty() {
            let set = header.reserved.intersection(own_bits);
            self.reserved = match (self.delivery, kind) {
                (Delivery::Messages, None) => self.reserved.union(set),
                _ => set,
            };
        }
        // Of a compressed message, the inflated bytes count instead.
        let is_compressed = self.compressed.begin_frame(header, self.limits)?;
        let len = if is_compressed { 0 } else { header.len };
        self.assembler.begin_frame(kind, len, self.limits)
    }

    /// Payload of a message that is assembled.
    fn piece<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        let Some(piece) = self.decoder.piece(input, usize::MAX) else {
            return Ok(None);
        };
        let ends_message = !self.is_in_message();
        // It is the whole message unless something of that came before.
        if ends_message && self.assembler.is_whole(piece.data.len()) {
            return Ok(borrow(self.assembler.kind(), piece.unmask()).map(Some)?);
        }
        self.assembler
            .append_masked(piece.data, piece.mask, self.decoder.payload().remaining())?;
        if ends_message {
            return self.assembler.finish().map(|message| Some(message.into()));
        }
        if !self.takes_fragments() {
            return Ok(None);
        }
        let message = self.receive_fragments(input)?;
        Ok(message.map(Event::from))
    }

    /// Payload of a control frame.
    fn control_piece<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        let Some(piece) = self.decoder.piece(input, usize::MAX) else {
            return Ok(None);
        };
        let ends_frame = piece.ends_frame;
        let data = piece.unmask();
        let payload = if ends_frame && self.control.is_empty() {
            Cow::Borrowed(&*data)
        } else {
            self.control.extend_from_slice(data);
            if !ends_frame {
                return Ok(None);
            }
            Cow::Owned(mem::take(&mut self.control))
        };
        Ok(Some(match self.decoder.opcode() {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                Event::Close(CloseFrame::decode(payload)?)
            }
        }))
    }

    /// How many bytes of the message in progress are assembled.
    pub(crate) fn assembled_len(&self) -> usize {
        self.assembler.len()
    }

    /// Keeps the allocation of an event for the next message.
    pub(crate) fn recycle(&mut self, event: Event<'_>) {
        match event {
            Event::Text(Cow::Owned(text)) => self.assembler.recycle(text.into_bytes()),
            Event::Binary(Cow::Owned(data)) => self.assembler.recycle(data),
            _ => {}
        }
    }

    /// Returns whether something was taken that another engine cannot receive: bytes that are
    /// invalid and not reported yet, or a part of a compressed message.
    pub(crate) fn is_lossy(&self) -> bool {
        self.pending.is_some() || self.compressed.is_lossy()
    }

    /// What was taken and not reported: the message and the control frame in progress, each as a
    /// frame that says the same, and the beginning of a header. Nothing of a compressed message.
    pub(crate) fn into_unread(self) -> Vec<u8> {
        let mut unread = Vec::new();
        let decoder = &self.decoder;
        let remaining = decoder.payload().remaining();
        if self.is_in_message() && !self.compressed.in_message() {
            let (remaining, fin) = match self.is_in_data_frame() {
                true => (remaining, decoder.is_in_last_frame()),
                false => (0, false),
            };
            let opcode = self.assembler.opcode_of_unread(remaining);
            let reserved = self.reserved;
            let assembled = self.assembler.into_assembled();
            if wire::overflows(assembled.len() as u64 + remaining) {
                // Together they are longer than a frame can be.
                let first = FirstByte::new(opcode, false).with_reserved(reserved);
                decoder.write_frame(first, assembled, 0, &mut unread);
                let first = FirstByte::new(Opcode::Continuation, fin).with_reserved(reserved);
                decoder.write_frame(first, Vec::new(), remaining, &mut unread);
            } else {
                let first = FirstByte::new(opcode, fin).with_reserved(reserved);
                decoder.write_frame(first, assembled, remaining, &mut unread);
            }
        }
        if decoder.is_in_control_frame() {
            decoder.write_frame(
                FirstByte::new(decoder.opcode(), true),
                self.control,
                remaining,
                &mut unread,
            );
        }
        unread.extend_from_slice(decoder.stashed());
        unread
    }
}

#[inline(always)]
fn borrow(kind: MessageKind, data: &[u8]) -> Result<Event<'_>, InvalidUtf8> {
    match kind {
        MessageKind::Binary => Ok(Event::Binary(Cow::Borrowed(data))),
        MessageKind::Text => match utf8::validate(data) {
            Ok(text) => Ok(Event::Text(Cow::Borrowed(text))),
            Err(_) => Err(InvalidUtf8),
        },
    }
}
