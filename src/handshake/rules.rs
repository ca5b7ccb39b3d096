//! The server's check of a request (RFC 6455, section 4.2.1).

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    fields::check_subprotocols,
    origin::OriginRelation,
    url::{AuthorityError, absolute_authority, public_excerpt, split_authority},
};
use crate::{
    error::{Excerpt, RequestError},
    extensions::parse_extensions,
    http::{ContentLengthError, ListShape, content_length, list_elements, list_has},
};

/// The first line of a request.
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    /// The authority of a target that is an absolute URI, if another HTTP implementation has split
    /// it off.
    pub(super) authority: Option<&'a str>,
    /// The minor version of HTTP/1: 0 or 1.
    pub(super) minor_version: Option<u8>,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Options,
    /// An extended CONNECT (RFC 8441).
    Connect,
}

impl Method {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
        }
    }

    /// Returns the method of a request that asks for no WebSocket: those that health checks use.
    fn of_plain_request(name: &str) -> Option<Self> {
        [Self::Get, Self::Head, Self::Options]
            .into_iter()
            .find(|method| method.as_str() == name)
    }
}

/// The result of the check of a request.
pub(super) struct CheckedRequest<'a> {
    pub(super) method: Method,
    pub(super) origin: OriginRelation,
    /// `None` for a request that is not a WebSocket handshake.
    pub(super) key: Option<&'a [u8]>,
}

impl<'a> RequestLine<'a> {
    /// Returns the authority of a target that is an absolute URI.
    fn authority(&self) -> Option<&'a str> {
        self.authority.or_else(|| absolute_authority(self.target))
    }

    /// "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1." (RFC
    /// 6455, section 4.1)
    fn check_is_handshake(&self) -> Result<(), RequestError> {
        if self.method != "GET" {
            return Err(RequestError::UnsupportedMethod {
                method: Excerpt::new(self.method.as_bytes()),
            });
        }
        if self.minor_version != Some(1) {
            return Err(RequestError::UnsupportedHttpVersion {
                version: Excerpt::new(b"HTTP/1.0"),
            });
        }
        Ok(())
    }

    /// Checks the request target (RFC 6455, section 4.2.1, item 1; RFC 9112, section 3.2).
    fn check_target(&self, method: Method) -> Result<(), RequestError> {
        let target = self.target;
        let is_form = match self.authority() {
            Some(authority) => split_authority(authority).is_ok(),
            None => target.starts_with('/') || (target == "*" && method == Method::Options),
        };
        if !is_form {
            return Err(RequestError::InvalidTarget {
                target: public_excerpt(target),
            });
        }
        check_target_bytes(target)
    }
}

/// Checks that a request target has no byte that must be percent-encoded.
pub(super) fn check_target_bytes(target: &str) -> Result<(), RequestError> {
    let is_allowed = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    match target.bytes().find(|byte| !is_allowed(byte)) {
        None => Ok(()),
        Some(byte) => Err(RequestError::InvalidTargetByte {
            target: public_excerpt(target),
            byte,
        }),
    }
}

/// Checks a request (RFC 6455, section 4.2.1, items 1 to 6, and sections 9.1 and 11.3).
///
/// With `plain_requests`, a request that is not a WebSocket handshake may pass.
pub(super) fn check_request<'a>(
    line: &RequestLine<'a>,
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    plain_requests: bool,
) -> Result<CheckedRequest<'a>, RequestError> {
    let is_handshake = line.check_is_handshake();
    let method = match Method::of_plain_request(line.method) {
        Some(method) if plain_requests => method,
        _ => is_handshake.map(|()| Method::Get)?,
    };
    line.check_target(method)?;
    let fields = Fields::collect(headers.clone());
    // "A client MUST send a Host header field ... in all HTTP/1.1 request messages" (RFC 9112,
    // section 3.2): not in those of HTTP/1.0.
    let host = match fields.host.host()? {
        Some(host) => host,
        None if line.minor_version == Some(0) => "",
        None => return Err(RequestError::MissingHost),
    };
    fields.check_origin_and_body(headers.clone())?;
    let mut checked = CheckedRequest {
        method,
        origin: OriginRelation::of(fields.origin.only(), line.authority().unwrap_or(host)),
        key: None,
    };
    if !plain_requests || fields.has_upgrade {
        is_handshake?;
        checked.key = Some(fields.check_handshake(headers)?);
    }
    Ok(checked)
}

