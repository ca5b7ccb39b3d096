//! The body of a response that refuses the handshake (RFC 9112, sections 6 and 7).

use alloc::vec::Vec;

use super::response::Response;
use crate::{
    error::{Excerpt, ResponseError},
    http::{ContentLengthError, content_length, list_has},
    input::take,
};

/// The length in bytes of the longest line between two chunks, without its line end: 16 digits and
/// some chunk extensions, which no one uses.
const MAX_CHUNK_LINE_LEN: usize = 256;

/// Collects the body of a refusal, up to a limit.
pub(crate) struct RefusalBody {
    next: NextPart,
    data: Vec<u8>,
    limit: usize,
}

/// The next part of the body.
enum NextPart {
    /// This number of bytes, then the body ends.
    Remaining(u64),
    /// Bytes until the transport ends.
    UntilEof,
    /// This number of bytes of a chunk.
    Chunk(u64),
    /// The line end after a chunk, with the bytes of it that have arrived.
    ChunkEnd(Vec<u8>),
    /// The line with the size of the next chunk, with the bytes of it that have arrived.
    ChunkSize(Vec<u8>),
}

/// Whether a body is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyProgress {
    Incomplete,
    Complete,
    /// The body is longer than the limit.
    Truncated,
}

impl RefusalBody {
    /// Creates the empty body of a response, of which at most `limit` bytes are kept.
    pub(crate) fn new(response: &Response<'_>, limit: usize) -> Result<Self, ResponseError> {
        let headers = response.headers();
        let next = if matches!(response.status(), 204 | 304) {
            NextPart::Remaining(0)
        } else if headers.get("transfer-encoding").is_some() {
            // Transfer-Encoding overrides Content-Length.
            let mut codings = headers.get_all("transfer-encoding");
            if codings.any(|value| list_has(value, "chunked")) {
                NextPart::ChunkSize(Vec::new())
            } else {
                NextPart::UntilEof
            }
        } else if let Some(length) = content_length(headers.get_all("content-length"))? {
            NextPart::Remaining(length)
        } else {
            NextPart::UntilEof
        };
        Ok(Self {
            next,
            data: Vec::new(),
            limit,
        })
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Returns whether the body ends with the transport.
    pub(crate) const fn ends_with_transport(&self) -> bool {
        matches!(self.next, NextPart::UntilEof)
    }

    /// Takes the next bytes of the body off the front of `input`.
    pub(crate) fn read(&mut self, input: &mut &mut [u8]) -> Result<BodyProgress, ResponseError> {
        loop {
            if matches!(self.next, NextPart::Remaining(0)) {
                return Ok(BodyProgress::Complete);
            }
            if input.is_empty() {
                return Ok(BodyProgress::Incomplete);
            }
            let next = match &mut self.next {
                NextPart::Remaining(len) => {
                    let rest = *len - keep(&mut self.data, self.limit, input, *len);
                    NextPart::Remaining(rest)
                }
                NextPart::UntilEof => {
                    keep(&mut self.data, self.limit, input, u64::MAX);
                    NextPart::UntilEof
                }
                NextPart::Chunk(len) => match *len - keep(&mut self.data, self.limit, input, *len) {
                    0 => NextPart::ChunkEnd(Vec::new()),
                    rest => NextPart::Chunk(rest),
                },
                NextPart::ChunkEnd(line) => {
                    if !read_line(line, input)? {
                        continue;
                    }
                    if !line.trim_ascii_end().is_empty() {
                        return Err(ResponseError::MissingChunkEnd);
                    }
                    NextPart::ChunkSize(Vec::new())
                }
                NextPart::ChunkSize(line) => {
                    if !read_line(line, input)? {
                        continue;
                    }
                    match parse_chunk_size(line)? {
                        // Only trailers follow the last chunk. They are not read.
                        0 => NextPart::Remaining(0),
                        size => NextPart::Chunk(size),
                    }
                }
            };
            self.next = next;
            if self.data.len() > self.limit {
                self.data.truncate(self.limit);
                return Ok(BodyProgress::Truncated);
            }
        }
    }
}

/// Takes at most `len` bytes off the front of `input` and appends them to `data`. Returns their
/// number.
///
/// `data` grows to at most one byte more than the limit. That byte shows that the body is longer.
fn keep(data: &mut Vec<u8>, limit: usize, input: &mut &mut [u8], len: u64) -> u64 {
    let room = limit.saturating_add(1) - data.len();
    let taken = take(
        input,
        usize::try_from(len).unwrap_or(usize::MAX).min(room).min(input.len()),
    );
    data.extend_from_slice(taken);
    taken.len() as u64
}

/// Appends bytes to `line` up to its line end. Returns whether the line is complete.
fn read_line(line: &mut Vec<u8>, input: &mut &mut [u8]) -> Result<bool, ResponseError> {
    while let Some(&byte) = input.first() {
        take(input, 1);
        line.push(byte);
        if byte == b'\n' {
            return Ok(true);
        }
        if line.len() > MAX_CHUNK_LINE_LEN {
            return Err(ResponseError::ChunkLineTooLong {
                limit: MAX_CHUNK_LINE_LEN,
            });
        }
    }
    Ok(false)
}

/// Parses `chunk-size [ chunk-ext ] CRLF`, where `chunk-size = 1*HEXDIG`.
fn parse_chunk_size(line: &[u8]) -> Result<u64, ResponseError> {
    // The parser takes a line without a digit for the size 0.
    let has_digit = line.first().is_some_and(u8::is_ascii_hexdigit);
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, size))) if has_digit => Ok(size),
        _ => Err(ResponseError::InvalidChunkSize {
            line: Excerpt::new(line.trim_ascii_end()),
        }),
    }
}

impl From<ContentLengthError<'_>> for ResponseError {
    fn from(error: ContentLengthError<'_>) -> Self {
        match error {
            ContentLengthError::Invalid(value) => Self::InvalidContentLength {
                value: Excerpt::new(value),
            },
            ContentLengthError::Different(value) => Self::DifferentContentLengths {
                value: Excerpt::new(value),
            },
        }
    }
}
