//! The server's check of an extended CONNECT (RFC 8441 for HTTP/2, RFC 9220 for HTTP/3).

use alloc::vec::Vec;

use super::{
    fields::is_connection_specific,
    origin::OriginRelation,
    request::Request,
    rules::{Fields, HeaderValues, Method, check_target_bytes},
    url::{is_http, public_excerpt},
};
use crate::{
    error::{Excerpt, RequestError},
    http::{Field, Headers},
};

impl<'b> Request<'b> {
    /// Checks an extended CONNECT over HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), which an
    /// implementation of that protocol has received.
    ///
    /// `pseudo_headers` has the names with their colon: `:method`, `:protocol`, `:scheme`,
    /// `:authority` and `:path`, in any order. `headers` has the other fields, with names in any
    /// case. `Sec-WebSocket-Key` is ignored, because proxies pass it on (RFC 8441, section 5).
    /// Origin, version, subprotocols and extensions follow the rules of a request over HTTP/1.1.
    ///
    /// The caller has announced `SETTINGS_ENABLE_CONNECT_PROTOCOL` with the value 1, and limits the
    /// size of the header list. It continues with [`acceptance`](Self::acceptance), sends those
    /// headers with status 200, and calls
    /// [`Connection::upgraded_server`](crate::Connection::upgraded_server) for the stream.
    /// `:authority` names the server itself: the caller connects to no other host (RFC 8441,
    /// section 4).
    ///
    /// ```
    /// use sockless::{Accept, Config, Connection, Request};
    ///
    /// let pseudo_headers = [
    ///     (":method", "CONNECT"),
    ///     (":protocol", "websocket"),
    ///     (":scheme", "https"),
    ///     (":authority", "example.com"),
    ///     (":path", "/chat"),
    /// ];
    /// let headers: [(&str, &[u8]); 3] = [
    ///     ("sec-websocket-version", b"13"),
    ///     ("sec-websocket-protocol", b"chat.v2, chat.v1"),
    ///     ("origin", b"https://example.com"),
    /// ];
    /// match Request::from_connect(pseudo_headers, headers) {
    ///     Ok(request) => {
    ///         let accept = Accept::new().subprotocol(request.choose_subprotocol(&["chat.v1"]));
    ///         let config = Config::default();
    ///         let (headers, negotiated) = request.acceptance(&accept, &config)?;
    ///         // Send these with `:status` 200, and leave the stream open.
    ///         assert_eq!(request.acceptance_status(), 200);
    ///         assert_eq!(headers, [("sec-websocket-protocol".into(), "chat.v1".into())]);
    ///         let connection = Connection::upgraded_server(&negotiated, config);
    ///     }
    ///     Err(error) => {
    ///         let (status, headers) = error.connect_response();
    ///         // Send these, and end the stream.
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the first error in the request. [`RequestError::connect_response`] is the response.
    pub fn from_connect(
        pseudo_headers: impl IntoIterator<Item = (&'b str, &'b str)>,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
    ) -> Result<Self, RequestError> {
        let fields: Vec<Field<'b>> = headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let checked = check_connect(pseudo_headers, Headers::from_fields(&fields))?;
        let origin = checked.origin;
        let authority = Some(checked.authority);
        Ok(Self::parsed(checked.path, authority, fields, Method::Connect, origin))
    }
}

/// The result of the check of an extended CONNECT.
struct CheckedConnect<'a> {
    path: &'a str,
    authority: &'a str,
    origin: OriginRelation,
}

