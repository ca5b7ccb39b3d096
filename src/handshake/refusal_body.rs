//! The body of a response that refuses the handshake, as far as it is kept (RFC 9112, sections 6 and 7).

use alloc::vec::Vec;

use super::response::Response;
use crate::{
    error::ResponseError,
    http::{list_has, take},
};

/// The longest line that announces a chunk, in bytes: 16 digits and some extensions that nobody uses.
const MAX_CHUNK_LINE: usize = 256;

/// Collects the body of a refusal.
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    data: Vec<u8>,
    limit: usize,
}

/// What comes next.
#[derive(Debug)]
enum Framing {
    /// So many bytes, and then the body ends.
    Length(u64),
    /// Bytes until the transport ends.
    Eof,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The empty line behind a chunk.
    ChunkEnd(Vec<u8>),
    /// The line that announces a chunk.
    ChunkSize(Vec<u8>),
}

/// How far collecting has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Incomplete,
    Complete,
    /// There is more than the limit allows to keep.
    Truncated,
}

impl Body {
    pub(crate) fn of(response: &Response<'_>, limit: usize) -> Result<Self, ResponseError> {
        let headers = response.headers();
        let mut lengths = headers.all("content-length");
        let framing = if matches!(response.status(), 204 | 304) {
            Framing::Length(0)
        } else if headers.get("transfer-encoding").is_some() {
            // It overrides the length.
            match headers.all("transfer-encoding").any(|value| list_has(value, "chunked")) {
                true => Framing::ChunkSize(Vec::new()),
                false => Framing::Eof,
            }
        } else if let Some(length) = lengths.next() {
            if lengths.any(|other| other != length) {
                return Err(ResponseError::Body);
            }
            Framing::Length(parse_length(length).ok_or(ResponseError::Body)?)
        } else {
            Framing::Eof
        };
        Ok(Self {
            framing,
            data: Vec::new(),
            limit,
        })
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Whether the end of the transport is the end of the body.
    pub(crate) const fn ends_with_transport(&self) -> bool {
        matches!(self.framing, Framing::Eof)
    }

    /// Takes the next bytes of the body off the front of `input`.
    pub(crate) fn read(&mut self, input: &mut &mut [u8]) -> Result<Progress, ResponseError> {
        loop {
            if matches!(self.framing, Framing::Length(0)) {
                return Ok(Progress::Complete);
            }
            if input.is_empty() {
                return Ok(Progress::Incomplete);
            }
            let next = match &mut self.framing {
                Framing::Length(rest) => {
                    let rest = *rest - keep(&mut self.data, self.limit, input, *rest);
                    Framing::Length(rest)
                }
                Framing::Eof => {
                    keep(&mut self.data, self.limit, input, u64::MAX);
                    Framing::Eof
                }
                Framing::Chunk(rest) => match *rest - keep(&mut self.data, self.limit, input, *rest) {
                    0 => Framing::ChunkEnd(Vec::new()),
                    rest => Framing::Chunk(rest),
                },
                Framing::ChunkEnd(line) => {
                    if !read_line(line, input)? {
                        continue;
                    }
                    if line.trim_ascii_end().is_empty() {
                        Framing::ChunkSize(Vec::new())
                    } else {
                        return Err(ResponseError::Body);
                    }
                }
                Framing::ChunkSize(line) => {
                    if !read_line(line, input)? {
                        continue;
                    }
                    if !line.first().is_some_and(u8::is_ascii_hexdigit) {
                        return Err(ResponseError::Body);
                    }
                    match httparse::parse_chunk_size(line) {
                        // What follows the last chunk are trailers; nobody waits for them.
                        Ok(httparse::Status::Complete((_, 0))) => Framing::Length(0),
                        Ok(httparse::Status::Complete((_, size))) => Framing::Chunk(size),
                        _ => return Err(ResponseError::Body),
                    }
                }
            };
            self.framing = next;
            if self.data.len() > self.limit {
                self.data.truncate(self.limit);
                return Ok(Progress::Truncated);
            }
        }
    }
}

/// Takes up to `rest` bytes and keeps them, one more than the limit at most: that one tells that there are more.
fn keep(data: &mut Vec<u8>, limit: usize, input: &mut &mut [u8], rest: u64) -> u64 {
    let room = limit.saturating_add(1) - data.len();
    let taken = take(
        input,
        usize::try_from(rest).unwrap_or(usize::MAX).min(room).min(input.len()),
    );
    data.extend_from_slice(taken);
    taken.len() as u64
}

/// Takes bytes up to the end of the line; whether it is there.
fn read_line(line: &mut Vec<u8>, input: &mut &mut [u8]) -> Result<bool, ResponseError> {
    while let Some(&byte) = input.first() {
        take(input, 1);
        line.push(byte);
        if byte == b'\n' {
            return Ok(true);
        }
        if line.len() > MAX_CHUNK_LINE {
            return Err(ResponseError::Body);
        }
    }
    Ok(false)
}

/// `Content-Length = 1*DIGIT`
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}
