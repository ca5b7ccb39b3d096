//! Where the next read goes: how the buffer grows, shrinks, and moves what is unread.

use core::mem;

use super::InputBuffer;
use crate::{copy, frame::header::Header, receive::BufferedMessage};

/// How many bytes are read at most in a long text that is not masked. A longer read would rarely
/// fill the room, and so would not show that more has arrived.
const TEXT_READ_LEN: usize = 64 << 10;

impl InputBuffer {
    /// The fast path of [`room`](Self::room), for what it is at most reads: nothing is unread, or
    /// nothing was received of the message that is kept.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        if self.wanted > 0 {
            return self.end < self.settled_end;
        }
        let is_usual = self.start == self.end && self.buf.len() == self.read_len && self.kept.longest <= self.read_len;
        if is_usual && !self.had_long_message {
            (self.start, self.end, self.room_end, self.has_read) = (0, 0, self.read_len, false);
            self.kept.longest = 0;
            return true;
        }
        false
    }

    /// Makes room for a read.
    #[inline(never)]
    pub(super) fn make_room(&mut self) {
        let (end, settled_end) = match &self.kept.message {
            Some(message) if message.frame_len() > self.read_len.max(self.unread_len()) => {
                let frame_len = message.frame_len();
                let max = if message.is_unmasked_text() {
                    self.read_len.max(TEXT_READ_LEN)
                } else {
                    usize::MAX
                };
                self.make_room_in_message(frame_len);
                let end = self.start.saturating_add(frame_len);
                let settled_end = if end > self.buf.len() { self.nearly_full() } else { end };
                (end.min(self.end.saturating_add(max)), settled_end)
            }
            message => {
                let frame_len = message.as_ref().map_or(Header::MAX_LEN, BufferedMessage::frame_len);
                self.make_room_for_frame(frame_len);
                let end = self.end.saturating_add(self.read_len);
                (end, end)
            }
        };
        self.room_end = end.min(self.buf.len());
        self.settled_end = settled_end.min(self.room_end);
    }

    /// Makes room for a message that is longer than a read. It is moved at most once.
    #[inline(never)]
    fn make_room_in_message(&mut self, frame_len: usize) {
        if self.start > 0 && self.buf.len() - self.start < frame_len {
            self.move_to_front();
        }
        // A buffer that is nearly full, so that the cost of growing is linear too.
        if self.start == 0 && self.end >= self.nearly_full() && self.buf.len() < frame_len {
            self.grow(frame_len.min(self.end.saturating_mul(2)));
        }
    }

    /// The end of what is read from which on the buffer is nearly full.
    fn nearly_full(&self) -> usize {
        self.buf.len() / 5 * 4
    }

    /// Makes room for a read, and in it for a frame that begins at `start`.
    fn make_room_for_frame(&mut self, frame_len: usize) {
        self.shrink();
        let unread = self.unread_len();
        if unread == 0 {
            (self.start, self.end) = (0, 0);
        }
        if self.buf.len() < self.read_len {
            self.grow(self.read_len);
        }
        // What is moved because there is little room was preceded by more that was received, and no
        // message is moved twice because there is too little. So the cost of moving is linear in
        // what is read.
        let is_too_short = self.buf.len() - self.start < frame_len;
        let is_short = self.buf.len() - self.end < self.read_len / 2 && unread <= self.start;
        if self.start > 0 && (is_too_short || is_short) {
            self.move_to_front();
        }
        if self.end == self.buf.len() {
            // The caller has not received what was read.
            if self.start > 0 {
                self.move_to_front();
            } else {
                self.grow(2 * self.buf.len());
            }
        }
    }

    /// Shrinks a buffer that has grown, unless the last two reads were of messages that need it.
    fn shrink(&mut self) {
        if !mem::take(&mut self.has_read) {
            return;
        }
        let has_long_message = mem::take(&mut self.kept.longest) > self.read_len;
        let had_long_message = mem::replace(&mut self.had_long_message, has_long_message);
        let is_used = has_long_message && had_long_message;
        if !is_used && self.buf.len() > self.read_len && self.unread_len() <= self.read_len {
            self.move_to_front();
            self.buf.truncate(self.read_len);
            self.buf.shrink_to_fit();
        }
    }

    fn grow(&mut self, len: usize) {
        self.buf.reserve_exact(len - self.buf.len());
        self.buf.resize(len, 0);
    }

    fn move_to_front(&mut self) {
        copy::move_to_front(&mut self.buf, self.start, self.end);
        (self.start, self.end) = (0, self.end - self.start);
    }
}
