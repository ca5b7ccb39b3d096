//! Sending compressed messages (RFC 7692, section 6.1).

use alloc::{boxed::Box, vec::Vec};

use super::{Sender, Start};
use crate::{
    deflate::{DeflatePool, Deflater, Direction},
    frame::Kind,
};

/// What a sender needs for compressed messages.
#[derive(Debug)]
pub(super) struct Compressed {
    /// permessage-deflate is agreed.
    agreed: Option<Direction>,
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
            agreed: None,
            threshold: 0,
            enabled: true,
            in_message: false,
            deflater: None,
        }
    }
}

impl Sender {
    /// Compressed messages may be sent.
    pub(crate) const fn allow_compressed(&mut self, direction: Direction, threshold: usize) {
        self.compressed.agreed = Some(direction);
        self.compressed.threshold = threshold;
        self.update_straight();
    }

    /// Whether messages are compressed from now on, if that is agreed.
    pub(crate) const fn set_compression(&mut self, enabled: bool) {
        self.compressed.enabled = enabled;
    }

    /// Takes working state from the pool, if messages may be compressed and there is none.
    pub(crate) fn borrow_state(&mut self, pool: &mut DeflatePool) {
        // With takeover, it would not come back.
        let Some(direction) = self.compressed.agreed.filter(|direction| !direction.takeover) else {
            return;
        };
        let deflater = self.compressed.deflater.as_ref();
        if deflater.is_some_and(|deflater| deflater.has_state()) {
            return;
        }
        if let Some(state) = pool.lend_deflater(direction) {
            let deflater = self
                .compressed
                .deflater
                .get_or_insert_with(|| Box::new(Deflater::new(direction)));
            deflater.put_state(state);
        }
    }

    /// Gives working state to the pool, if the next message does not need it.
    pub(crate) fn return_state(&mut self, pool: &mut DeflatePool) {
        if let (Some(direction), Some(deflater)) = (self.compressed.agreed, &mut self.compressed.deflater) {
            pool.reclaim_deflater(direction, deflater);
        }
    }

    /// Whether [`message_deflated`](Self::message_deflated) is worth a call.
    #[inline]
    pub(super) const fn may_compress(&self) -> bool {
        self.compressed.agreed.is_some()
    }

    /// The deflater for a message of `len` bytes, or of which so many are known, taken out of its place.
    fn take_deflater(&mut self, len: usize) -> Option<Box<Deflater>> {
        let direction = self.compressed.agreed?;
        if !self.compressed.enabled || len < self.compressed.threshold || direction.level == 0 {
            return None;
        }
        let deflater = self.compressed.deflater.take();
        Some(deflater.unwrap_or_else(|| Box::new(Deflater::new(direction))))
    }

    /// Sends a whole message compressed, if that is wanted and makes it smaller; whether it did.
    ///
    /// Never inlined: what the making of a deflater takes of the stack, 64 KiB, would be touched for every message.
    #[inline(never)]
    pub(super) fn message_deflated(&mut self, kind: Kind, data: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(mut deflater) = self.take_deflater(data.len()) else {
            return false;
        };
        let payload = deflater.deflate(data, true);
        let smaller = payload.len() < data.len();
        if smaller {
            // "Compress, then fragment": only the first frame has the bit (section 6.1).
            let first = Start {
                rsv1: true,
                ..Start::new(kind.into(), true)
            };
            self.frames(first, payload, out);
        }
        // Otherwise it goes out as it is, and the peer's window will not know of it.
        deflater.end_message(smaller);
        self.compressed.deflater = Some(deflater);
        smaller
    }

    /// Sends a fragment compressed, if its message is; whether it did. The first fragment decides.
    pub(super) fn fragment_deflated(&mut self, start: Start, begins: bool, data: &[u8], out: &mut Vec<u8>) -> bool {
        let deflater = if begins {
            // Of a message that goes on, more is to come than what is known.
            let known = if start.fin { data.len() } else { usize::MAX };
            self.take_deflater(known)
        } else if self.compressed.in_message {
            self.compressed.deflater.take()
        } else {
            None
        };
        let Some(mut deflater) = deflater else {
            return false;
        };
        let start = Start { rsv1: begins, ..start };
        self.frame(start, deflater.deflate(data, start.fin), out);
        if start.fin {
            deflater.end_message(true);
        }
        self.compressed.in_message = !start.fin;
        self.compressed.deflater = Some(deflater);
        true
    }
}
