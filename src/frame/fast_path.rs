//! The fast paths for a whole message and for a whole fragment in one input, and how many bytes are
//! missing for a message.
//!
//! They return `None`, and consume nothing, for what is unusual or breaks a rule: the decoder finds
//! it.

use core::mem;

use super::{
    decoder::Decoder,
    header::Header,
    opcode::Opcode,
    payload::{Mask, unmask},
    wire::{
        FirstByte, KEY_LEN, LONG_HEADER_LEN, Length, MEDIUM_HEADER_LEN, MIN_HEADER_LEN, SecondByte, needs_16_bits,
        needs_64_bits,
    },
};
use crate::{message::MessageKind, reserved_bits::ReservedBits};

/// Whether the first byte begins an unfragmented data frame with no reserved bit set but, if
/// `RSV1`, the first; and which kind of message that is.
#[inline(always)]
const fn message_kind<const RSV1: bool>(first: FirstByte) -> Option<MessageKind> {
    const fn whole<const RSV1: bool>(kind: MessageKind) -> u8 {
        FirstByte::new(kind.opcode(), true)
            .with_reserved(ReservedBits::new([RSV1, false, false]))
            .0
    }
    if first.0 == whole::<RSV1>(MessageKind::Text) {
        Some(MessageKind::Text)
    } else if first.0 == whole::<RSV1>(MessageKind::Binary) {
        Some(MessageKind::Binary)
    } else {
        None
    }
}

/// Whether the first byte begins a fragment that continues a message, with no reserved bit set;
/// and whether it is the last one.
#[inline(always)]
const fn continuation(first: FirstByte) -> Option<bool> {
    if first.with_fin(false).0 == FirstByte::new(Opcode::Continuation, false).0 {
        Some(first.fin())
    } else {
        None
    }
}

impl Decoder {
    /// Takes an unfragmented data frame that is whole in `input`, with at most `max` bytes of
    /// payload, and unmasks it. With `RSV1`, one whose first reserved bit is set, and none without;
    /// it must have been allowed.
    #[inline(always)]
    pub(crate) fn whole_message<'b, const RSV1: bool>(
        &self,
        input: &mut &'b mut [u8],
        max: u64,
    ) -> Option<(MessageKind, &'b mut [u8])> {
        debug_assert!(self.is_between_messages());
        let &[first, _] = input.first_chunk::<MIN_HEADER_LEN>()?;
        let kind = message_kind::<RSV1>(FirstByte(first))?;
        let (data, mask) = self.whole_frame(input, max)?;
        unmask(data, mask);
        Some((kind, data))
    }

    /// Takes a fragment that continues the message in progress, has no reserved bit and is whole in
    /// `input`, with at most `max` bytes of payload. [`is_in_message`](Self::is_in_message) says
    /// whether the message ends with it.
    #[inline(always)]
    pub(crate) fn whole_fragment<'b>(&mut self, input: &mut &'b mut [u8], max: u64) -> Option<(&'b mut [u8], Mask)> {
        debug_assert!(self.is_between_frames() && self.is_in_message());
        let &[first, _] = input.first_chunk::<MIN_HEADER_LEN>()?;
        let fin = continuation(FirstByte(first))?;
        let (data, mask) = self.whole_frame(input, max)?;
        self.pass_fragment(fin, data.len(), mask);
        Some((data, mask))
    }

    /// Takes the frame at the front of `input`, if all of it is there, its length is in the
    /// shortest form and at most `max`, and the right end has masked it. Its first byte is not
    /// looked at. Returns the payload, still masked.
    #[inline(always)]
    fn whole_frame<'b>(&self, input: &mut &'b mut [u8], max: u64) -> Option<(&'b mut [u8], Mask)> {
        let (&[_, second], rest) = input.split_first_chunk::<MIN_HEADER_LEN>()?;
        let second = SecondByte(second);
        if self.has_wrong_mask(second) {
            return None;
        }
        // `Header::decode` parses this, too. One function for both takes 7 % more instructions for
        // a short message.
        let (len, rest, used) = match second.length() {
            Length::Medium => {
                let (len, rest) = rest.split_first_chunk()?;
                let len = u16::from_be_bytes(*len);
                if !needs_16_bits(len) {
                    return None;
                }
                (usize::from(len), rest, MEDIUM_HEADER_LEN)
            }
            Length::Long => {
                let (len, rest) = rest.split_first_chunk()?;
                let len = u64::from_be_bytes(*len);
                if !needs_64_bits(len) {
                    return None;
                }
                (usize::try_from(len).ok()?, rest, LONG_HEADER_LEN)
            }
            Length::Short(len) => (usize::from(len), rest, MIN_HEADER_LEN),
        };
        let (mask, available, used) = if second.is_masked() {
            let (key, rest) = rest.split_first_chunk()?;
            (Some(*key), rest.len(), used + KEY_LEN)
        } else {
            (None, rest.len(), used)
        };
        if len > available || len as u64 > max {
            return None;
        }
        let (front, rest) = mem::take(input).split_at_mut_checked(used + len)?;
        *input = rest;
        let (_, data) = front.split_at_mut_checked(used)?;
        Some((data, mask))
    }

    /// Returns the kind, the header and the length of the header of an unfragmented data frame
    /// without reserved bits that is at the front of `input`, with at most `max` bytes of payload;
    /// `None` if the header is not whole, or is something else. It consumes nothing.
    pub(crate) fn message_header(&self, input: &[u8], max: u64) -> Option<(MessageKind, Header, usize)> {
        debug_assert!(self.is_between_messages());
        let (&[first, second], _) = input.split_first_chunk::<MIN_HEADER_LEN>()?;
        let kind = message_kind::<false>(FirstByte(first))?;
        if self.has_wrong_mask(SecondByte(second)) {
            return None;
        }
        let (header, used) = Header::decode(input).ok()??;
        (header.len <= max).then_some((kind, header, used))
    }

    /// Returns at least how many bytes are missing in `input` for
    /// [`whole_message`](Self::whole_message) to take it, without a reserved bit; `None` if it
    /// takes it now or never will.
    #[inline(never)]
    pub(crate) fn missing_bytes(&self, input: &[u8], max: u64) -> Option<u64> {
        debug_assert!(self.is_between_messages());
        let Some(&first) = input.first() else {
            return Some(MIN_HEADER_LEN as u64);
        };
        // What is unusual or breaks a rule, the decoder finds.
        message_kind::<false>(FirstByte(first))?;
        let Some(&second) = input.get(1) else {
            return missing(MIN_HEADER_LEN as u64, 0, input, max);
        };
        let second = SecondByte(second);
        if self.has_wrong_mask(second) {
            return None;
        }
        match second.length() {
            Length::Short(len) => missing(second.header_len() as u64, len.into(), input, max),
            Length::Medium | Length::Long => missing_of_longer(second, input, max),
        }
    }
}

