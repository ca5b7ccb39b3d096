//! The fast path for fragments of a message in progress that are whole in the input.

use super::Receiver;
use crate::{error::ProtocolError, message::Message};

impl Receiver {
    /// Whether the fast path for whole fragments may be taken after a piece of an uncompressed
    /// message that is in progress: a header comes next.
    pub(crate) fn takes_fragments(&self) -> bool {
        debug_assert!(self.is_in_message() && !self.compressed.in_message());
        self.fast_paths
            && self.decoder.is_between_frames()
            && self.assembler.is_assembling()
            && self.own_bits().is_empty()
    }

    /// Takes fragments until the message ends, which it returns, or something else is next. A
    /// fragment that the limits do not permit is not taken: the general path finds it.
    #[inline(never)]
    pub(super) fn receive_fragments(
        &mut self,
        input: &mut &mut [u8],
    ) -> Result<Option<Message<'static>>, ProtocolError> {
        debug_assert!(self.takes_fragments());
        loop {
            let Some(max) = self.assembler.max_fragment(self.limits) else {
                return Ok(None);
            };
            let Some((data, mask)) = self.decoder.whole_fragment(input, max) else {
                return Ok(None);
            };
            self.assembler.begin_frame(None, data.len() as u64, self.limits)?;
            self.assembler.append_masked(data, mask, 0)?;
            if !self.is_in_message() {
                return self.assembler.finish().map(Some);
            }
        }
    }
}
