//! The errors of a head, and the check of its first line.

use super::syntax::{find, is_field_value, is_token, split_line};
use crate::error::Excerpt;

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
    pub(super) fn check_first_line(self, line: &[u8]) -> Result<(), HeadError> {
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
    pub(super) fn error(self, head: &[u8]) -> HeadError {
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

#[cfg(test)]
mod tests {
    use super::{HeadError, HeadKind};

    /// The first line is checked before the head is complete, so a line that the parser accepts
    /// must not be rejected, and one that it rejects must be.
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
                let is_version_error = matches!(checked, Err(HeadError::Version { .. }));
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
}
