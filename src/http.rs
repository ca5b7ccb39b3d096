//! HTTP/1.1 heads (RFC 9112): collecting one that arrives in pieces, walking its fields, writing one.

use alloc::{borrow::Cow, vec::Vec};
use core::{
    fmt,
    mem::{self, MaybeUninit},
    slice,
};

use crate::escaped::Escaped;

/// Why a head could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    Syntax,
    Version,
    TooLong,
    TooManyHeaders,
}

/// Collects one head, up to and including its blank line.
///
/// It remembers how far it has searched, so that a peer that drips single bytes costs linear time.
#[derive(Debug)]
pub(crate) struct HeadReader {
    buf: Vec<u8>,
    searched: usize,
    limit: usize,
}

impl HeadReader {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            buf: Vec::new(),
            searched: 0,
            limit,
        }
    }

    /// Takes the bytes of the head off the front of `input`. A head that lies whole in `input` is lent from it.
    pub(crate) fn read<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Cow<'b, [u8]>>, HeadError> {
        if self.buf.is_empty() {
            // "a server ... SHOULD ignore at least one empty line received prior to the request-line" (RFC 9112, 2.2)
            while let Some(b'\r' | b'\n') = input.first() {
                take(input, 1);
                self.limit = self.limit.checked_sub(1).ok_or(HeadError::TooLong)?;
            }
            match input.first() {
                None => return Ok(None),
                // Another protocol (TLS, say) is noticed by its first byte.
                Some(&first) if !is_tchar(first) => return Err(HeadError::Syntax),
                Some(_) => {}
            }
            if let Some(end) = find_end(input, 0).filter(|&end| end <= self.limit) {
                return Ok(Some(Cow::Borrowed(take(input, end))));
            }
        }
        let had = self.buf.len();
        let room = input.len().min(self.limit - had);
        self.buf.extend_from_slice(input.get(..room).unwrap_or_default());
        if let Some(end) = find_end(&self.buf, self.searched) {
            take(input, end - had);
            self.buf.truncate(end);
            return Ok(Some(Cow::Owned(mem::take(&mut self.buf))));
        }
        if self.buf.len() >= self.limit {
            return Err(HeadError::TooLong);
        }
        take(input, room);
        // The blank line may have begun with the last three bytes.
        self.searched = self.buf.len().saturating_sub(3);
        Ok(None)
    }

    /// Goes on with another head behind one of `len` bytes, which count towards the same limit.
    pub(crate) const fn follow(&mut self, len: usize) {
        self.limit = self.limit.saturating_sub(len);
        self.searched = 0;
    }

    /// What has been collected of a head that is not whole yet.
    pub(crate) fn into_collected(self) -> Vec<u8> {
        self.buf
    }
}

/// Where the head ends: behind the first blank line, found from `from` on.
fn find_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    while bytes.get(from..).is_some_and(has_no_end) {
        from += BLOCK;
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

const BLOCK: usize = 32;

/// Whether no line that ends in the first `BLOCK` bytes can be the last before a blank one. All of them are looked at, with two
/// more behind them and without a branch: the compiler makes vectors of that.
#[inline]
fn has_no_end(bytes: &[u8]) -> bool {
    let block = |at: usize| bytes.get(at..)?.first_chunk::<BLOCK>();
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

/// Where `byte` is first. It looks at eight bytes at a time: a search through a head costs as much as all else that is
/// done with it, otherwise.
#[inline]
fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    const LOW: u64 = u64::MAX / 0xFF;
    const HIGH: u64 = LOW << 7;
    let pattern = LOW * u64::from(byte);
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word) ^ pattern;
        // The lowest bit that is left marks the first byte that the XOR has made zero.
        let found = word.wrapping_sub(LOW) & !word & HIGH;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        rest = behind;
        at += 8;
    }
    Some(at + rest.iter().position(|&other| other == byte)?)
}

/// Takes `n` bytes off the front of `input`; `n` is at most its length.
pub(crate) fn take<'b>(input: &mut &'b mut [u8], n: usize) -> &'b mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(n);
    *input = rest;
    front
}

/// How many header fields are parsed without allocating.
const FIELDS_ON_STACK: usize = 128;

/// Parses a whole request head and hands it to `then`.
pub(crate) fn parse_request<T>(
    head: &[u8],
    max_headers: usize,
    then: impl FnOnce(&httparse::Request<'_, '_>) -> T,
) -> Result<T, HeadError> {
    with_slots(head, max_headers, |slots| {
        let mut request = httparse::Request::new(&mut []);
        let status = request.parse_with_uninit_headers(head, slots);
        whole(head, status)?;
        Ok(then(&request))
    })
}

/// Parses a whole response head and hands it to `then`.
pub(crate) fn parse_response<T>(
    head: &[u8],
    max_headers: usize,
    then: impl FnOnce(&httparse::Response<'_, '_>) -> T,
) -> Result<T, HeadError> {
    with_slots(head, max_headers, |slots| {
        let mut response = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, head, slots);
        whole(head, status)?;
        Ok(then(&response))
    })
}

