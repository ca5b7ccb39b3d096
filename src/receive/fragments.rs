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

#[cfg(test)]
mod tests {
    use super::Receiver;
    use crate::{config::Config, message::Message, role::Role};

    /// A receiver that has received `bytes` of an unfinished message.
    fn after(bytes: &[u8]) -> Receiver {
        let mut receiver = Receiver::new(Role::Client, &Config::new());
        let mut bytes = bytes.to_vec();
        assert_eq!(receiver.receive(&mut &mut bytes[..]), Ok(None));
        receiver
    }

    /// The fast path is taken between the fragments of a message of which bytes have come.
    #[test]
    fn fragments_are_taken_between_fragments() {
        assert!(after(b"\x01\x01a").takes_fragments());
        assert!(after(b"\x02\x01a\x00\x01b").takes_fragments());
        for bytes in [&b"\x01\x00"[..], b"\x01\x02a", b"\x01\x01a\x00", b"\x01\x01a\x00\x02b"] {
            assert!(!after(bytes).takes_fragments(), "{bytes:?}");
        }
        let mut receiver = after(b"\x01\x01a");
        receiver.disable_fast_paths();
        assert!(!receiver.takes_fragments());
    }

    /// It takes all fragments in the input, up to the end of the message.
    #[test]
    fn all_fragments_are_taken() {
        let mut receiver = after(b"\x01\x01a");
        let mut bytes = *b"\x00\x01b\x00\x01c\x80\x01d\x89\x00";
        let mut input = &mut bytes[..];
        let message = receiver.receive_fragments(&mut input);
        assert_eq!(message, Ok(Some(Message::Text("abcd".into()))));
        assert_eq!(input, b"\x89\x00");
    }
}