/// The header fields that have a meaning for the handshake.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) host: HeaderValues<'a>,
    pub(super) origin: HeaderValues<'a>,
    key: HeaderValues<'a>,
    version: HeaderValues<'a>,
    subprotocols: ListShape,
    extensions: ListShape,
    extensions_are_invalid: bool,
    has_upgrade: bool,
    has_connection: bool,
    may_have_body: bool,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn collect(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            // Few names have the same length, so most are not compared.
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => fields.host.add(value),
                6 if name.eq_ignore_ascii_case("origin") => fields.origin.add(value),
                7 if name.eq_ignore_ascii_case("upgrade") => fields.has_upgrade |= list_has(value, "websocket"),
                10 if name.eq_ignore_ascii_case("connection") => fields.has_connection |= list_has(value, "upgrade"),
                14 if name.eq_ignore_ascii_case("content-length") => fields.may_have_body |= value != b"0",
                17 if name.eq_ignore_ascii_case("sec-websocket-key") => fields.key.add(value),
                17 if name.eq_ignore_ascii_case("transfer-encoding") => fields.may_have_body = true,
                21 if name.eq_ignore_ascii_case("sec-websocket-version") => fields.version.add(value),
                22 if name.eq_ignore_ascii_case("sec-websocket-protocol") => fields.subprotocols.add(value),
                24 if name.eq_ignore_ascii_case("sec-websocket-extensions") => {
                    fields.extensions.add(value);
                    fields.extensions_are_invalid |= parse_extensions(value).any(|extension| extension.is_err());
                }
                _ => {}
            }
        }
        fields
    }

    /// Checks what a request of any kind must not have: an origin that cannot be read, and a body.
    pub(super) fn check_origin_and_body(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<(), RequestError> {
        // An unreadable origin must not be taken for a missing one.
        if self.origin.count > 1 || !self.origin.last.is_ascii() {
            return Err(origin_error(self.origin));
        }
        // The bytes after the head belong to the WebSocket. A body would be taken for frames.
        if self.may_have_body {
            check_no_body(headers)?;
        }
        Ok(())
    }

    /// Checks what a WebSocket handshake over HTTP/1.1 must have. Returns the key.
    fn check_handshake(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<&'a [u8], RequestError> {
        if !self.has_upgrade {
            return Err(match first_value(headers, "upgrade") {
                None => RequestError::MissingUpgrade,
                Some(value) => RequestError::InvalidUpgrade { value },
            });
        }
        if !self.has_connection {
            return Err(match first_value(headers, "connection") {
                None => RequestError::MissingConnection,
                Some(value) => RequestError::InvalidConnection { value },
            });
        }
        self.check_version()?;
        let Some(key) = self.key.only().filter(|key| is_key(key)) else {
            return Err(match self.key.count {
                0 => RequestError::MissingKey,
                1 => RequestError::InvalidKey {
                    len: self.key.last.len(),
                },
                _ => RequestError::RepeatedKey,
            });
        };
        self.check_offers(headers)?;
        Ok(key)
    }

    /// Checks the version of the WebSocket protocol (RFC 6455, section 4.2.1, item 6).
    pub(super) fn check_version(&self) -> Result<(), RequestError> {
        if self.version.only() == Some(b"13") {
            return Ok(());
        }
        Err(match self.version.count {
            0 => RequestError::MissingVersion,
            1 => RequestError::UnsupportedVersion {
                version: Excerpt::new(self.version.last),
            },
            _ => RequestError::RepeatedVersion,
        })
    }

    /// Checks the lists of subprotocols and extensions (RFC 6455, section 4.2.1, items 8 and 9).
    pub(super) fn check_offers(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<(), RequestError> {
        if self.subprotocols.has_element() {
            check_subprotocols(values(headers.clone(), "sec-websocket-protocol").flat_map(list_elements))?;
        }
        if self.subprotocols.has_only_empty_elements() {
            return Err(RequestError::EmptySubprotocolList);
        }
        if self.extensions_are_invalid {
            return Err(extensions_error(headers));
        }
        if self.extensions.has_only_empty_elements() {
            return Err(RequestError::EmptyExtensionList);
        }
        Ok(())
    }
}

/// The values of a header that may occur once. Copied, and not referenced, so that [`Fields`] may
/// stay in registers.
#[derive(Clone, Copy, Default)]
pub(super) struct HeaderValues<'a> {
    last: &'a [u8],
    count: u8,
}

