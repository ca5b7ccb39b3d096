//! The send half: commands to bytes. It knows nothing of the receive half and of the closing
//! handshake.

mod compressed;
mod fast_path;
mod in_place;
mod prepared;

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroUsize;

pub use self::prepared::PreparedMessage;
use crate::{
    close::CloseFrame,
    config::Config,
    copy,
    error::SendError,
    frame::{
        ReservedBits,
        header::Header,
        opcode::Opcode,
        payload::Mask,
        wire::{self, FirstByte},
    },
    mask::{self, keys::MaskKeys},
    message::MessageKind,
    role::Role,
    utf8::Validator,
};

// What a whole message touches comes last: see `Connection`.
#[repr(C)]
pub(crate) struct Sender {
    fragment_size: Option<NonZeroUsize>,
    compressed: compressed::Compressed,
    utf8: Validator,
    /// The kind of the fragmented message in progress.
    message: Option<MessageKind>,
    /// Off only in tests, which compare the fast path with the general one.
    fast_paths: bool,
    /// What [`takes_fast_path`](Self::takes_fast_path) says; computed after every change of what it
    /// depends on.
    is_fast: bool,
    /// A client's mask keys; a server has none and never masks (RFC 6455, section 5.1).
    keys: Option<Box<MaskKeys>>,
}

impl Sender {
    /// The first and the last byte of what sending a whole message touches.
    #[cfg(test)]
    pub(crate) const TOUCHED: [usize; 2] = [
        core::mem::offset_of!(Self, is_fast),
        core::mem::offset_of!(Self, keys) + 7,
    ];

    pub(crate) fn new(keys: Option<Box<MaskKeys>>, fragment_size: Option<NonZeroUsize>) -> Self {
        let mut sender = Self {
            is_fast: false,
            fast_paths: true,
            keys,
            fragment_size,
            message: None,
            utf8: Validator::new(),
            compressed: compressed::Compressed::new(),
        };
        sender.update_path();
        sender
    }

    /// Replaces the settings, before anything is sent.
    pub(crate) const fn configure(&mut self, config: &Config) {
        self.fragment_size = config.fragment_size;
        self.update_path();
    }

    pub(crate) const fn role(&self) -> Role {
        match self.keys {
            Some(_) => Role::Client,
            None => Role::Server,
        }
    }

    #[cfg(feature = "std")]
    pub(crate) const fn fragments_messages(&self) -> bool {
        self.fragment_size.is_some()
    }

    pub(crate) fn disable_fast_paths(&mut self) {
        self.fast_paths = false;
        self.update_path();
    }

    /// Whether every whole message is one plain frame: no message is in progress, none is
    /// fragmented by size, and compression is not negotiated.
    pub(crate) const fn takes_fast_path(&self) -> bool {
        self.fast_paths && !self.is_in_message() && self.fragment_size.is_none() && !self.compressed.is_negotiated()
    }

    /// To be called after every change of what [`takes_fast_path`](Self::takes_fast_path) depends
    /// on.
    const fn update_path(&mut self) {
        self.is_fast = self.takes_fast_path();
    }

    /// Whether a fragmented message is in progress.
    pub(crate) const fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// A whole message.
    #[inline(always)]
    pub(crate) fn message(&mut self, kind: MessageKind, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        debug_assert_eq!(
            self.is_fast,
            self.takes_fast_path(),
            "the path of the sender is not up to date"
        );
        if !self.is_fast || !fast_path::fits(data, out) {
            return self.any_message(kind, data, out);
        }
        self.fast_frame(FirstByte::new(kind.opcode(), true), data, out);
        Ok(())
    }

    /// A whole message of any kind: refused, compressed, fragmented by size, long, or without room
    /// in the output.
    #[inline(never)]
    fn any_message(&mut self, kind: MessageKind, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        debug_assert!(self.compressed.agrees(self.is_in_message()));
        self.check_between_messages()?;
        if self.compressed.is_negotiated() && self.message_deflated(kind, data, out) {
            return Ok(());
        }
        self.frames(FirstByte::new(kind.opcode(), true), data, out);
        Ok(())
    }

    /// A whole message; `first` is the first byte of its first frame, if there is but one.
    #[inline]
    fn frames(&mut self, first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
        match self.fragment_size {
            Some(size) if data.len() > size.get() => self.fragments(first, data, size.get(), out),
            _ => self.frame(first, data, out),
        }
    }

    #[inline(never)]
    fn fragments(&mut self, first: FirstByte, data: &[u8], size: usize, out: &mut Vec<u8>) {
        let mut first = first.with_fin(false);
        let mut rest = data;
        while let Some((piece, after)) = rest.split_at_checked(size).filter(|(_, after)| !after.is_empty()) {
            self.frame(first, piece, out);
            first = FirstByte::new(Opcode::Continuation, false);
            rest = after;
        }
        self.frame(first.with_fin(true), rest, out);
    }