fn with_slots<'h, T>(
    head: &[u8],
    max_headers: usize,
    parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'h>>]) -> Result<T, HeadError>,
) -> Result<T, HeadError> {
    let mut stack = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
    if let Some(slots) = stack.get_mut(..max_headers) {
        return parse(slots);
    }
    // A limit is no reason to allocate; a field takes at least three bytes of the head: a name, a colon, a line end.
    let slots = max_headers.min(head.len() / 3);
    let mut heap: Vec<_> = (0..slots).map(|_| MaybeUninit::uninit()).collect();
    parse(&mut heap)
}

/// The parser and [`find_end`] have to agree where the head ends.
fn whole(head: &[u8], status: httparse::Result<usize>) -> Result<(), HeadError> {
    match status {
        Ok(httparse::Status::Complete(len)) if len == head.len() => Ok(()),
        Ok(_) => Err(HeadError::Syntax),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyHeaders),
        Err(httparse::Error::Version) => Err(HeadError::Version),
        Err(_) => Err(HeadError::Syntax),
    }
}

/// The header fields of a request or response, in their order: names as sent, values without surrounding white space.
///
/// Field names compare without regard to ASCII case (RFC 9110, section 5.1).
#[derive(Clone)]
pub struct Headers<'a>(Fields<'a>);

#[derive(Clone)]
enum Fields<'a> {
    /// The lines of a head that was parsed before, from the first field on.
    Lines(&'a [u8]),
    /// The fields of a head that another HTTP implementation parsed.
    List(slice::Iter<'a, Field<'a>>),
}

/// A field of a head that another HTTP implementation parsed.
pub(crate) type Field<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

impl<'a> Headers<'a> {
    /// The fields of a head that [`parse_request`] or [`parse_response`] has accepted.
    pub(crate) fn of_head(head: &'a [u8]) -> Self {
        Self(Fields::Lines(next_line(head).1))
    }

    pub(crate) fn of_list(list: &'a [Field<'a>]) -> Self {
        Self(Fields::List(list.iter()))
    }

    /// The value of the first field with the given name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The values of all fields with the given name, in their order.
    pub(crate) fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
        self.0
            .clone()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((core::str::from_utf8(name).ok()?, value))
    }
}

/// Names as bytes, so that a name that is looked for is compared with each, and none is validated.
impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Lines(rest) => {
                let (line, behind) = next_line(rest);
                *rest = behind;
                let (name, value) = line.split_at(find(line, b':')?);
                let value = value.split_first().map_or(value, |(_colon, value)| value);
                Some((name, value.trim_ascii()))
            }
            Self::List(list) => list.next().map(|(name, value)| (name.as_bytes(), value.trim_ascii())),
        }
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.clone()
                    .map(|(name, value)| (Escaped(name.as_bytes()), Escaped(value))),
            )
            .finish()
    }
}

/// The first line, without its end, and what follows it.
fn next_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match find(bytes, b'\n') {
        Some(at) => {
            let (line, rest) = bytes.split_at(at);
            (line, rest.get(1..).unwrap_or_default())
        }
        None => (bytes, &[]),
    }
}

/// Appends a header field.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// "tchar" (RFC 9110, section 5.6.2).
pub(crate) const fn is_tchar(byte: u8) -> bool {
    /// A bit for each of them: which ranges a byte is in would be a question for each.
    const TCHARS: u128 = {
        let (mut set, mut byte) = (0, 0);
        while byte < 128 {
            if matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~')
            {
                set |= 1 << byte;
            }
            byte += 1;
        }
        set
    };
    byte < 128 && TCHARS >> byte & 1 != 0
}

/// "token" (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_tchar(byte))
}

/// "field-value": no control characters but the tab (RFC 9110, section 5.5).
pub(crate) fn is_field_value(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7F))
}

/// The elements of a comma-separated list without quoted strings (RFC 9110, section 5.6.1), empty ones included.
pub(crate) fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether the list holds the token, in any case.
pub(crate) fn list_has(value: &[u8], token: &str) -> bool {
    list_elements(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::HeadReader;

    /// R137: Bytes of a head that were searched are not searched again, in any pieces (F07).
    #[test]
    fn f07_a_head_in_single_bytes_is_searched_once() {
        for line in ["x", "X: y\r\n", "\r\r\r"] {
            let mut reader = HeadReader::new(1 << 20);
            let head = std::format!("GET / HTTP/1.1\r\n{}", line.repeat(2000));
            for (at, byte) in head.bytes().enumerate() {
                let mut byte = [byte];
                assert_eq!(reader.read(&mut &mut byte[..]), Ok(None));
                // Only bytes that may belong to a blank line are searched again.
                assert_eq!(reader.searched, (at + 1).saturating_sub(3), "{line:?}");
            }
        }
    }
}
