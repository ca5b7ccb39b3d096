//! How a server answers an opening handshake (RFC 6455, section 4.2.2).

use alloc::{format, vec::Vec};

use super::{accept::Accept, fields::check_header, negotiated::Negotiated, request::Request};
use crate::{
    deflate::DeflateConfig,
    error::{LocalHandshakeError, RequestError},
    http::write_field,
};

/// Writes the 101 that accepts the request.
pub(crate) fn write_acceptance(
    request: &Request<'_>,
    accept: &Accept<'_>,
    deflate: Option<&DeflateConfig>,
    out: &mut Vec<u8>,
) -> Result<Negotiated, LocalHandshakeError> {
    let start = out.len();
    // What most answers take, so that the output grows once.
    out.reserve(256);
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    let negotiated = request.accept_fields(accept, deflate, |name, value| write_field(out, name, value));
    match &negotiated {
        Ok(_) => out.extend_from_slice(b"\r\n"),
        Err(_) => out.truncate(start),
    }
    negotiated
}

/// Writes a response that refuses the upgrade and ends the connection: what follows it on the transport would be
/// ambiguous otherwise.
pub(crate) fn write_rejection(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), LocalHandshakeError> {
    if !(200..600).contains(&status) || (matches!(status, 204 | 205 | 304) && !body.is_empty()) {
        return Err(LocalHandshakeError::Status);
    }
    for (name, value) in headers {
        check_header(name, value.as_bytes())?;
        if ["connection", "content-length", "transfer-encoding"]
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(LocalHandshakeError::ReservedHeader);
        }
    }
    let head = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status));
    out.extend_from_slice(head.as_bytes());
    for (name, value) in headers {
        write_field(out, name, value.as_bytes());
    }
    // "A server MUST NOT send a Content-Length header field in any response with a status code of ... 204" (RFC 9110,
    // section 8.6); with 304 it would tell the length of another body.
    if !matches!(status, 204 | 304) {
        write_field(out, "Content-Length", format!("{}", body.len()).as_bytes());
    }
    // "A sender of Upgrade MUST also send an "Upgrade" connection option" (RFC 9110, section 7.8)
    let upgrade = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
    write_field(out, "Connection", if upgrade { b"close, Upgrade" } else { b"close" });
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    Ok(())
}

/// Writes the answer to a request that breaks a rule.
pub(crate) fn write_error(error: RequestError, out: &mut Vec<u8>) {
    let mut headers: Vec<(&str, &str)> = Vec::new();
    headers.push(("Content-Type", "text/plain; charset=utf-8"));
    match error.status() {
        405 => headers.push(("Allow", "GET")),
        // "an |Upgrade| header field" is due with 426 (RFC 9110, section 15.5.22), and the supported versions
        // with a version that is not (RFC 6455, section 4.4).
        426 => headers.extend([("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]),
        _ => {}
    }
    let body = format!("{error}\n");
    // The fields above are valid, so that nothing is refused here.
    let _written = write_rejection(error.status(), &headers, body.as_bytes(), out);
}

/// The usual phrase of a status; it has no meaning to a client (RFC 9112, section 4).
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
