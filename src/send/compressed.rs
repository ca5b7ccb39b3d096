//! Sending compressed messages (RFC 7692, section 6.1).

use alloc::{boxed::Box, vec::Vec};

use super::Sender;
use crate::{
    deflate::{Deflater, DirectionParams},
    frame::wire::FirstByte,
    message::MessageKind,
};

/// What a sender needs for compressed messages.
pub(super) struct Compressed {
    /// Of permessage-deflate, if it was negotiated.
    params: Option<DirectionParams>,
    /// Messages of fewer bytes are not compressed.
    threshold: usize,
    /// The caller wants compression.
    enabled: bool,
    /// The fragmented message in progress is compressed.
    in_message: bool,
    /// Made for the first compressed message.
    deflater: Option<Box<Deflater>>,
}

impl Compressed {
    pub(super) const fn new() -> Self {
        Self {
            params: None,
            threshold: 0,
            enabled: true,
            in_message: false,
            deflater: None,
        }
    }

    /// Whether a message may be compressed.
    #[inline]
    pub(super) const fn is_negotiated(&self) -> bool {
        self.params.is_some()
    }

    /// Whether the fragmented message in progress is compressed.
    #[inline]
    pub(super) const fn is_in_message(&self) -> bool {
        self.in_message
    }

    /// The parameters, if a message of `len` bytes, or of which so many are known, is compressed.
    #[inline]
    fn params_of(&self, len: usize) -> Option<DirectionParams> {
        let params = self.params.filter(|params| params.compresses())?;
        (self.enabled && len >= self.threshold).then_some(params)
    }

    /// Whether a message of `len` bytes is compressed, if that makes it smaller.
    #[cfg(feature = "std")]
    pub(super) fn compresses(&self, len: usize) -> bool {
        self.params_of(len).is_some()
    }

    /// The parameters, if a message of `len` bytes that was compressed elsewhere, with an empty
    /// window, may be sent.
    ///
    /// It always may without context takeover. With it, the next message may refer to the last
    /// compressed one (RFC 7692, section 7.2.1): the deflater does so, and if it has compressed
    /// something, nothing may come between that and what it compresses next.
    #[inline]
    pub(super) fn params_of_prepared(&self, len: usize) -> Option<DirectionParams> {
        let params = self.params_of(len)?;
        let has_history = self.deflater.as_ref().is_some_and(|deflater| deflater.has_history());
        (!has_history).then_some(params)
    }

    /// Whether this and the deflater agree with the sender about the message in progress.
    pub(super) fn agrees(&self, is_in_message: bool) -> bool {
        let deflater = self.deflater.as_ref();
        self.in_message == deflater.is_some_and(|deflater| deflater.is_in_message())
            && (is_in_message || !self.in_message)
    }

    /// Takes the deflater for a message of at least `len` bytes out of its place, if the message is
    /// to be compressed.
    fn take_deflater(&mut self, len: usize) -> Option<Box<Deflater>> {
        let params = self.params_of(len)?;
        let deflater = self.deflater.take();
        Some(deflater.unwrap_or_else(|| Box::new(Deflater::new(params))))
    }
}

impl Sender {
    /// Permits compressed messages, of at least `threshold` bytes.
    pub(crate) const fn allow_compressed(&mut self, params: DirectionParams, threshold: usize) {
        self.compressed.params = Some(params);
        self.compressed.threshold = threshold;
        self.update_path();
    }

    /// Sends a whole message compressed, if that is wanted and makes it smaller; returns whether it
    /// did.
    ///
    /// Never inlined: the construction of a deflater takes 64 KiB of the stack, which would be
    /// touched for every message.
    #[inline(never)]
    pub(super) fn message_deflated(&mut self, kind: MessageKind, data: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(mut deflater) = self.compressed.take_deflater(data.len()) else {
            return false;
        };
        let payload = deflater.deflate(data, true);
        let smaller = payload.len() < data.len();
        if smaller {
            self.frames(FirstByte::new(kind.opcode(), true).with_rsv1(), payload, out);
        }
        // Otherwise it goes out as it is, and the peer's window will not know of it.
        deflater.end_message(smaller);
        self.compressed.deflater = Some(deflater);
        smaller
    }

    /// Sends a fragment compressed, if its message is; returns whether it did. The first fragment
    /// decides.
    pub(super) fn fragment_deflated(&mut self, first: FirstByte, begins: bool, data: &[u8], out: &mut Vec<u8>) -> bool {
        let deflater = if begins {
            // More of a message in progress is to come than is known.
            let known = if first.fin() { data.len() } else { usize::MAX };
            self.compressed.take_deflater(known)
        } else if self.compressed.in_message {
            self.compressed.deflater.take()
        } else {
            None
        };
        let Some(mut deflater) = deflater else {
            return false;
        };
        let first = if begins { first.with_rsv1() } else { first };
        self.frame(first, deflater.deflate(data, first.fin()), out);
        if first.fin() {
            deflater.end_message(true);
        }
        self.compressed.in_message = !first.fin();
        self.compressed.deflater = Some(deflater);
        true
    }
}

#[cfg(feature = "deflate")]
impl Sender {
    /// Whether messages are compressed from now on, if that was negotiated.
    pub(crate) const fn set_compression(&mut self, enabled: bool) {
        self.compressed.enabled = enabled;
    }

    /// Whether messages are compressed, if that was negotiated.
    #[cfg(feature = "recording")]
    pub(crate) const fn is_compression_enabled(&self) -> bool {
        self.compressed.enabled
    }

    /// Takes working state from the pool, if messages may be compressed and there is none.
    pub(crate) fn borrow_state(&mut self, pool: &mut crate::deflate::DeflatePool) {
        // With takeover, it would not come back.
        let Some(params) = self.compressed.params.filter(|params| params.forgets()) else {
            return;
        };
        let deflater = self.compressed.deflater.as_ref();
        if deflater.is_some_and(|deflater| deflater.has_state()) {
            return;
        }
        if let Some(state) = pool.take_deflater_state(params) {
            let deflater = self
                .compressed
                .deflater
                .get_or_insert_with(|| Box::new(Deflater::new(params)));
            deflater.set_state(state);
        }
    }

    /// Gives working state to the pool, if the next message does not need it.
    pub(crate) fn return_state(&mut self, pool: &mut crate::deflate::DeflatePool) {
        if let (Some(params), Some(deflater)) = (self.compressed.params, &mut self.compressed.deflater) {
            pool.keep_deflater_state(params, deflater);
        }
    }
}