    /// One fragment of a message whose length is not known yet (RFC 6455, section 5.4).
    pub(crate) fn fragment(
        &mut self,
        kind: MessageKind,
        data: &[u8],
        fin: bool,
        reserved: ReservedBits,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        debug_assert!(self.compressed.agrees(self.is_in_message()));
        let begins = !self.is_in_message();
        let opcode = self.next_fragment(kind, data, fin)?;
        let first = FirstByte::new(opcode, fin).with_reserved(reserved);
        if !self.fragment_deflated(first, begins, data, out) {
            self.frame(first, data, out);
        }
        Ok(())
    }

    /// Checks the next fragment of a message, and returns its opcode.
    #[inline]
    fn next_fragment(&mut self, kind: MessageKind, data: &[u8], fin: bool) -> Result<Opcode, SendError> {
        let opcode = match self.message {
            None => kind.opcode(),
            Some(begun) if begun == kind => Opcode::Continuation,
            Some(_) => return Err(SendError::KindChanged),
        };
        if kind == MessageKind::Text {
            // On a copy, so that a refused fragment changes nothing.
            let mut utf8 = self.utf8;
            utf8.push(data).result?;
            if fin {
                utf8.finish()?;
            }
            self.utf8 = utf8;
        }
        self.message = if fin { None } else { Some(kind) };
        self.update_path();
        Ok(opcode)
    }

    /// A Ping or Pong (RFC 6455, sections 5.5.2 and 5.5.3).
    pub(crate) fn control(&mut self, opcode: Opcode, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        if data.len() > Header::MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlFrameTooLong { len: data.len() });
        }
        self.frame(FirstByte::new(opcode, true), data, out);
        Ok(())
    }

    /// A Close frame (RFC 6455, section 5.5.1).
    pub(crate) fn close(&mut self, frame: Option<&CloseFrame<'_>>, out: &mut Vec<u8>) -> Result<(), SendError> {
        let mut buf = [0; Header::MAX_CONTROL_PAYLOAD];
        let body = CloseFrame::encode(frame, self.role(), &mut buf)?;
        self.frame(FirstByte::new(Opcode::Close, true), body, out);
        Ok(())
    }

    /// "the fragments of one message MUST NOT be interleaved between the fragments of another" (RFC
    /// 6455, section 5.4)
    pub(crate) const fn check_between_messages(&self) -> Result<(), SendError> {
        if self.is_in_message() {
            Err(SendError::MessageInProgress)
        } else {
            Ok(())
        }
    }

    /// Whether the fast path may be taken for a frame of any kind.
    #[inline(always)]
    pub(crate) fn takes_fast_frame(&self, data: &[u8], out: &Vec<u8>) -> bool {
        self.fast_paths && fast_path::fits(data, out)
    }

    /// One frame.
    #[inline(never)]
    fn frame(&mut self, first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
        if self.takes_fast_frame(data, out) {
            self.fast_frame(first, data, out);
        } else {
            self.any_frame(first, data, out);
        }
    }

    #[inline(always)]
    fn fast_frame(&mut self, first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
        match &mut self.keys {
            None => fast_path::unmasked(first, data, out),
            Some(keys) => fast_path::masked(first, data, keys.next_key(), out),
        }
    }

    #[inline(never)]
    fn any_frame(&mut self, first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
        let key = self.next_key();
        let mut buf = [0; Header::MAX_LEN];
        let used = wire::write(first, key, data.len() as u64, &mut buf);
        if out.capacity() - out.len() < used + data.len() {
            // For the longest header, so that the next frame of this length takes the fast path.
            out.reserve(buf.len() + data.len());
        }
        out.extend_from_slice(buf.get(..used).unwrap_or_default());
        match key {
            None => copy::append(data, out),
            Some(key) => mask::append(data, key, out),
        }
    }

    /// The key of the next frame of a client.
    #[inline]
    fn next_key(&mut self) -> Mask {
        self.keys.as_mut().map(|keys| keys.next_key())
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroUsize;

    use alloc::vec::Vec;

    use super::{Config, MessageKind, ReservedBits, Sender};

    /// The fast path is for messages in one frame, between messages.
    #[test]
    fn the_fast_path_is_taken_between_messages() {
        let mut sender = Sender::new(None, None);
        assert!(sender.is_fast);
        let mut out = Vec::new();
        for (fin, is_fast) in [(false, false), (true, true)] {
            sender
                .fragment(MessageKind::Text, b"a", fin, ReservedBits::NONE, &mut out)
                .unwrap();
            assert_eq!(sender.is_fast, is_fast);
        }
        sender.disable_fast_paths();
        assert!(!sender.is_fast && !sender.fast_paths);
        let mut sender = Sender::new(None, NonZeroUsize::new(10));
        assert!(!sender.is_fast);
        sender.configure(&Config::new());
        assert!(sender.is_fast);
    }

    #[cfg(feature = "std")]
    #[test]
    fn only_a_plain_frame_of_a_server_has_its_payload_as_it_is() {
        let server = Sender::new(None, None);
        assert!(server.sends_payload_as_it_is(10) && !server.fragments_messages());
        let server = Sender::new(None, NonZeroUsize::new(100));
        assert!(!server.sends_payload_as_it_is(10) && server.fragments_messages());
        let keys = alloc::boxed::Box::new(super::MaskKeys::new([1; 32]));
        assert!(!Sender::new(Some(keys), None).sends_payload_as_it_is(10));
    }
}
