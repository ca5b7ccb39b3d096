//! The responses of a server to an opening handshake (RFC 6455, section 4.2.2).

use alloc::{format, string::String, vec::Vec};

use super::{
    accept::Accept,
    accept_key::accept_key,
    fields::{check_added_header, check_rejection_header, connection_of_rejection, headers_of_status},
    negotiated::Negotiated,
    own_extensions,
    request::Request,
};
use crate::{
    config::Config,
    deflate::{DeflateConfig, negotiation},
    error::{Excerpt, LocalHandshakeError, RequestError},
    frame::ReservedBits,
    http::write_field,
};

impl Request<'_> {
    /// Returns the status of the response that accepts the request: 101, or 200 for a request over
    /// HTTP/2 or HTTP/3 (RFC 8441, section 5).
    #[must_use]
    pub const fn acceptance_status(&self) -> u16 {
        if self.is_connect() { 200 } else { 101 }
    }

    /// Returns the headers of the response that accepts the request, for a server that uses another
    /// HTTP implementation. Its status is [`acceptance_status`](Self::acceptance_status).
    ///
    /// If [`Accept::config`] is set, it counts here, and not `config`; the caller passes it to
    /// [`upgraded_server`](crate::Connection::upgraded_server) too.
    ///
    /// Over HTTP/2 and HTTP/3, their names are lower-case, and there is no `Upgrade`, `Connection`
    /// or `Sec-WebSocket-Accept`.
    ///
    /// # Errors
    /// Returns the same errors as [`Connection::accept`](crate::Connection::accept).
    pub fn acceptance(
        &self,
        accept: &Accept<'_>,
        config: &Config,
    ) -> Result<(Vec<(String, String)>, Negotiated), LocalHandshakeError> {
        let mut headers = Vec::new();
        let negotiated = self.write_acceptance_fields(accept, config.deflate_settings(), |name, value| {
            let name = if self.is_connect() {
                name.to_ascii_lowercase()
            } else {
                name.into()
            };
            headers.push((name, String::from_utf8_lossy(value).into_owned()));
        })?;
        Ok((headers, negotiated))
    }

    /// Checks the acceptance, then calls `write_field` with each header field of the response (RFC
    /// 6455, section 4.2.2, step 5).
    fn write_acceptance_fields(
        &self,
        accept: &Accept<'_>,
        deflate: Option<&DeflateConfig>,
        mut write_field: impl FnMut(&str, &[u8]),
    ) -> Result<Negotiated, LocalHandshakeError> {
        let reserved = self.check_acceptance(accept)?;
        if !self.is_connect() {
            write_field("Upgrade", b"websocket");
            write_field("Connection", b"Upgrade");
            write_field("Sec-WebSocket-Accept", &accept_key(self.key()));
        }
        if let Some(subprotocol) = accept.chosen_subprotocol() {
            write_field("Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        if let Some(response) = accept.forwarded() {
            for value in response.headers().get_all("sec-websocket-extensions") {
                write_field("Sec-WebSocket-Extensions", value);
            }
        }
        let own = accept.own_extensions();
        let deflate = accept
            .deflate(deflate)
            .filter(|_| {
                let mut names = own.iter().filter_map(|(text, _)| own_extensions::parse(text).ok());
                !reserved.rsv1 && !names.any(|extension| extension.name() == negotiation::NAME)
            })
            .and_then(|config| negotiation::accept(config, self.extensions()));
        let deflate_answer = deflate.as_ref().map(|(answer, _)| answer.as_str());
        let own_answers = own.iter().map(|(text, _)| *text);
        if let Some(value) = own_extensions::join(own_answers, deflate_answer) {
            write_field("Sec-WebSocket-Extensions", value.as_bytes());
        }
        for (name, value) in accept.added_headers() {
            write_field(name, value.as_bytes());
        }
        Ok(Negotiated::new(
            accept.chosen_subprotocol().map(Into::into),
            deflate.as_ref().map(|(_, params)| *params),
            reserved,
        ))
    }

    /// Returns the reserved bits of the caller's own extensions, if the request can be accepted
    /// like that.
    fn check_acceptance(&self, accept: &Accept<'_>) -> Result<ReservedBits, LocalHandshakeError> {
        if !self.is_upgrade() {
            return Err(LocalHandshakeError::NotAnUpgrade);
        }
        self.check_origin(accept)
            .map_err(|error| LocalHandshakeError::NotAllowed { error })?;
        if let Some(chosen) = accept.chosen_subprotocol() {
            if !self.subprotocols().any(|offered| offered == chosen) {
                return Err(LocalHandshakeError::SubprotocolNotOffered {
                    subprotocol: Excerpt::new(chosen.as_bytes()),
                });
            }
        }
        if let Some(response) = accept.forwarded() {
            own_extensions::check_forwarded(response.extensions(), self.extensions())?;
        }
        for (name, value) in accept.added_headers() {
            check_added_header(self.is_connect(), name, value)?;
        }
        let own = accept.own_extensions();
        if own.is_empty() {
            return Ok(ReservedBits::NONE);
        }
        own_extensions::check_answers(own, self.extensions())
    }
}

/// Appends the response with status 101 that accepts the request.
pub(crate) fn write_acceptance(
    request: &Request<'_>,
    accept: &Accept<'_>,
    deflate: Option<&DeflateConfig>,
    out: &mut Vec<u8>,
) -> Result<Negotiated, LocalHandshakeError> {
    if request.is_connect() {
        return Err(LocalHandshakeError::ExtendedConnect);
    }
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
