//! The law of a client: any response.

use sockless::{Event, ProtocolError, Role, frame::ReservedBits};

use super::Options;
use crate::{
    feed,
    heads::CLIENT_ACCEPT,
    laws::heads::{self, Found, Head, HeadLimits},
    peer_of,
};

/// The outcome of any response of a server does not depend on the cuts. It opens the connection if
/// and only if a slow check accepts it; another status is a refusal with the body that the check
/// reads. A client sends nothing, and the memory is bounded by the limits.
pub fn handshake_response(data: &[u8]) {
    let (options, input) = Options::read(data);
    let outcome = options.run(Role::Client, input);
    let mut client = options.open(Role::Client);
    feed(&mut client, input);
    let eof = client.receive_eof();
    match expected_response(options, input) {
        Response::Incomplete => {
            assert_eq!(
                (outcome.events, outcome.error, &outcome.out[..]),
                (vec![], None, &[][..])
            );
            assert_eq!(eof, Err(Box::new(ProtocolError::HandshakeEof)));
        }
        Response::Invalid => {
            assert!(matches!(outcome.error, Some(ProtocolError::Response(_))), "{outcome:?}");
            assert_eq!((outcome.events, &outcome.out[..]), (vec![], &[][..]));
        }
        Response::Open {
            head,
            subprotocol,
            frames,
        } => {
            let mut events = outcome.events.into_iter();
            let Some(Event::Open(response)) = events.next() else {
                panic!("{:?}", outcome.error);
            };
            let fields = response
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_vec()));
            assert_eq!((response.status(), fields.collect::<Vec<_>>()), (101, head.fields));
            assert_eq!(response.subprotocol(), subprotocol);
            // What follows is frames.
            let mut negotiated = sockless::handshake::Negotiated::default();
            if response.extensions().next().is_some() {
                negotiated.reserved = ReservedBits::RSV2;
            }
            let mut open = crate::upgraded(Role::Client, &negotiated, options.config());
            let rest = feed(&mut open, frames);
            assert_eq!((events.collect::<Vec<_>>(), outcome.error), (rest.events, rest.error));
            let sent = |bytes: &[u8]| crate::frames(peer_of(Role::Server), bytes);
            assert_eq!(sent(&outcome.out), sent(&rest.out));
        }
        Response::Refused {
            status,
            body,
            is_complete,
        } => {
            assert_eq!((outcome.error, &outcome.out[..]), (None, &[][..]));
            let refusal = match (is_complete, outcome.events.into_iter().next(), eof) {
                (Some(_), Some(Event::Refused(refusal)), Ok(None)) => refusal,
                (None, None, Ok(Some(Event::Refused(refusal)))) => refusal,
                other => panic!("{other:?}"),
            };
            assert_eq!((refusal.response.status(), &refusal.body), (status, &body));
            if let Some(is_complete) = is_complete {
                assert_eq!(refusal.is_complete, is_complete);
            }
        }
    }
}

/// What a slow check says of a response.
pub(in crate::laws) enum Response<'a> {
    Incomplete,
    Invalid,
    Open {
        head: Head,
        subprotocol: Option<&'static str>,
        frames: &'a [u8],
    },
    /// `None`: the end of the body has not arrived.
    Refused {
        status: u16,
        body: Vec<u8>,
        is_complete: Option<bool>,
    },
}

/// RFC 6455, section 4.1, and RFC 9112, with the strictness that docs/DESIGN.md describes.
fn expected_response(options: Options, input: &[u8]) -> Response<'_> {
    let (status, head, rest) = match final_head(input, options.limits) {
        Ok(found) => found,
        Err(Found::Incomplete) => return Response::Incomplete,
        Err(_) => return Response::Invalid,
    };
    if status != 101 {
        return refused(options, status, &head, rest);
    }
    match accepted(options, &head) {
        Some(subprotocol) => Response::Open {
            head,
            subprotocol,
            frames: rest,
        },
        None => Response::Invalid,
    }
}

/// The status and the head of the response that follows the interim ones, and what follows it.
pub(in crate::laws) fn final_head(input: &[u8], mut limits: HeadLimits) -> Result<(u16, Head, &[u8]), Found> {
    let mut rest = input;
    loop {
        let head = match heads::read(rest, limits, is_status_line) {
            Found::Head(head) => head,
            found => return Err(found),
        };
        rest = &rest[head.len..];
        match head.words[1].parse().unwrap() {
            // All heads together stay within the limit.
            100 | 102..=199 => limits.bytes -= head.len,
            status => return Ok((status, head, rest)),
        }
    }
}

/// Whether a line is a status line (RFC 9112, section 4).
fn is_status_line(words: &[&[u8]]) -> bool {
    let is_reason = |reason: &[u8]| reason.iter().all(|byte| *byte == b'\t' || *byte >= 32 && *byte != 127);
    match words {
        [version, status, reason @ ..] => {
            (*version == b"HTTP/1.0" || *version == b"HTTP/1.1")
                && status.len() == 3
                && status.iter().all(u8::is_ascii_digit)
                && reason.iter().all(|reason| is_reason(reason))
        }
        _ => false,
    }
}

/// The subprotocol of an acceptance, if it is one.
fn accepted(options: Options, head: &Head) -> Option<Option<&'static str>> {
    let upgrade = head.values("upgrade");
    let is_valid = head.words[0] == "HTTP/1.1"
        && matches!(upgrade[..], [value] if value.eq_ignore_ascii_case(b"websocket"))
        && head.names("connection", "upgrade")
        && head.values("sec-websocket-accept") == [CLIENT_ACCEPT.as_bytes()];
    accepted_offers(options, head).filter(|_| is_valid)
}

