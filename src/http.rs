//! HTTP/1.1 heads (RFC 9112): reading a head that arrives in pieces, its header fields, writing.

use alloc::{borrow::Cow, vec::Vec};
use core::{
    fmt,
    mem::{self, MaybeUninit},
    slice,
};

use crate::{
    error::Excerpt,
    escaped::{Escaped, RedactedValue},
};

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The first byte cannot begin a head.
    FirstByte { byte: u8 },
    /// The first line is not a request line or status line.
    FirstLine { line: Excerpt },
    /// The HTTP version is neither 1.0 nor 1.1.
    Version { version: Excerpt },
    /// A line is not a header field. The first line of the head has the number 1.
    HeaderLine { number: usize },
    /// The head is longer than [`Config::max_head_size`](crate::Config::max_head_size).
    TooLong { limit: usize },
    /// The head has more fields than [`Config::max_headers`](crate::Config::max_headers).
    TooManyHeaders { limit: usize },
}

/// Returns whether the first byte of an invalid head is that of a TLS record: an alert or a
/// handshake message (RFC 8446, section 5.1).
pub(crate) const fn is_tls(first_byte: u8) -> bool {
    matches!(first_byte, 0x15 | 0x16)
}

/// What a head begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// A request line.
    Request,
    /// A status line.
    Response,
}

impl HeadKind {
    /// Checks the first line of a head, given without its line feed. The parser accepts the same
    /// lines.
    fn check_first_line(self, line: &[u8]) -> Result<(), HeadError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let version = match self {
            Self::Request => request_version(line),
            Self::Response => response_version(line),
        };
        match version {
            Some(b"HTTP/1.0" | b"HTTP/1.1") => Ok(()),
            Some(version) if self == Self::Request || is_version(version) => Err(HeadError::Version {
                version: excerpt(version),
            }),
            _ => Err(HeadError::FirstLine { line: excerpt(line) }),
        }
    }

    /// Returns the error of a complete head that the parser has rejected.
    #[cold]
    fn error(self, head: &[u8]) -> HeadError {
        let (first_line, mut rest) = split_line(head);
        if let Err(error) = self.check_first_line(first_line) {
            return error;
        }
        let mut number = 1;
        while !rest.is_empty() {
            let (line, next) = split_line(rest);
            number += 1;
            if !is_field_line(line.strip_suffix(b"\r").unwrap_or(line)) {
                break;
            }
            rest = next;
        }
        HeadError::HeaderLine { number }
    }
}

/// Returns the text in the place of the HTTP version, if the line is a request line otherwise (RFC
/// 9112, section 3).
fn request_version(line: &[u8]) -> Option<&[u8]> {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_target_byte = |&byte: &u8| byte.is_ascii_graphic() || !byte.is_ascii();
    let is_target = !target.is_empty() && target.iter().all(is_target_byte) && core::str::from_utf8(target).is_ok();
    // More text after a known version is an invalid line and not an unknown version.
    let has_rest = version.len() > 8 && matches!(version.first_chunk(), Some(b"HTTP/1.0" | b"HTTP/1.1"));
    (is_token(method) && is_target && !has_rest).then_some(version)
}

/// Returns the HTTP version, if the line is a status line (RFC 9112, section 4).
fn response_version(line: &[u8]) -> Option<&[u8]> {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let (version, code) = (words.next()?, words.next()?);
    let reason = words.next().unwrap_or_default();
    let is_code = code.len() == 3 && code.iter().all(u8::is_ascii_digit);
    (is_code && is_field_value(reason)).then_some(version)
}