impl<'a> HeaderValues<'a> {
    pub(super) const fn add(&mut self, value: &'a [u8]) {
        self.last = value;
        self.count = self.count.saturating_add(1);
    }

    /// Returns the value, if there is exactly one.
    pub(super) const fn only(&self) -> Option<&'a [u8]> {
        if self.count == 1 { Some(self.last) } else { None }
    }

    /// Returns the value, which must be a host with an optional port. `None` if there is none.
    pub(super) fn host(self) -> Result<Option<&'a str>, RequestError> {
        match self.only().and_then(as_host) {
            None if self.count > 0 => Err(host_error(self)),
            host => Ok(host),
        }
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

/// Returns a value that is `uri-host [ ":" port ]` as text (RFC 9112, section 3.2). An `http` URI
/// has a host, so it is not empty.
fn as_host(value: &[u8]) -> Option<&str> {
    let host = core::str::from_utf8(value).ok()?;
    split_authority(host).is_ok().then_some(host)
}

/// Returns the error of a Host header, or of an :authority, that is repeated or invalid.
#[cold]
fn host_error(host: HeaderValues<'_>) -> RequestError {
    let invalid_host = RequestError::InvalidHost {
        host: public_excerpt(host.last),
    };
    match (host.count, core::str::from_utf8(host.last).map(split_authority)) {
        (1, Ok(Err(AuthorityError::UserInfo))) => RequestError::UserInfoInHost,
        (1, Ok(Err(AuthorityError::InvalidPort(port)))) => RequestError::InvalidPort {
            port: public_excerpt(port),
        },
        (1, _) => invalid_host,
        _ => RequestError::RepeatedHost,
    }
}

/// Returns the error of an Origin header that is repeated or invalid.
#[cold]
fn origin_error(origin: HeaderValues<'_>) -> RequestError {
    if origin.count > 1 {
        return RequestError::RepeatedOrigin;
    }
    RequestError::InvalidOrigin {
        origin: public_excerpt(origin.last),
    }
}

/// Checks that the headers announce no body (RFC 9112, section 6.3).
#[cold]
fn check_no_body<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone) -> Result<(), RequestError> {
    if let Some(value) = first_value(headers.clone(), "transfer-encoding") {
        return Err(RequestError::TransferEncoding { value });
    }
    match content_length(values(headers.clone(), "content-length")) {
        Ok(None | Some(0)) => Ok(()),
        Ok(Some(_)) => Err(RequestError::ContentLength {
            value: first_value(headers, "content-length").unwrap_or_else(|| Excerpt::new(b"")),
        }),
        Err(ContentLengthError::Invalid(value)) => Err(RequestError::InvalidContentLength {
            value: Excerpt::new(value),
        }),
        Err(ContentLengthError::Different(value)) => Err(RequestError::DifferentContentLengths {
            value: Excerpt::new(value),
        }),
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
///
/// It is a function of its own, so that the decoder is compiled for these options: 100 instructions
/// less.
#[inline(never)]
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
