//! The server's check of a request (RFC 6455, section 4.2.1).

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    fields::check_subprotocols,
    url::{AuthorityError, public_excerpt, split_authority},
};
use crate::{
    error::{Excerpt, RequestError},
    extensions::parse_extensions,
    http::{list_elements, list_has},
};

/// Checks the request line (RFC 6455, section 4.2.1, item 1). `minor_version` is that of HTTP/1, 0
/// or 1.
pub(super) fn check_request_line(method: &str, target: &str, minor_version: Option<u8>) -> Result<(), RequestError> {
    if method != "GET" {
        return Err(RequestError::UnsupportedMethod {
            method: Excerpt::new(method.as_bytes()),
        });
    }
    if minor_version != Some(1) {
        return Err(RequestError::UnsupportedHttpVersion {
            version: Excerpt::new(b"HTTP/1.0"),
        });
    }
    let has_scheme = |scheme: &str| {
        let front = target.get(..scheme.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(scheme)) && target.len() > scheme.len()
    };
    if !(target.starts_with('/') || has_scheme("http://") || has_scheme("https://")) {
        return Err(RequestError::InvalidTarget {
            target: public_excerpt(target),
        });
    }
    let is_allowed = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    match target.bytes().find(|byte| !is_allowed(byte)) {
        None => Ok(()),
        Some(byte) => Err(RequestError::InvalidTargetByte {
            target: public_excerpt(target),
            byte,
        }),
    }
}

/// Checks the header fields (RFC 6455, section 4.2.1, items 2 to 6, and sections 9.1 and 11.3).
///
/// Returns the key. Returns `None` for a request that is not a WebSocket handshake, if
/// `plain_requests` allows it.
pub(super) fn check_headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    plain_requests: bool,
) -> Result<Option<&'a [u8]>, RequestError> {
    let mut host = HeaderValues::default();
    let mut origin = HeaderValues::default();
    let mut key = HeaderValues::default();
    let mut version = HeaderValues::default();
    let (mut has_upgrade, mut has_connection, mut has_body) = (false, false, false);
    let (mut has_subprotocols, mut extensions_are_valid) = (false, true);
    for (name, value) in headers.clone() {
        // Few names have the same length, so most are not compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => host.add(value),
            6 if name.eq_ignore_ascii_case("origin") => origin.add(value),
            7 if name.eq_ignore_ascii_case("upgrade") => has_upgrade |= list_has(value, "websocket"),
            10 if name.eq_ignore_ascii_case("connection") => has_connection |= list_has(value, "upgrade"),
            14 if name.eq_ignore_ascii_case("content-length") => has_body |= value != b"0",
            17 if name.eq_ignore_ascii_case("transfer-encoding") => has_body = true,
            17 if name.eq_ignore_ascii_case("sec-websocket-key") => key.add(value),
            21 if name.eq_ignore_ascii_case("sec-websocket-version") => version.add(value),
            22 if name.eq_ignore_ascii_case("sec-websocket-protocol") => has_subprotocols = true,
            24 if name.eq_ignore_ascii_case("sec-websocket-extensions") => {
                extensions_are_valid &= parse_extensions(value).all(|extension| extension.is_ok());
            }
            _ => {}
        }
    }
    if !host.only().is_some_and(is_host) {
        return Err(host_error(&host));
    }
    // An unreadable origin must not be taken for a missing one.
    if origin.count > 1 || !origin.last.is_ascii() {
        return Err(if origin.count > 1 {
            RequestError::RepeatedOrigin
        } else {
            RequestError::InvalidOrigin {
                origin: public_excerpt(origin.last),
            }
        });
    }
    // The bytes after the head belong to the WebSocket. A body would be taken for frames.
    if has_body {
        return Err(body_error(headers));
    }
    if plain_requests && !has_upgrade {
        return Ok(None);
    }
    if !has_upgrade {
        return Err(match first_value(headers, "upgrade") {
            None => RequestError::MissingUpgrade,
            Some(value) => RequestError::InvalidUpgrade { value },
        });
    }
    if !has_connection {
        return Err(match first_value(headers, "connection") {
            None => RequestError::MissingConnection,
            Some(value) => RequestError::InvalidConnection { value },
        });
    }
    if version.only() != Some(b"13") {
        return Err(match version.count {
            0 => RequestError::MissingVersion,
            1 => RequestError::UnsupportedVersion {
                version: Excerpt::new(version.last),
            },
            _ => RequestError::RepeatedVersion,
        });
    }
    let Some(key) = key.only().filter(|key| is_key(key)) else {
        return Err(match key.count {
            0 => RequestError::MissingKey,
            1 => RequestError::InvalidKey { len: key.last.len() },
            _ => RequestError::RepeatedKey,
        });
    };
    if has_subprotocols {
        check_subprotocols(values(headers.clone(), "sec-websocket-protocol").flat_map(list_elements))?;
    }
    if !extensions_are_valid {
        return Err(extensions_error(headers));
    }
    Ok(Some(key))
}