/// Returns whether `text` is an HTTP version (RFC 9112, section 2.3).
const fn is_version(text: &[u8]) -> bool {
    matches!(text, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

/// Quotes a line up to what can be a secret: the value of a header field, a query string, a
/// fragment, or the user name and password of a URL.
fn excerpt(line: &[u8]) -> Excerpt {
    let is_end = |byte: &u8| matches!(byte, b':' | b'?' | b'#');
    Excerpt::truncated(line, line.iter().position(is_end).unwrap_or(line.len()))
}

/// Returns whether a line is `field-name ":" OWS field-value OWS` (RFC 9112, section 5).
fn is_field_line(line: &[u8]) -> bool {
    match find(line, b':').and_then(|colon| line.split_at_checked(colon)) {
        Some((name, value)) => is_token(name) && is_field_value(value),
        None => false,
    }
}

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
    pub(crate) fn into_collected(self) -> Vec<u8> {
        self.buf
    }
}

impl fmt::Debug for HeadReader {
    /// Leaves out the bytes of the head, which can hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadReader")
            .field("kind", &self.kind)
            .field("len", &self.buf.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
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

/// Returns the index of the first `byte`. Compares eight bytes at a time, because a search byte by
/// byte would take as long as the rest of the handshake.
#[inline]
fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    const LOW_BITS: u64 = u64::MAX / 0xFF;
    const HIGH_BITS: u64 = LOW_BITS << 7;
    let pattern = LOW_BITS * u64::from(byte);
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, next)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word) ^ pattern;
        // The lowest bit that is set belongs to the first byte that the XOR has made zero.
        let found = word.wrapping_sub(LOW_BITS) & !word & HIGH_BITS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        rest = next;
        at += 8;
    }
    Some(at + rest.iter().position(|&other| other == byte)?)
}

/// Takes `n` bytes off the front of `input`. `n` is at most the length of `input`.
pub(crate) fn take<'b>(input: &mut &'b mut [u8], n: usize) -> &'b mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(n);
    *input = rest;
    front
}

/// The number of header fields that are parsed without an allocation.
const MAX_FIELDS_ON_STACK: usize = 128;

/// Parses a complete request head and calls `then` with it.
pub(crate) fn parse_request<T>(
    head: &[u8],
    max_headers: usize,
    then: impl FnOnce(&httparse::Request<'_, '_>) -> T,
) -> Result<T, HeadError> {
    with_slots(head, max_headers, |slots| {
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(head, slots);
        check_parsed(HeadKind::Request, head, max_headers, parsed)?;
        Ok(then(&request))
    })
}

/// Parses a complete response head. Returns the status and the minor version of HTTP/1.
pub(crate) fn parse_response(head: &[u8], max_headers: usize) -> Result<(u16, u8), HeadError> {
    with_slots(head, max_headers, |slots| {
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, head, slots);
        check_parsed(HeadKind::Response, head, max_headers, parsed)?;
        // The parser sets both.
        Ok((response.code.unwrap_or_default(), response.version.unwrap_or_default()))
    })
}

fn with_slots<'h, T>(
    head: &[u8],
    max_headers: usize,
    parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'h>>]) -> Result<T, HeadError>,
) -> Result<T, HeadError> {
    let mut stack = [const { MaybeUninit::uninit() }; MAX_FIELDS_ON_STACK];
    if let Some(slots) = stack.get_mut(..max_headers) {
        return parse(slots);
    }
    // The allocation depends on the head and not on the limit. A field has at least three bytes: a
    // name, a colon and a line end.
    let slots = max_headers.min(head.len() / 3);
    let mut heap: Vec<_> = (0..slots).map(|_| MaybeUninit::uninit()).collect();
    parse(&mut heap)
}

/// Checks what the parser returns. The parser and [`find_end`] must find the same end of the head.
fn check_parsed(
    kind: HeadKind,
    head: &[u8],
    max_headers: usize,
    parsed: httparse::Result<usize>,
) -> Result<(), HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(len)) if len == head.len() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyHeaders { limit: max_headers }),
        Ok(_) | Err(_) => Err(kind.error(head)),
    }
}

/// The header fields of a request or response in their order: names as sent, values without
/// surrounding white space.
///
/// Field names are compared without regard to ASCII case (RFC 9110, section 5.1).
///
/// The `Debug` output replaces secrets with `<redacted>`: the values of `Authorization`,
/// `Proxy-Authorization`, `Cookie`, `Set-Cookie` and `Sec-WebSocket-Protocol`, which can be a bearer
/// token, and the query strings of URLs in `Location`, `Content-Location` and `Referer`.
#[derive(Clone)]
pub struct Headers<'a>(Fields<'a>);

#[derive(Clone)]
enum Fields<'a> {
    /// The lines of a valid head after its first line.
    Lines(&'a [u8]),
    /// The fields of a head that another HTTP implementation has parsed.
    Parsed(slice::Iter<'a, Field<'a>>),
}

/// A field of a head that another HTTP implementation has parsed.
pub(crate) type Field<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

