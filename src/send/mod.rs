//! The send half: commands to bytes. It knows nothing of the receive half and of the closing handshake.

#[cfg(feature = "deflate")]
mod compressed;
mod straight;

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroUsize;

use crate::{
    close::{CloseCode, CloseFrame},
    error::SendError,
    frame::{Header, Kind, Opcode},
    keys::Keys,
    mask,
    utf8::Validator,
};

/// What of a header is known before its payload is at hand.
///
/// Not a [`Header`]: that is built where it is written, in registers, and not handed from call to call through memory.
#[derive(Clone, Copy)]
struct Start {
    opcode: Opcode,
    fin: bool,
    rsv1: bool,
}

impl Start {
    /// The first byte of the header.
    #[inline]
    const fn bits(self) -> u8 {
        let fin = if self.fin { 0x80 } else { 0 };
        let rsv1 = if self.rsv1 { 0x40 } else { 0 };
        fin | rsv1 | self.opcode.bits()
    }

    const fn new(opcode: Opcode, fin: bool) -> Self {
        Self {
            opcode,
            fin,
            rsv1: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Sender {
    /// Every whole message is one plain frame, as no message is in progress, none is cut, and compression is not agreed. False
    /// is only slow.
    is_straight: bool,
    /// A client's mask keys; a server has none and never masks (RFC 6455, section 5.1).
    keys: Option<Box<Keys>>,
    fragment_size: Option<NonZeroUsize>,
    /// The kind of the fragmented message in progress.
    message: Option<Kind>,
    utf8: Validator,
    #[cfg(feature = "deflate")]
    compressed: compressed::Compressed,
}

impl Sender {
    pub(crate) const fn new(keys: Option<Box<Keys>>, fragment_size: Option<NonZeroUsize>) -> Self {
        Self {
            is_straight: fragment_size.is_none(),
            keys,
            fragment_size,
            message: None,
            utf8: Validator::new(),
            #[cfg(feature = "deflate")]
            compressed: compressed::Compressed::new(),
        }
    }

    pub(crate) const fn is_client(&self) -> bool {
        self.keys.is_some()
    }

    /// A whole message.
    #[inline(always)]
    pub(crate) fn message(&mut self, kind: Kind, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        if !self.is_straight || !straight::fits(data, out) {
            return self.any_message(kind, data, out);
        }
        self.straight_frame(Start::new(kind.into(), true), data, out);
        Ok(())
    }

    /// A whole message of any kind: refused, compressed, cut into frames of the configured size, long, or without room.
    #[inline(never)]
    fn any_message(&mut self, kind: Kind, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.check_between_messages()?;
        #[cfg(feature = "deflate")]
        if self.may_compress() && self.message_deflated(kind, data, out) {
            return Ok(());
        }
        self.frames(Start::new(kind.into(), true), data, out);
        Ok(())
    }

    /// Finds out about [`is_straight`](Self::is_straight); to be called behind every change of `message` and of what is agreed.
    const fn update_straight(&mut self) {
        #[cfg(feature = "deflate")]
        let may_compress = self.may_compress();
        #[cfg(not(feature = "deflate"))]
        let may_compress = false;
        self.is_straight = self.message.is_none() && self.fragment_size.is_none() && !may_compress;
    }

    /// A whole message; `first` is how its first frame starts, if there is but one.
    #[inline]
    fn frames(&mut self, first: Start, data: &[u8], out: &mut Vec<u8>) {
        match self.fragment_size {
            Some(size) if data.len() > size.get() => self.fragments(first, data, size.get(), out),
            _ => self.frame(first, data, out),
        }
    }

    #[inline(never)]
    fn fragments(&mut self, first: Start, data: &[u8], size: usize, out: &mut Vec<u8>) {
        let mut start = Start { fin: false, ..first };
        let mut rest = data;
        while let Some((piece, behind)) = rest.split_at_checked(size).filter(|(_, behind)| !behind.is_empty()) {
            self.frame(start, piece, out);
            start = Start::new(Opcode::Continuation, false);
            rest = behind;
        }
        self.frame(Start { fin: true, ..start }, rest, out);
    }

    /// One fragment of a message whose length is not known yet (section 5.4).
    pub(crate) fn fragment(&mut self, kind: Kind, data: &[u8], fin: bool, out: &mut Vec<u8>) -> Result<(), SendError> {
        let opcode = match self.message {
            None => kind.into(),
            Some(begun) if begun == kind => Opcode::Continuation,
            Some(_) => return Err(SendError::KindChanged),
        };
        if kind == Kind::Text {
            // On a copy, so that a refused fragment changes nothing.
            let mut utf8 = self.utf8;
            utf8.push(data).result.map_err(|_| SendError::InvalidUtf8)?;
            if fin {
                utf8.finish().map_err(|_| SendError::InvalidUtf8)?;
            }
            self.utf8 = utf8;
        }
        let begins = self.message.is_none();
        self.message = if fin { None } else { Some(kind) };
        self.update_straight();
        let start = Start::new(opcode, fin);
        #[cfg(feature = "deflate")]
        if self.fragment_deflated(start, begins, data, out) {
            return Ok(());
        }
        #[cfg(not(feature = "deflate"))]
        let _ = begins;
        self.frame(start, data, out);
        Ok(())
    }

    /// The header alone of an unfragmented message.
    pub(crate) fn header(&self, kind: Kind, len: u64, out: &mut Vec<u8>) -> Result<(), SendError> {
        if self.is_client() {
            return Err(SendError::MaskRequired);
        }
        if len >> 63 != 0 {
            return Err(SendError::PayloadTooLong);
        }
        self.check_between_messages()?;
        let mut buf = [0; Header::MAX_LEN];
        let used = Header::new(kind.into(), len).write(&mut buf);
        out.extend_from_slice(buf.get(..used).unwrap_or_default());
        Ok(())
    }

    /// A Ping or Pong (sections 5.5.2 and 5.5.3).
    pub(crate) fn control(&mut self, opcode: Opcode, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        if data.len() > Header::MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlFrameTooLong);
        }
        self.frame(Start::new(opcode, true), data, out);
        Ok(())
    }

    /// A Close frame (section 5.5.1).
    pub(crate) fn close(&mut self, frame: Option<&CloseFrame<'_>>, out: &mut Vec<u8>) -> Result<(), SendError> {
        let mut body = [0; Header::MAX_CONTROL_PAYLOAD];
        let mut used = 0;
        if let Some(CloseFrame { code, reason }) = frame {
            // "1010 ... is not used by the server" (section 7.4.1)
            if !code.is_valid_on_wire() || (*code == CloseCode::MANDATORY_EXTENSION && !self.is_client()) {
                return Err(SendError::InvalidCloseCode);
            }
            if reason.len() > CloseFrame::MAX_REASON {
                return Err(SendError::ReasonTooLong);
            }
            let bytes = u16::from(*code).to_be_bytes();
            for (slot, byte) in body.iter_mut().zip(bytes.iter().chain(reason.as_bytes())) {
                *slot = *byte;
                used += 1;
            }
        }
        self.frame(
            Start::new(Opcode::Close, true),
            body.get(..used).unwrap_or_default(),
            out,
        );
        Ok(())
    }

    /// "the fragments of one message MUST NOT be interleaved between the fragments of another" (section 5.4)
    const fn check_between_messages(&self) -> Result<(), SendError> {
        match self.message {
            None => Ok(()),
            Some(_) => Err(SendError::MessageInProgress),
        }
    }

    /// One frame.
    #[inline(never)]
    fn frame(&mut self, start: Start, data: &[u8], out: &mut Vec<u8>) {
        if straight::fits(data, out) {
            self.straight_frame(start, data, out);
        } else {
            self.any_frame(start, data, out);
        }
    }

    #[inline(always)]
    fn straight_frame(&mut self, start: Start, data: &[u8], out: &mut Vec<u8>) {
        match &mut self.keys {
            None => straight::unmasked(start.bits(), data, out),
            Some(keys) => straight::masked(start.bits(), data, keys.mask(), out),
        }
    }

    #[inline(never)]
    fn any_frame(&mut self, start: Start, data: &[u8], out: &mut Vec<u8>) {
        let mask = self.keys.as_mut().map(|keys| keys.mask());
        let header = Header {
            mask,
            fin: start.fin,
            rsv1: start.rsv1,
            ..Header::new(start.opcode, data.len() as u64)
        };
        let mut buf = [0; Header::MAX_LEN];
        let used = header.write(&mut buf);
        if out.capacity() - out.len() < used + data.len() {
            // For the longest header: the next frame of this length takes the straight line.
            out.reserve(buf.len() + data.len());
        }
        out.extend_from_slice(buf.get(..used).unwrap_or_default());
        match mask {
            None => out.extend_from_slice(data),
            Some(key) => mask::append(data, key, out),
        }
    }
}
