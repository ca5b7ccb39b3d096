//! What a relay receives from one side, and the rules on it.

use alloc::vec::Vec;

use crate::{
    config::Config,
    error::ProtocolError,
    frame::{ReservedBits, decoder::Decoder, header::Header, opcode::Opcode, payload::Piece},
    message_limits::{Limits, MessageSize},
    role::Role,
};

/// What a relay receives from one side.
pub(super) struct Incoming {
    decoder: Decoder,
    limits: Limits,
    /// Of the message in progress.
    size: MessageSize,
    /// The payload of the control frame in progress.
    control: Vec<u8>,
    pub(super) has_closed: bool,
    /// The rule that the side has broken, or the end of its transport.
    pub(super) error: Option<ProtocolError>,
    /// The transport has ended.
    pub(super) has_ended: bool,
}

/// What comes next.
pub(super) enum Next<'b> {
    /// A frame of a message begins.
    Header(Header),
    /// The next piece of its payload, masked as it came.
    Piece(Piece<'b>),
    /// A control frame is complete.
    Control(Opcode, Vec<u8>),
}

impl Incoming {
    /// `role` is the end that the relay is for this side.
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            decoder: Decoder::new(role),
            limits: Limits::of(config),
            size: MessageSize::NONE,
            control: Vec::new(),
            has_closed: false,
            error: None,
            has_ended: false,
        }
    }

    pub(super) const fn allow_compressed(&mut self) {
        self.decoder.allow_compressed();
    }

    pub(super) const fn allow_reserved(&mut self, bits: ReservedBits) {
        self.decoder.allow_reserved(bits);
    }

    /// Takes what comes next off the front of `input`; `None` means that it is empty.
    pub(super) fn next<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Next<'b>>, ProtocolError> {
        loop {
            if !self.decoder.is_in_payload() {
                let Some(header) = self.decoder.header(input)? else {
                    return Ok(None);
                };
                if !header.opcode.is_control() {
                    let is_first = header.opcode != Opcode::Continuation;
                    self.size.add_frame(is_first, header.len, self.limits)?;
                    return Ok(Some(Next::Header(header)));
                }
            }
            let is_control = self.decoder.is_in_control_frame();
            let Some(piece) = self.decoder.piece(input, usize::MAX) else {
                return Ok(None);
            };
            if !is_control {
                return Ok(Some(Next::Piece(piece)));
            }
            let ends_frame = piece.ends_frame;
            self.control.extend_from_slice(piece.unmask());
            if ends_frame {
                let payload = core::mem::take(&mut self.control);
                return Ok(Some(Next::Control(self.decoder.opcode(), payload)));
            }
        }
    }
}
