//! The payload of the frame in progress: taken piece by piece, and unmasked. It knows no rules.

use crate::{input::take, mask};

/// What is missing of the payload in progress, and its mask.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// 0 if no payload is in progress.
    remaining: u64,
    /// Rotated to the next byte of the payload; zero if the frame is not masked.
    key: [u8; 4],
    is_masked: bool,
}

impl Payload {
    pub(super) const fn new() -> Self {
        Self {
            remaining: 0,
            key: [0; 4],
            is_masked: false,
        }
    }

    /// A frame begins.
    pub(super) fn begin(&mut self, len: u64, mask: Mask) {
        self.remaining = len;
        self.key = mask.unwrap_or_default();
        self.is_masked = mask.is_some();
    }

    /// Takes the next piece, of at most `at_most` bytes; `None` if `input` is empty and the payload
    /// is not complete.
    pub(super) fn take<'b>(&mut self, input: &mut &'b mut [u8], at_most: usize) -> Option<Piece<'b>> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(at_most);
        if wanted > 0 && input.is_empty() {
            return None;
        }
        let data = take(input, wanted.min(input.len()));
        let mask = self.pass(data.len());
        Some(Piece {
            data,
            mask,
            ends_frame: self.remaining == 0,
        })
    }

    /// Passes over `len` bytes, and returns what they are masked with.
    #[inline]
    pub(super) fn pass(&mut self, len: usize) -> Mask {
        self.remaining -= len as u64;
        if !self.is_masked {
            return None;
        }
        let key = self.key;
        self.key = mask::rotated(key, len);
        Some(key)
    }
}

/// What only a connection needs.
#[cfg(feature = "alloc")]
impl Payload {
    /// How many bytes are missing.
    pub(crate) const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The key, as the payload after the last piece is masked with it.
    pub(crate) fn mask(&self) -> Mask {
        self.is_masked.then_some(self.key)
    }

    /// Takes all of `input`, if it is payload and the frame does not end with it.
    #[inline]
    pub(crate) fn take_all<'b>(&mut self, input: &mut &'b mut [u8]) -> Option<(&'b mut [u8], Mask)> {
        let len = input.len();
        if len as u64 >= self.remaining || len == 0 {
            return None;
        }
        Some((core::mem::take(input), self.pass(len)))
    }

    /// Unmasks `byte`, if it is payload and the frame does not end with it.
    #[inline(always)]
    pub(crate) fn peek_byte(&self, byte: u8) -> Option<u8> {
        let [key, ..] = self.key;
        (self.remaining > 1).then_some(byte ^ key)
    }

    /// Passes over the byte that was peeked.
    #[inline(always)]
    pub(crate) fn pass_byte(&mut self) {
        self.remaining -= 1;
        self.key = mask::rotated(self.key, 1);
    }

    /// Unmasks what is there of the payload, at most `at_most` bytes, and returns how many. They
    /// stay in `input` until [`consume`](Self::consume) takes them.
    pub(crate) fn peek(&self, input: &mut [u8], at_most: usize) -> usize {
        let len = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(at_most)
            .min(input.len());
        if let Some(front) = input.get_mut(..len) {
            unmask(front, self.mask());
        }
        len
    }

    /// Takes `used` of the bytes that [`peek`](Self::peek) has unmasked, and masks the rest again.
    pub(crate) fn consume(&mut self, input: &mut &mut [u8], peeked: usize, used: usize) {
        self.pass(used);
        take(input, used);
        if let Some(rest) = input.get_mut(..peeked - used) {
            unmask(rest, self.mask());
        }
    }
}

/// A piece of a payload, still masked.
pub(crate) struct Piece<'b> {
    pub(crate) data: &'b mut [u8],
    pub(crate) mask: Mask,
    pub(crate) ends_frame: bool,
}

impl<'b> Piece<'b> {
    #[inline]
    pub(crate) fn unmask(self) -> &'b mut [u8] {
        unmask(self.data, self.mask);
        self.data
    }
}

/// What a piece of payload is masked with, if it is.
pub(crate) type Mask = Option<[u8; 4]>;

#[inline]
pub(crate) fn unmask(data: &mut [u8], mask: Mask) {
    if let Some(key) = mask {
        mask::apply(data, key);
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::Payload;

    /// The fast paths take payload that does not end the frame, and leave its last byte.
    #[test]
    fn what_does_not_end_the_frame_is_taken() {
        let mut payload = Payload::new();
        payload.begin(6, Some([1, 2, 3, 4]));
        let mut bytes = [0; 4];
        let mut input = &mut bytes[..];
        let (taken, mask) = payload.take_all(&mut input).unwrap();
        assert_eq!((taken.len(), mask), (4, Some([1, 2, 3, 4])));
        assert!(input.is_empty() && payload.take_all(&mut input).is_none());
        assert_eq!(payload.peek_byte(0x10), Some(0x11));
        payload.pass_byte();
        assert_eq!(payload.peek_byte(0x10), None);
        let mut last = [0x10];
        let mut input = &mut last[..];
        assert!(payload.take_all(&mut input).is_none() && input.len() == 1);
        assert_eq!(payload.remaining(), 1);
    }
}
