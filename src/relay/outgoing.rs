//! What a relay sends to one side: frames one after the other, never inside one another.

use alloc::vec::Vec;

use crate::{
    copy,
    frame::{
        header::Header,
        opcode::Opcode,
        payload::Piece,
        wire::{self, FirstByte},
    },
    mask::{self, keys::MaskKeys},
};

/// What a relay sends to one side.
pub(super) struct Outgoing {
    /// For the frames that the server gets; a client gets none masked.
    keys: Option<MaskKeys>,
    /// The frame of a message that is being forwarded, of which payload is missing.
    frame: Option<Forwarded>,
    /// A Pong that waits for the end of that frame. Only the last one is kept: "an endpoint MAY
    /// elect to send a Pong frame for only the most recently processed Ping frame" (RFC 6455,
    /// section 5.5.3).
    pong: Option<Vec<u8>>,
    /// The body of a Close frame that waits for the end of that frame.
    close: Option<Vec<u8>>,
    /// A Close frame was sent, or waits. After it, nothing is sent but answers to Pings.
    is_closing: bool,
}

#[derive(Clone, Copy, Debug)]
enum Forwarded {
    /// With the key that the next byte of payload is masked with.
    Sent { key: Option<[u8; 4]> },
    /// The Close frame was sent before it.
    Discarded,
}

impl Outgoing {
    pub(super) const fn new(keys: Option<MaskKeys>) -> Self {
        Self {
            keys,
            frame: None,
            pong: None,
            close: None,
            is_closing: false,
        }
    }

    /// Whether a Close frame was sent, or waits for the end of a frame.
    pub(super) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Whether nothing is left to be sent.
    pub(super) const fn has_closed(&self) -> bool {
        self.is_closing && self.close.is_none()
    }

    /// Whether payload is missing of a frame that is being forwarded.
    pub(super) const fn is_in_frame(&self) -> bool {
        matches!(self.frame, Some(Forwarded::Sent { .. }))
    }

    /// Begins the frame of a message.
    pub(super) fn begin_frame(&mut self, header: &Header, out: &mut Vec<u8>) {
        debug_assert!(self.frame.is_none());
        if self.is_closing {
            self.frame = Some(Forwarded::Discarded);
            return;
        }
        let key = self.write_header(header.first_byte(), header.len, out);
        self.frame = Some(Forwarded::Sent { key });
    }

    /// Forwards the next piece of the frame's payload. What it is masked with, and what it will be
    /// masked with, is applied in one pass.
    pub(super) fn forward(&mut self, piece: &Piece<'_>, out: &mut Vec<u8>) {
        if let Some(Forwarded::Sent { key }) = &mut self.frame {
            append(piece.data, piece.mask, *key, out);
            *key = key.map(|key| mask::rotated(key, piece.data.len()));
        }
        if piece.ends_frame {
            self.end_frame(out);
        }
    }

    /// Sends what has waited for the end of the frame.
    fn end_frame(&mut self, out: &mut Vec<u8>) {
        self.frame = None;
        if let Some(payload) = self.pong.take() {
            self.control(Opcode::Pong, &payload, out);
        }
        if let Some(body) = self.close.take() {
            self.control(Opcode::Close, &body, out);
        }
    }

    /// Sends a Ping or a Pong of the other side, unless the Close frame was sent. It cannot be
    /// inside a frame: they come one after the other.
    pub(super) fn pass_on(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        if !self.is_closing {
            self.control(opcode, payload, out);
        }
    }

    /// Answers a Ping, as soon as no frame is in progress.
    pub(super) fn answer(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if self.is_in_frame() {
            self.pong = Some(payload.to_vec());
        } else {
            self.control(Opcode::Pong, payload, out);
        }
    }

    /// Sends a Close frame, as soon as no frame is in progress; nothing, if one was sent or waits.
    pub(super) fn close(&mut self, body: &[u8], out: &mut Vec<u8>) {
        if self.is_closing {
            return;
        }
        self.is_closing = true;
        if self.is_in_frame() {
            self.close = Some(body.to_vec());
        } else {
            self.control(Opcode::Close, body, out);
        }
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        let key = self.write_header(FirstByte::new(opcode, true), payload.len() as u64, out);
        append(payload, None, key, out);
    }

    /// Appends a header. Returns the key that the payload is masked with.
    fn write_header(&mut self, first: FirstByte, len: u64, out: &mut Vec<u8>) -> Option<[u8; 4]> {
        let key = self.keys.as_mut().map(MaskKeys::next_key);
        wire::append(first, key, len, out);
        key
    }
}

/// Appends payload that is masked with one key, masked with another.
fn append(data: &[u8], from: Option<[u8; 4]>, to: Option<[u8; 4]>, out: &mut Vec<u8>) {
    match (from, to) {
        (None, None) => copy::append(data, out),
        (Some(key), None) | (None, Some(key)) => mask::append(data, key, out),
        (Some(from), Some(to)) => {
            let both = u32::from_ne_bytes(from) ^ u32::from_ne_bytes(to);
            mask::append(data, both.to_ne_bytes(), out);
        }
    }
}