/// The subprotocol of an acceptance, if what it accepts was offered.
pub(in crate::laws) fn accepted_offers(options: Options, head: &Head) -> Option<Option<&'static str>> {
    let mut extensions = Vec::new();
    for value in head.values("sec-websocket-extensions") {
        extensions.extend(heads::extensions(value)?);
    }
    let allowed = if options.offers_extension { &["x-own"][..] } else { &[] };
    let are_offered = extensions.len() <= allowed.len()
        && extensions.iter().all(|(name, _)| allowed.contains(&&name[..]))
        && !head.has_only_commas("sec-websocket-extensions");
    let offered = if options.offers_subprotocols {
        &["a", "b"][..]
    } else {
        &[]
    };
    let subprotocol = match head.values("sec-websocket-protocol")[..] {
        [] | [b""] if options.requires_subprotocol && !offered.is_empty() => return None,
        [] | [b""] => None,
        [_] => match &head.list("sec-websocket-protocol").1[..] {
            [chosen] => Some(*offered.iter().find(|offered| offered.as_bytes() == chosen)?),
            _ => return None,
        },
        _ => return None,
    };
    are_offered.then_some(subprotocol)
}

/// The body of a refusal (RFC 9112, section 6.3).
pub(in crate::laws) fn refused<'a>(options: Options, status: u16, head: &Head, rest: &[u8]) -> Response<'a> {
    let max = options.max_body;
    let cut = |bytes: &[u8]| bytes[..max.min(bytes.len())].to_vec();
    let refused = |body: Vec<u8>, is_complete| Response::Refused {
        status,
        body,
        is_complete,
    };
    if matches!(status, 204 | 304) {
        return refused(vec![], Some(true));
    }
    if !head.values("transfer-encoding").is_empty() {
        if head.names("transfer-encoding", "chunked") {
            return chunked(status, rest, max);
        }
        return refused(cut(rest), (rest.len() > max).then_some(false));
    }
    let (_, lengths) = head.list("content-length");
    if head.values("content-length").is_empty() {
        return refused(cut(rest), (rest.len() > max).then_some(false));
    }
    let parse = |text: &Vec<u8>| {
        let is_number = text.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(text)
            .ok()
            .filter(|_| is_number)?
            .parse::<u64>()
            .ok()
    };
    let Some(lengths) = lengths.iter().map(parse).collect::<Option<Vec<_>>>() else {
        return Response::Invalid;
    };
    match lengths[..] {
        [] => Response::Invalid,
        [first, ref others @ ..] if others.iter().all(|other| *other == first) => {
            let len = usize::try_from(first).unwrap_or(usize::MAX).min(rest.len());
            let body = &rest[..len];
            let is_complete = if len > max {
                Some(false)
            } else {
                (body.len() as u64 == first).then_some(true)
            };
            refused(cut(body), is_complete)
        }
        _ => Response::Invalid,
    }
}

/// A body in chunks (RFC 9112, section 7.1).
fn chunked<'a>(status: u16, rest: &[u8], max: usize) -> Response<'a> {
    let mut body = Vec::new();
    let is_complete = match chunks(rest, max, &mut body) {
        Ok(is_within_limit) => Some(is_within_limit),
        Err(ChunkError::Incomplete) => None,
        Err(ChunkError::Invalid) => return Response::Invalid,
    };
    body.truncate(max);
    Response::Refused {
        status,
        body,
        is_complete,
    }
}

enum ChunkError {
    Incomplete,
    Invalid,
}

/// Appends the content of chunks to `body`, up to the last one, or until there is more than `max`.
/// Returns whether the body is within this limit.
fn chunks(mut rest: &[u8], max: usize, body: &mut Vec<u8>) -> Result<bool, ChunkError> {
    loop {
        let line = take_line(&mut rest)?;
        let (digits, after) = line.split_at(line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count());
        if digits.is_empty() || digits.len() > 16 || !is_rest_of_chunk_size(after) {
            return Err(ChunkError::Invalid);
        }
        let size = u64::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        if size == 0 {
            return Ok(true);
        }
        let taken = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        body.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
        if body.len() > max {
            return Ok(false);
        }
        if (taken as u64) < size {
            return Err(ChunkError::Incomplete);
        }
        if !take_line(&mut rest)?.trim_ascii_end().is_empty() {
            return Err(ChunkError::Invalid);
        }
    }
}

/// Removes the first line, with its LF, which at most 256 bytes precede.
fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], ChunkError> {
    let end = rest.iter().position(|byte| *byte == b'\n');
    if end.unwrap_or(rest.len()) > 256 {
        return Err(ChunkError::Invalid);
    }
    let (line, after) = rest.split_at(end.ok_or(ChunkError::Incomplete)? + 1);
    *rest = after;
    Ok(line)
}

/// What may follow the digits of a chunk size: white space, an extension, and the end of the line.
fn is_rest_of_chunk_size(after: &[u8]) -> bool {
    let Some(line) = after.strip_suffix(b"\r\n") else {
        return false;
    };
    let spaces = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line = &line[spaces..];
    line.is_empty() || line.starts_with(b";") && !line.contains(&b'\r')
}
