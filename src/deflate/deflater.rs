//! Sending: plain payload to compressed.

use alloc::vec::Vec;
use core::fmt;

use super::{
    backend::Deflate,
    params::{DirectionParams, TAIL},
    progress::Flush,
};

/// A buffer that has grown beyond this, in bytes, is given back at the end of its message.
const OUTPUT_KEPT: usize = 64 << 10;

/// One direction's deflater. Nothing is allocated before the first compressed message.
pub(crate) struct Deflater {
    params: DirectionParams,
    state: Option<DeflateState>,
    /// A message was begun and not ended.
    begun: bool,
    /// How many bytes went in since everything was forgotten: what a match can refer to.
    reach: usize,
}

/// What a deflater needs while it works.
pub(crate) struct DeflateState {
    deflate: Deflate,
    /// What the last call put out.
    output: Vec<u8>,
}

impl Deflater {
    pub(crate) const fn new(params: DirectionParams) -> Self {
        Self {
            params,
            state: None,
            begun: false,
            reach: 0,
        }
    }

    /// Deflates a piece of a message and returns what to send for it: up to the tail for the last one (RFC 7692, section
    /// 7.2.1), with it for others.
    pub(crate) fn deflate(&mut self, data: &[u8], last: bool) -> &[u8] {
        self.begun = true;
        let DeflateState { deflate, output } = self.state.get_or_insert_with(|| DeflateState {
            deflate: Deflate::new(self.params.level, self.params.bits),
            output: Vec::new(),
        });
        output.clear();
        if Deflate::keeps_to(self.params.bits) {
            deflate.run(data, output, Flush::Sync);
        } else {
            let window = 1 << self.params.bits;
            let mut rest = data;
            // No match reaches further back than to the last time that everything was forgotten.
            while rest.len() > window - self.reach {
                let (piece, behind) = rest.split_at(window - self.reach);
                deflate.run(piece, output, Flush::Full);
                self.reach = 0;
                rest = behind;
            }
            self.reach += rest.len();
            deflate.run(rest, output, Flush::Sync);
        }
        if last && output.is_empty() {
            // Nothing new since the last flush: an empty stored block, whose lengths are the tail (section 7.2.3.6).
            output.push(0x00);
        } else if last {
            debug_assert!(output.ends_with(&TAIL), "a sync flush ends with an empty stored block");
            output.truncate(output.len().saturating_sub(TAIL.len()));
        }
        output
    }

    /// The message is over; keeps what the next one needs. If it was not sent, nothing may refer to it.
    pub(crate) fn end_message(&mut self, sent: bool) {
        self.begun = false;
        if self.params.release {
            self.state = None;
            self.reach = 0;
        } else if !sent || !self.params.takeover {
            if let Some(state) = &mut self.state {
                state.deflate.reset();
            }
            self.reach = 0;
        }
        if let Some(state) = &mut self.state {
            if state.output.capacity() > OUTPUT_KEPT {
                state.output = Vec::new();
            }
        }
    }

    /// The working state, if the next message does not need it.
    pub(crate) fn take_state(&mut self) -> Option<DeflateState> {
        if self.params.takeover || self.begun {
            return None;
        }
        self.state.take()
    }

    /// DeflateState state of another deflater, which has forgotten what it was used for; if this one has none.
    pub(crate) fn put_state(&mut self, state: DeflateState) {
        self.state.get_or_insert(state);
    }

    pub(crate) const fn has_state(&self) -> bool {
        self.state.is_some()
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}