/// Checks an extended CONNECT (RFC 8441, sections 4 and 5).
///
/// What HTTP/1.1 has too is checked by the same functions.
fn check_connect<'a, 'h>(
    pseudo_headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
) -> Result<CheckedConnect<'a>, RequestError> {
    let (authority, path) = PseudoHeaders::collect(pseudo_headers)?.check()?;
    for (name, value) in headers.clone() {
        if name.starts_with(':') {
            return Err(unexpected(name));
        }
        // "They MUST NOT be included in the CONNECT request" (RFC 8441, section 5).
        if is_connection_specific(name, value) {
            return Err(RequestError::ConnectionHeader {
                name: Excerpt::new(name.as_bytes()),
            });
        }
    }
    let fields = Fields::collect(headers.clone());
    // "A server SHOULD treat a request as malformed if it contains a Host header field that
    // identifies an entity that differs" (RFC 9113, section 8.3.1; a MUST in RFC 9114).
    match fields.host.host()? {
        Some(host) if !host.eq_ignore_ascii_case(authority) => {
            return Err(RequestError::DifferentHost {
                host: Excerpt::new(host.as_bytes()),
            });
        }
        Some(_) | None => {}
    }
    fields.check_origin_and_body(headers.clone())?;
    fields.check_version()?;
    fields.check_offers(headers)?;
    Ok(CheckedConnect {
        path,
        authority,
        origin: OriginRelation::of(fields.origin.only(), authority),
    })
}

/// The pseudo-headers of a request.
#[derive(Default)]
struct PseudoHeaders<'a> {
    /// The values in the order of [`NAMES`](Self::NAMES).
    values: [Option<&'a str>; 5],
}

impl<'a> PseudoHeaders<'a> {
    const NAMES: [&'static str; 5] = [":method", ":protocol", ":scheme", ":authority", ":path"];

    fn collect(list: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, RequestError> {
        let mut found = Self::default();
        for (name, value) in list {
            let mut slots = Self::NAMES.into_iter().zip(&mut found.values);
            let Some((name, slot)) = slots.find(|(known, _)| *known == name) else {
                return Err(unexpected(name));
            };
            if slot.replace(value).is_some() {
                return Err(RequestError::RepeatedPseudoHeader { name });
            }
        }
        Ok(found)
    }

    /// Returns `:authority` and `:path`.
    fn check(self) -> Result<(&'a str, &'a str), RequestError> {
        let [method, protocol, scheme, authority, path] = self.values;
        let method = required(":method", method)?;
        if method != "CONNECT" {
            return Err(RequestError::UnsupportedConnectMethod {
                method: Excerpt::new(method.as_bytes()),
            });
        }
        let protocol = required(":protocol", protocol)?;
        // It has the case of the Upgrade header that an intermediary has translated, and names are
        // compared as there (RFC 9110, section 7.8).
        if !protocol.eq_ignore_ascii_case("websocket") {
            return Err(RequestError::UnsupportedProtocol {
                protocol: Excerpt::new(protocol.as_bytes()),
            });
        }
        let scheme = required(":scheme", scheme)?;
        if !is_http(scheme) {
            return Err(RequestError::InvalidScheme {
                scheme: public_excerpt(scheme),
            });
        }
        let authority = required(":authority", authority)?;
        let mut host = HeaderValues::default();
        host.add(authority.as_bytes());
        host.host()?;
        let path = required(":path", path)?;
        if !path.starts_with('/') {
            return Err(RequestError::InvalidPath {
                path: public_excerpt(path),
            });
        }
        check_target_bytes(path)?;
        Ok((authority, path))
    }
}

fn required<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, RequestError> {
    value.ok_or(RequestError::MissingPseudoHeader { name })
}

fn unexpected(name: &str) -> RequestError {
    RequestError::UnexpectedPseudoHeader {
        name: Excerpt::new(name.as_bytes()),
    }
}

impl RequestError {
    /// Returns the status of the response to an extended CONNECT over HTTP/2 or HTTP/3, and the
    /// headers that it must have because of the error. The caller ends the stream after it.
    ///
    /// The status is that of [`status`](Self::status), but 400 instead of 426: a response with 426
    /// must have an `Upgrade` header (RFC 9110, section 15.5.22), which HTTP/2 and HTTP/3 do not
    /// allow.
    #[must_use]
    pub const fn connect_response(self) -> (u16, &'static [(&'static str, &'static str)]) {
        let status = match self.status() {
            426 => 400,
            status => status,
        };
        let headers: &[_] = match self {
            Self::UnsupportedConnectMethod { .. } => &[("allow", "CONNECT")],
            // "... MUST send a |Sec-WebSocket-Version| header" (RFC 6455, section 4.4)
            Self::MissingVersion | Self::RepeatedVersion | Self::UnsupportedVersion { .. } => {
                &[("sec-websocket-version", "13")]
            }
            _ => &[],
        };
        (status, headers)
    }
}
