//! The deflater: plain payload to compressed.

use alloc::vec::Vec;

use super::{
    backend::Deflate,
    params::{DirectionParams, TAIL},
    progress::Flush,
};

/// The deflater of one direction. It allocates nothing before the first compressed message.
pub(crate) struct Deflater {
    params: DirectionParams,
    state: Option<DeflateState>,
    /// A message is in progress.
    in_message: bool,
    /// How many bytes were deflated since the last full flush or reset: a match can refer to no
    /// more.
    reach: usize,
}

/// The working state of a deflater.
pub(crate) struct DeflateState {
    deflate: Deflate,
    /// The output of the last call.
    output: Vec<u8>,
}

impl Deflater {
    pub(crate) const fn new(params: DirectionParams) -> Self {
        Self {
            params,
            state: None,
            in_message: false,
            reach: 0,
        }
    }

    /// Deflates a message that refers to nothing before it, and returns the payload to send.
    ///
    /// Never inlined, because the construction of the state takes 64 KiB of the stack.
    #[inline(never)]
    pub(crate) fn deflate_alone(params: DirectionParams, data: &[u8]) -> Vec<u8> {
        Self::new(params).deflate(data, true).to_vec()
    }

    /// Deflates a piece of a message and returns the payload to send for it: without the tail for
    /// the last piece, with it for the others (RFC 7692, section 7.2.1).
    pub(crate) fn deflate(&mut self, data: &[u8], last: bool) -> &[u8] {
        self.in_message = true;
        let DeflateState { deflate, output } = self.state.get_or_insert_with(|| DeflateState {
            deflate: Deflate::new(self.params),
            output: Vec::new(),
        });
        output.clear();
        if Deflate::keeps_to_window(self.params) {
            self.reach = self.reach.saturating_add(data.len());
            deflate.run(data, output, Flush::Sync);
        } else {
            let window = 1 << self.params.bits;
            let mut rest = data;
            // No match refers to data before the last full flush.
            while rest.len() > window - self.reach {
                let (piece, after) = rest.split_at(window - self.reach);
                deflate.run(piece, output, Flush::Full);
                self.reach = 0;
                rest = after;
            }
            self.reach += rest.len();
            deflate.run(rest, output, Flush::Sync);
        }
        if last && output.is_empty() {
            // No input since the last flush: an empty stored block, whose lengths are the tail
            // (section 7.2.3.6).
            output.push(0x00);
        } else if last {
            debug_assert!(output.ends_with(&TAIL), "a sync flush ends with an empty stored block");
            output.truncate(output.len().saturating_sub(TAIL.len()));
        }
        output
    }

    /// Ends the message and keeps what the next one needs. If it was not `sent`, the next one must
    /// not refer to it.
    pub(crate) fn end_message(&mut self, sent: bool) {
        self.in_message = false;
        let forgets = !sent || !self.params.takeover;
        if let Some(state) = &mut self.state {
            if self.params.release && (forgets || !state.deflate.release()) {
                self.state = None;
                self.reach = 0;
            } else if forgets {
                state.deflate.reset();
                self.reach = 0;
            }
        }
        if let Some(state) = &mut self.state {
            if state.output.capacity() > self.params.max_output_kept() {
                state.output = Vec::new();
            }
        }
    }

    /// Takes the working state, if the next message does not need it.
    pub(crate) fn take_state(&mut self) -> Option<DeflateState> {
        if self.params.takeover || self.in_message {
            return None;
        }
        self.state.take()
    }

    /// Sets the working state, which has been reset, if there is none.
    pub(crate) fn set_state(&mut self, state: DeflateState) {
        self.state.get_or_insert(state);
    }

    /// Whether what is deflated next may refer to something before it.
    pub(crate) const fn has_history(&self) -> bool {
        self.reach > 0
    }

    pub(crate) const fn has_state(&self) -> bool {
        self.state.is_some()
    }

    pub(crate) const fn is_in_message(&self) -> bool {
        self.in_message
    }
}