#[inline(never)]
fn missing_of_longer(second: SecondByte, input: &[u8], max: u64) -> Option<u64> {
    match Header::decode(input) {
        Ok(Some((header, used))) => missing(used as u64, header.len, input, max),
        Ok(None) => missing(second.header_len() as u64, 0, input, max),
        Err(_) => None,
    }
}

/// How many bytes of a header and a payload are missing in `input`; `None` if none are, or the
/// payload is over `max`.
#[inline]
fn missing(header: u64, payload: u64, input: &[u8], max: u64) -> Option<u64> {
    if payload > max {
        return None;
    }
    (header + payload)
        .checked_sub(input.len() as u64)
        .filter(|&missing| missing > 0)
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::{Decoder, FirstByte, Mask, MessageKind, Opcode};
    use crate::{frame::wire, role::Role};

    const KEYS: [(Role, Mask); 2] = [(Role::Client, None), (Role::Server, Some([1, 2, 3, 4]))];
    const LENGTHS: [usize; 6] = [0, 1, 125, 126, 65_535, 65_536];

    /// A frame whose payload is zeros before it is masked.
    fn frame(opcode: Opcode, fin: bool, key: Mask, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        wire::append(FirstByte::new(opcode, fin), key, len as u64, &mut bytes);
        bytes.extend(key.unwrap_or_default().iter().cycle().take(len));
        bytes
    }

    /// The fast path takes every message that is whole, with the limit and nothing after it, too;
    /// and no longer one.
    #[test]
    fn whole_messages_are_taken() {
        for (role, key) in KEYS {
            let decoder = Decoder::new(role);
            for len in LENGTHS {
                let whole = frame(Opcode::Binary, true, key, len);
                for (bytes, max, is_taken) in [
                    (&whole[..], len, true),
                    (&[&whole[..], b"next"].concat(), len, true),
                    (&whole[..], len.wrapping_sub(1), len == 0),
                    (&whole[..whole.len() - 1], len, false),
                ] {
                    let mut bytes = bytes.to_vec();
                    let rest = bytes.len().saturating_sub(whole.len());
                    let mut input = &mut bytes[..];
                    match decoder.whole_message::<false>(&mut input, max as u64) {
                        Some(taken) => {
                            assert!(is_taken && taken == (MessageKind::Binary, &mut vec![0; len][..]));
                            assert_eq!(input.len(), rest);
                        }
                        None => assert!(!is_taken && decoder.whole_message::<true>(&mut input, max as u64).is_none()),
                    }
                }
            }
        }
    }

    /// What is missing is counted, and of a whole message nothing is.
    #[test]
    fn missing_bytes_are_counted() {
        for (role, key) in KEYS {
            let decoder = Decoder::new(role);
            for len in LENGTHS {
                let whole = frame(Opcode::Text, true, key, len);
                assert_eq!(decoder.missing_bytes(&whole, len as u64), None);
                let cut = &whole[..whole.len() - 1];
                let missing = if cut.len() == 1 {
                    1
                } else {
                    decoder.missing_bytes(cut, len as u64).unwrap()
                };
                assert_eq!(missing, 1, "{role:?} {len}");
                if len > 0 {
                    assert_eq!(decoder.missing_bytes(cut, len as u64 - 1), None);
                }
            }
        }
    }

    /// The same for fragments that continue a message.
    #[test]
    fn whole_fragments_are_taken() {
        for (role, key) in KEYS {
            for len in LENGTHS {
                let mut decoder = Decoder::new(role);
                let mut bytes = frame(Opcode::Text, false, key, 0);
                let mut input = &mut bytes[..];
                decoder.header(&mut input).unwrap();
                decoder.piece(&mut input, usize::MAX).unwrap();
                for fin in [false, true] {
                    let mut bytes = frame(Opcode::Continuation, fin, key, len);
                    if len > 0 {
                        assert!(decoder.whole_fragment(&mut &mut bytes[..], len as u64 - 1).is_none());
                    }
                    let mut input = &mut bytes[..];
                    let (data, mask) = decoder.whole_fragment(&mut input, len as u64).unwrap();
                    assert!(data.len() == len && mask == key && input.is_empty());
                    assert_eq!(decoder.is_in_message(), !fin);
                }
            }
        }
    }
}