impl<'a> Headers<'a> {
    /// Returns the fields of a head that [`parse_request`] or [`parse_response`] has accepted.
    pub(crate) fn from_head(head: &'a [u8]) -> Self {
        Self(Fields::Lines(split_line(head).1))
    }

    pub(crate) fn from_fields(fields: &'a [Field<'a>]) -> Self {
        Self(Fields::Parsed(fields.iter()))
    }

    /// Returns the value of the first field with the given name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// Returns the values of all fields with the given name, in their order.
    pub(crate) fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
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

/// Names are bytes here, so that a search for one name does not validate the others as UTF-8.
impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Lines(rest) => {
                let (line, next) = split_line(rest);
                *rest = next;
                let (name, value) = line.split_at(find(line, b':')?);
                let value = value.split_first().map_or(value, |(_colon, value)| value);
                Some((name, value.trim_ascii()))
            }
            Self::Parsed(fields) => fields.next().map(|(name, value)| (name.as_bytes(), value.trim_ascii())),
        }
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.clone()
                    .map(|(name, value)| (Escaped(name.as_bytes()), RedactedValue { name, value })),
            )
            .finish()
    }
}

/// Splits off the first line. The line feed belongs to neither part.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
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

/// Returns whether a byte is a `tchar` (RFC 9110, section 5.6.2).
pub(crate) const fn is_tchar(byte: u8) -> bool {
    /// A bit for each ASCII character. One test of a bit replaces the comparisons with each range.
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

/// Returns whether `text` is a `token` (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_tchar(byte))
}

/// Returns whether `text` is a `field-value`: it has no control character except the tab (RFC 9110,
/// section 5.5).
pub(crate) fn is_field_value(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7F))
}

/// Returns the elements of a comma-separated list without quoted strings, including empty elements
/// (RFC 9110, section 5.6.1).
pub(crate) fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Returns whether a comma-separated list has the token, without regard to ASCII case.
pub(crate) fn list_has(value: &[u8], token: &str) -> bool {
    list_elements(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{HeadKind, HeadReader};

    /// The first line is checked before the head is complete, so a line that the parser accepts must
    /// not be rejected, and one that it rejects must be.
    #[test]
    fn the_check_of_the_first_line_agrees_with_the_parser() {
        let valid: [(HeadKind, &[u8]); 4] = [
            (HeadKind::Request, b"GET /a HTTP/1.1\r\n"),
            (HeadKind::Request, b"GET /a HTTP/1.0\n"),
            (HeadKind::Response, b"HTTP/1.1 101 Switching\r\n"),
            (HeadKind::Response, b"HTTP/1.0 200\n"),
        ];
        let assert_agrees = |kind: HeadKind, line: &[u8]| {
            let end = line.iter().position(|&byte| byte == b'\n').unwrap();
            let parsed = match kind {
                HeadKind::Request => httparse::Request::new(&mut []).parse(&line[..=end]),
                HeadKind::Response => httparse::Response::new(&mut []).parse(&line[..=end]),
            };
            let checked = kind.check_first_line(&line[..end]);
            assert_eq!(checked.is_ok(), parsed.is_ok(), "{}: {checked:?}", line.escape_ascii());
            // The version decides on the status of the response.
            if kind == HeadKind::Request {
                let is_version_error = matches!(checked, Err(super::HeadError::Version { .. }));
                let expected = parsed == Err(httparse::Error::Version);
                assert_eq!(is_version_error, expected, "{}", line.escape_ascii());
            }
        };
        for (kind, line) in valid {
            for at in 0..line.len() - 1 {
                for byte in 0..=255 {
                    // The reader removes line ends before the first line.
                    if at == 0 && matches!(byte, b'\r' | b'\n') {
                        continue;
                    }
                    let mut changed = line.to_vec();
                    changed[at] = byte;
                    assert_agrees(kind, &changed);
                    changed.insert(at, line[at]);
                    assert_agrees(kind, &changed);
                }
                let mut shorter = line.to_vec();
                shorter.remove(at);
                assert_agrees(kind, &shorter);
                let mut shortest = line[..at].to_vec();
                shortest.push(b'\n');
                if at > 0 {
                    assert_agrees(kind, &shortest);
                }
            }
        }
    }

    /// R137: no byte is searched twice when a head arrives in single bytes (F07).
    #[test]
    fn f07_a_dripping_head_is_searched_once() {
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
