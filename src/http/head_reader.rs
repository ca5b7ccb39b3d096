//! Reads a head that arrives in pieces.

use alloc::{borrow::Cow, vec::Vec};
use core::mem;

use super::{
    head_error::{HeadError, HeadKind},
    syntax::{find, is_tchar},
};
use crate::input::take;

/// Collects one head, up to and including its blank line.
///
/// It does not search a byte twice, so a head that arrives in single bytes takes linear time.
pub(crate) struct HeadReader {
    kind: HeadKind,
    buf: Vec<u8>,
    /// The number of bytes at the front of `buf` in which no blank line begins.
    searched: usize,
    first_line_is_checked: bool,
    /// [`Config::max_head_size`](crate::Config::max_head_size).
    limit: usize,
    /// The part of `limit` that is left for the head and the empty lines before it.
    remaining: usize,
}

impl HeadReader {
    pub(crate) const fn new(kind: HeadKind, limit: usize) -> Self {
        Self {
            kind,
            buf: Vec::new(),
            searched: 0,
            first_line_is_checked: false,
            limit,
            remaining: limit,
        }
    }

    /// Takes the bytes of the head off the front of `input`. Returns `None` while the head is
    /// incomplete. A head that is complete in `input` is borrowed from it.
    ///
    /// The first line is checked when its line end arrives: a peer that speaks another protocol may
    /// wait for an answer to it.
    pub(crate) fn read<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Cow<'b, [u8]>>, HeadError> {
        let too_long = HeadError::TooLong { limit: self.limit };
        if self.buf.is_empty() {
            // "a server ... SHOULD ignore at least one empty line received prior to the
            // request-line" (RFC 9112, section 2.2)
            while let Some(b'\r' | b'\n') = input.first() {
                take(input, 1);
                self.remaining = self.remaining.checked_sub(1).ok_or(too_long)?;
            }
            match input.first() {
                None => return Ok(None),
                Some(&byte) if !is_tchar(byte) => return Err(HeadError::FirstByte { byte }),
                Some(_) => {}
            }
            if let Some(end) = find_end(input, 0).filter(|&end| end <= self.remaining) {
                return Ok(Some(Cow::Borrowed(take(input, end))));
            }
        }
        let old_len = self.buf.len();
        let room = input.len().min(self.remaining - old_len);
        self.buf.extend_from_slice(input.get(..room).unwrap_or_default());
        if !self.first_line_is_checked {
            self.check_first_line(old_len)?;
        }
        if let Some(end) = find_end(&self.buf, self.searched) {
            take(input, end - old_len);
            self.buf.truncate(end);
            return Ok(Some(Cow::Owned(mem::take(&mut self.buf))));
        }
        if self.buf.len() >= self.remaining {
            return Err(too_long);
        }
        take(input, room);
        // The last three bytes may begin a blank line.
        self.searched = self.buf.len().saturating_sub(3);
        Ok(None)
    }

    /// Checks the first line, if its line end is among the bytes of `buf` from `start` on.
    fn check_first_line(&mut self, start: usize) -> Result<(), HeadError> {
        let new_bytes = self.buf.get(start..).unwrap_or_default();
        if let Some(line_end) = find(new_bytes, b'\n') {
            let line = self.buf.get(..start + line_end).unwrap_or_default();
            self.kind.check_first_line(line)?;
            self.first_line_is_checked = true;
        }
        Ok(())
    }

    /// Continues with the next head, after one of `len` bytes. The limit applies to both together.
    pub(crate) const fn continue_after(&mut self, len: usize) {
        self.remaining = self.remaining.saturating_sub(len);
        self.searched = 0;
        self.first_line_is_checked = false;
    }

    /// Returns the bytes of an incomplete head.
    pub(crate) fn collected(&self) -> &[u8] {
        &self.buf
    }

    /// Returns the bytes of an incomplete head.
    pub(crate) fn into_collected(self) -> Vec<u8> {
        self.buf
    }
}

/// Returns the length of the head, which ends with the first blank line that begins after a line
/// end at `from` or later.
fn find_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    while bytes.get(from..).is_some_and(has_no_end) {
        from += BLOCK_LEN;
    }
    loop {
        let line_end = from + find(bytes.get(from..)?, b'\n')? + 1;
        match bytes.get(line_end..)? {
            [b'\n', ..] => return Some(line_end + 1),
            [b'\r', b'\n', ..] => return Some(line_end + 2),
            _ => from = line_end,
        }
    }
}

/// The number of bytes that [`has_no_end`] checks.
const BLOCK_LEN: usize = 32;

/// Returns whether no line end in the first [`BLOCK_LEN`] bytes precedes a blank line.
///
/// There is no branch for a single byte, so the compiler can vectorize the loop.
#[inline]
fn has_no_end(bytes: &[u8]) -> bool {
    let block = |at: usize| bytes.get(at..)?.first_chunk::<BLOCK_LEN>();
    let (Some(line_ends), Some(next), Some(second)) = (block(0), block(1), block(2)) else {
        return false;
    };
    let is_end = |byte: &u8| u8::from(*byte == b'\n');
    let found = line_ends
        .iter()
        .zip(next.iter().zip(second))
        .fold(0, |found, (first, (next, second))| {
            found | is_end(first) & (is_end(next) | is_end(second))
        });
    found == 0
}

#[cfg(test)]
mod tests {
    use super::{HeadKind, HeadReader};

    /// R137: No byte is searched twice when a head arrives in single bytes (F07).
    #[test]
    fn f07_a_head_in_single_bytes_is_searched_once() {
        for line in ["x", "X: y\r\n", "\r\r\r"] {
            let mut reader = HeadReader::new(HeadKind::Request, 1 << 20);
            let head = std::format!("GET / HTTP/1.1\r\n{}", line.repeat(2000));
            for (at, byte) in head.bytes().enumerate() {
                let mut byte = [byte];
                assert_eq!(reader.read(&mut &mut byte[..]), Ok(None));
                // Only bytes that may begin a blank line are searched again.
                assert_eq!(reader.searched, (at + 1).saturating_sub(3), "{line:?}");
            }
        }
    }
}
