//! Parses complete heads with `httparse`.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use super::head_error::{HeadError, HeadKind};

/// The number of header fields that are parsed without an allocation.
const MAX_FIELDS_ON_STACK: usize = 128;

/// Parses a complete request head and calls `then` with it.
pub(crate) fn parse_request<T, E: From<HeadError>>(
    head: &[u8],
    max_headers: usize,
    then: impl FnOnce(&httparse::Request<'_, '_>) -> Result<T, E>,
) -> Result<T, E> {
    with_slots(head, max_headers, |slots| {
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(head, slots);
        check_parsed(HeadKind::Request, head, max_headers, parsed)?;
        then(&request)
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
    parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'h>>]) -> T,
) -> T {
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

/// Checks what the parser returns. The parser and [`HeadReader`](super::head_reader::HeadReader)
/// must find the same end of the head.
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
