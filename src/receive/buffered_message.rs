//! A message that stays in the buffer of the caller until it is complete.

use super::{Receiver, borrow};
use crate::{
    event::Event,
    frame::{header::Header, payload::unmask},
    mask,
    message::MessageKind,
    utf8::{InvalidUtf8, Validator},
};

/// A text that is not ASCII, and of which more bytes have arrived, is assembled: it would be
/// validated twice in the buffer, when it arrives and as a whole.
const SHORT_TEXT: usize = 1024;

/// Fewer bytes of a binary message are not unmasked before more have arrived. That many are still
/// in the L1 cache.
const MIN_PART: usize = 8 << 10;

/// The message at the front of a buffer, in one frame, of which bytes are missing. Its payload is
/// unmasked and validated in place, as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct BufferedMessage {
    header: Header,
    header_len: usize,
    kind: MessageKind,
    /// The length of the frame, with its header.
    frame_len: usize,
    /// The limit on the size of the message, which it began with.
    limit: u64,
    /// The end of the payload that is unmasked.
    processed: usize,
    is_ascii: bool,
    utf8: Validator,
}

/// What became of a message whose next bytes have arrived.
pub(crate) enum BufferedProgress {
    /// Bytes are missing.
    Incomplete,
    /// All of it is in the buffer.
    Complete,
    /// It would be slow to borrow it: the connection should assemble it.
    Unsuitable,
}

impl BufferedMessage {
    /// Returns the length of the frame, with its header.
    pub(crate) const fn frame_len(&self) -> usize {
        self.frame_len
    }

    /// Returns the limit on the size of the message.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns the length of the frame, with its header, that has to arrive before
    /// [`advance`](Self::advance) has work: text fails at once if it is not valid.
    pub(crate) fn wanted(&self) -> usize {
        let part = match self.kind {
            MessageKind::Text => 1,
            MessageKind::Binary => MIN_PART,
        };
        self.frame_len.min(self.processed.saturating_add(part))
    }

    /// Whether it is text that is not masked. (What unmasks text looks for ASCII in the same pass.)
    pub(crate) fn is_unmasked_text(&self) -> bool {
        self.kind == MessageKind::Text && self.header.mask.is_none()
    }

    /// Takes what has arrived. `input` begins with the header. If `is_room_full`, more has probably
    /// arrived already.
    pub(crate) fn advance(&mut self, input: &mut [u8], is_room_full: bool) -> Result<BufferedProgress, InvalidUtf8> {
        if input.len() < self.wanted() {
            return Ok(BufferedProgress::Incomplete);
        }
        let end = input.len().min(self.frame_len);
        let is_complete = end == self.frame_len;
        // Validation in pieces is a pass of its own here. It is for the time of waiting.
        if is_room_full && !is_complete && self.is_unmasked_text() {
            return Ok(BufferedProgress::Incomplete);
        }
        let arrived = input.get_mut(self.processed..end).unwrap_or_default();
        let start = self.processed - self.header_len;
        self.processed = end;
        let key = self.header.mask.map(|key| mask::rotated(key, start));
        if is_complete || self.kind == MessageKind::Binary {
            unmask(arrived, key);
            return Ok(if is_complete {
                BufferedProgress::Complete
            } else {
                BufferedProgress::Incomplete
            });
        }
        // ASCII is valid wherever it is cut.
        if mask::apply_and_check_ascii(arrived, key) && self.is_ascii {
            return Ok(BufferedProgress::Incomplete);
        }
        self.is_ascii = false;
        if end - self.header_len > SHORT_TEXT {
            return Ok(BufferedProgress::Unsuitable);
        }
        self.utf8.push(arrived).result?;
        Ok(BufferedProgress::Incomplete)
    }

    /// Masks again what is unmasked. Then `input` is what was received.
    pub(crate) fn restore(&self, input: &mut [u8]) {
        if let (Some(key), Some(processed)) = (self.header.mask, input.get_mut(self.header_len..self.processed)) {
            mask::apply(processed, key);
        }
    }

    /// Returns the message, which is complete. `input` begins with it.
    pub(crate) fn event<'b>(&self, input: &'b [u8]) -> Result<Event<'b>, InvalidUtf8> {
        debug_assert!(input.len() >= self.frame_len && self.processed == self.frame_len);
        let payload = input.get(self.header_len..self.frame_len);
        borrow(self.kind, payload.unwrap_or_default())
    }
}

impl Receiver {
    /// The payload of the message that is whole at the front of `input`, if the fast path takes it.
    /// Text is not validated.
    #[inline(always)]
    pub(crate) fn whole_payload<'b>(&self, input: &mut &'b mut [u8]) -> Option<(MessageKind, &'b mut [u8])> {
        self.decoder.whole_message::<false>(input, self.max_message_size)
    }

    /// The incomplete message at the front of `input`, if it is in one frame and not compressed,
    /// and its header is complete.
    pub(crate) fn buffered_message(&self, input: &[u8]) -> Option<BufferedMessage> {
        let (kind, header, header_len) = self.decoder.message_header(input, self.max_message_size)?;
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        Some(BufferedMessage {
            header,
            header_len,
            kind,
            frame_len: len.saturating_add(header_len),
            limit: self.max_message_size,
            processed: header_len,
            is_ascii: true,
            utf8: Validator::new(),
        })
    }
}
