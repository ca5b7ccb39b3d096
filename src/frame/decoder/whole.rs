//! Whole messages: the straight line for the common case, and what is missing to take it.

use core::mem;

use super::Decoder;
use crate::{
    frame::{Header, Kind, Role},
    mask,
};

impl Decoder {
    /// How many bytes at least `input` lacks to be what [`whole_message`](Self::whole_message) takes; `None` if it never will
    /// be, or is.
    #[inline(never)]
    pub(crate) fn lacks(&self, input: &[u8], max: u64) -> Option<u64> {
        debug_assert!(self.is_between_messages());
        let is_masked = self.role == Role::Server;
        let whole = match *input {
            // The two bytes that all headers have are judged when they come.
            [0x81 | 0x82] => (2, 0),
            [0x81 | 0x82, second, ..] if (second & 0x80 != 0) == is_masked => match second & 0x7F {
                126 | 127 => return self.lacks_of_longer(input, max),
                _ => self.least(second),
            },
            // What is unusual or wrong, the general path finds.
            _ => return None,
        };
        lacking(whole, input, max)
    }

    #[inline(never)]
    fn lacks_of_longer(&self, input: &[u8], max: u64) -> Option<u64> {
        let whole = match Header::decode(input) {
            Ok(Some((header, used))) => (used as u64, header.len),
            Ok(None) => self.least(*input.get(1)?),
            Err(_) => return None,
        };
        lacking(whole, input, max)
    }

    /// How long a header is whose second byte is this, and its payload at least.
    fn least(&self, second: u8) -> (u64, u64) {
        let key = match self.role {
            Role::Server => 4,
            Role::Client => 0,
        };
        match second & 0x7F {
            127 => (2 + 8 + key, 0),
            126 => (2 + 2 + key, 0),
            short => (2 + key, short.into()),
        }
    }

    /// The straight line for the common case: an unfragmented data frame that is whole in `input`, within `max`.
    ///
    /// `None` consumes nothing and says nothing: whatever is wrong or unusual, [`decode`](Self::decode) finds it.
    #[inline(always)]
    pub(crate) fn whole_message<'b>(&self, input: &mut &'b mut [u8], max: u64) -> Option<(Kind, &'b mut [u8])> {
        debug_assert!(self.is_between_messages());
        let (&[first, second], rest) = input.split_first_chunk::<2>()?;
        let kind = match first {
            0x81 => Kind::Text,
            0x82 => Kind::Binary,
            _ => return None,
        };
        let masked = second & 0x80 != 0;
        if masked != (self.role == Role::Server) {
            return None;
        }
        let (len, rest, used) = match second & 0x7F {
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                let len = usize::from(u16::from_be_bytes(*len));
                if len < 126 {
                    return None;
                }
                (len, rest, 4)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk()?;
                let len = usize::try_from(u64::from_be_bytes(*len)).ok()?;
                if len <= usize::from(u16::MAX) {
                    return None;
                }
                (len, rest, 10)
            }
            short => (usize::from(short), rest, 2),
        };
        let (key, available, used) = if masked {
            let (key, rest) = rest.split_first_chunk()?;
            (*key, rest.len(), used + 4)
        } else {
            ([0; 4], rest.len(), used)
        };
        if len > available || len as u64 > max {
            return None;
        }
        let (front, rest) = mem::take(input).split_at_mut_checked(used + len)?;
        *input = rest;
        let (_, data) = front.split_at_mut_checked(used)?;
        if masked {
            mask::apply(data, key);
        }
        Some((kind, data))
    }

    /// As [`whole_message`](Self::whole_message), with the bit that extensions may set.
    #[cfg(feature = "deflate")]
    pub(crate) fn whole_message_with_rsv1<'b>(
        &self,
        input: &mut &'b mut [u8],
        max: u64,
    ) -> Option<(Kind, &'b mut [u8])> {
        let first = input.first_mut().filter(|first| self.rsv1 && **first & 0x40 != 0)?;
        *first ^= 0x40;
        let found = self.whole_message(input, max);
        if found.is_none() {
            // Nothing was consumed.
            *input.first_mut()? ^= 0x40;
        }
        found
    }
}

/// What `input` lacks of a header and a payload of at most `max`, so long each.
#[inline]
fn lacking((header, payload): (u64, u64), input: &[u8], max: u64) -> Option<u64> {
    if payload > max {
        return None;
    }
    (header + payload)
        .checked_sub(input.len() as u64)
        .filter(|&lacks| lacks > 0)
}