/// The values of a header that may occur once.
#[derive(Default)]
struct HeaderValues<'a> {
    last: &'a [u8],
    count: u8,
}

impl<'a> HeaderValues<'a> {
    const fn add(&mut self, value: &'a [u8]) {
        self.last = value;
        self.count = self.count.saturating_add(1);
    }

    /// Returns the value, if there is exactly one.
    const fn only(&self) -> Option<&'a [u8]> {
        if self.count == 1 { Some(self.last) } else { None }
    }
}

/// Returns the values of a header.
fn values<'a, 'n>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    name: &'n str,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    headers
        .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[cold]
fn first_value<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone, name: &str) -> Option<Excerpt> {
    values(headers, name).next().map(Excerpt::new)
}

/// Returns whether a value is `uri-host [ ":" port ]` (RFC 9112, section 3.2). An `http` URI has a
/// host, so it is not empty.
fn is_host(value: &[u8]) -> bool {
    core::str::from_utf8(value).is_ok_and(|host| split_authority(host).is_ok())
}

/// Returns the error of a Host header that is missing, repeated or invalid.
#[cold]
fn host_error(host: &HeaderValues<'_>) -> RequestError {
    let invalid_host = RequestError::InvalidHost {
        host: public_excerpt(host.last),
    };
    match (host.count, core::str::from_utf8(host.last).map(split_authority)) {
        (0, _) => RequestError::MissingHost,
        (1, Ok(Err(AuthorityError::UserInfo))) => RequestError::UserInfoInHost,
        (1, Ok(Err(AuthorityError::InvalidPort(port)))) => RequestError::InvalidPort {
            port: public_excerpt(port),
        },
        (1, _) => invalid_host,
        _ => RequestError::RepeatedHost,
    }
}

/// Returns the error of a request whose headers announce a body.
#[cold]
fn body_error<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone) -> RequestError {
    match first_value(headers.clone(), "transfer-encoding") {
        Some(value) => RequestError::TransferEncoding { value },
        None => RequestError::ContentLength {
            value: values(headers, "content-length")
                .find(|value| *value != b"0")
                .map_or_else(|| Excerpt::new(b""), Excerpt::new),
        },
    }
}

/// Returns the error of a request with a Sec-WebSocket-Extensions header that violates its grammar.
#[cold]
fn extensions_error<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone) -> RequestError {
    let invalid = values(headers, "sec-websocket-extensions")
        .flat_map(parse_extensions)
        .find_map(Result::err);
    RequestError::InvalidExtensions {
        value: Excerpt::new(invalid.map_or(b"", |error| error.rest)),
    }
}

/// Returns whether a key is the base64 form of 16 bytes (RFC 6455, section 4.2.1, item 5).
///
/// The spare bits of the last character are ignored: in the RFC's own example they were set
/// (erratum 3150).
fn is_key(value: &[u8]) -> bool {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let mut nonce = [0; 18];
    value.len() == 24 && LENIENT.decode_slice(value, &mut nonce) == Ok(16)
}
