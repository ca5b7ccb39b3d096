//! The responses of a server to an opening handshake (RFC 6455, section 4.2.2).

use alloc::{format, vec::Vec};

use super::{
    accept::Accept,
    fields::{check_rejection_header, connection_of_rejection, headers_of_status},
    negotiated::Negotiated,
    request::Request,
};
use crate::{
    deflate::DeflateConfig,
    error::{LocalHandshakeError, RequestError},
    http::write_field,
};

/// Appends the response with status 101 that accepts the request.
pub(crate) fn write_acceptance(
    request: &Request<'_>,
    accept: &Accept<'_>,
    deflate: Option<&DeflateConfig>,
    out: &mut Vec<u8>,
) -> Result<Negotiated, LocalHandshakeError> {
    let start = out.len();
    // Enough for most responses, so that `out` grows once.
    out.reserve(256);
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    let negotiated = request.write_acceptance_fields(accept, deflate, |name, value| write_field(out, name, value));
    match &negotiated {
        Ok(_) => out.extend_from_slice(b"\r\n"),
        Err(_) => out.truncate(start),
    }
    negotiated
}

/// Appends a response that rejects the request and closes the connection.
///
/// The connection cannot be used again: an intermediary may take the bytes after the request for
/// another request, or for frames.
///
/// With `to_head`, the body is not sent: "The server MUST NOT send content in the response" to HEAD
/// (RFC 9110, section 9.3.2). The header fields are those of the response with the body.
pub(crate) fn write_rejection(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    to_head: bool,
    out: &mut Vec<u8>,
) -> Result<(), LocalHandshakeError> {
    if !(200..600).contains(&status) {
        return Err(LocalHandshakeError::InvalidStatus { status });
    }
    if matches!(status, 204 | 205 | 304) && !body.is_empty() {
        return Err(LocalHandshakeError::BodyNotAllowed { status });
    }
    for (name, value) in headers {
        check_rejection_header(name, value)?;
    }
    let head = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status));
    out.extend_from_slice(head.as_bytes());
    for (name, value) in headers {
        write_field(out, name, value.as_bytes());
    }
    // "A server MUST NOT send a Content-Length header field in any response with a status code of
    // ... 204" (RFC 9110, section 8.6). With 304 it would be the length of another body.
    if !matches!(status, 204 | 304) {
        write_field(out, "Content-Length", format!("{}", body.len()).as_bytes());
    }
    write_field(out, "Connection", connection_of_rejection(headers).as_bytes());
    out.extend_from_slice(b"\r\n");
    if !to_head {
        out.extend_from_slice(body);
    }
    Ok(())
}

/// Appends the response to an invalid request. Its body is the text of the error, which is not sent
/// with `to_head`.
pub(crate) fn write_error(error: RequestError, to_head: bool, out: &mut Vec<u8>) {
    let mut headers: Vec<(&str, &str)> = Vec::new();
    headers.push(("Content-Type", "text/plain; charset=utf-8"));
    headers.extend(headers_of_status(error.status()));
    let body = format!("{error}\n");
    // The status and the fields are valid.
    let _written = write_rejection(error.status(), &headers, body.as_bytes(), to_head, out);
}

/// Returns the usual reason phrase of a status. Clients ignore it (RFC 9112, section 4).
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
