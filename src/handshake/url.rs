//! `ws` and `wss` URLs (RFC 6455, section 3).

use alloc::{
    borrow::{Cow, ToOwned},
    format,
    string::String,
};
use core::net::Ipv6Addr;

use super::scheme::Scheme;
use crate::{
    error::{Excerpt, LocalHandshakeError},
    escaped::public_len,
};

/// The parts of a `ws` or `wss` URL.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    /// With the brackets of an IPv6 address.
    pub(super) host: String,
    /// `None` for the default port of the scheme.
    pub(super) port: Option<u16>,
    /// The path and the query.
    pub(super) target: String,
}

impl Url {
    pub(super) fn parse(url: &str) -> Result<Self, LocalHandshakeError> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if is_one_of(scheme, ["ws", "http"]) => (Scheme::Http, rest),
            Some((scheme, rest)) if is_one_of(scheme, ["wss", "https"]) => (Scheme::Https, rest),
            _ => {
                return Err(LocalHandshakeError::InvalidScheme {
                    url: public_excerpt(url),
                });
            }
        };
        let (authority, resource) = split_resource(rest);
        // An `@` in the rest can be the end of a password that has a slash by mistake.
        let has_password = resource.contains('@');
        let (host, port) = split_authority(authority).map_err(|error| error.in_url(has_password))?;
        // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs."
        if resource.contains('#') {
            return Err(LocalHandshakeError::FragmentInUrl {
                url: public_excerpt(url),
            });
        }
        // "resource-name": the path, or "/" if it is empty, and the query
        let slash = if resource.starts_with('/') { "" } else { "/" };
        let target = encode_target(&format!("{slash}{resource}"))?;
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port: port.filter(|port| *port != scheme.default_port()),
            target,
        })
    }

    /// Returns the value of the `Host` header.
    pub(super) fn authority(&self) -> Cow<'_, str> {
        match self.port {
            None => Cow::Borrowed(&self.host),
            Some(port) => Cow::Owned(format!("{}:{port}", self.host)),
        }
    }
}

/// "If url's scheme is "http", then set url's scheme to "ws"", and "https" to "wss" (WHATWG
/// WebSockets Standard): a scheme and its alias. Case has no meaning.
fn is_one_of(scheme: &str, schemes: [&str; 2]) -> bool {
    schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Returns whether a scheme is that of HTTP, with TLS or without.
pub(super) fn is_http(scheme: &str) -> bool {
    is_one_of(scheme, ["http", "https"])
}

/// Splits what follows the `://` of a URL into the authority, and the path, query and fragment (RFC
/// 3986, section 3.2).
pub(super) fn split_resource(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// Returns a host without the brackets of an IPv6 address.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Returns `host ":" port`. The host may be an IPv6 address with or without brackets.
pub(crate) fn with_port(host: &str, port: u16) -> String {
    match host {
        _ if host.starts_with('[') || !host.contains(':') => format!("{host}:{port}"),
        _ => format!("[{host}]:{port}"),
    }
}

/// An error in `host [ ":" port ]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthorityError<'a> {
    MissingHost,
    /// A user name or a password precedes the host.
    UserInfo,
    InvalidHost(&'a str),
    InvalidPort(&'a str),
}

impl AuthorityError<'_> {
    /// Returns the error of the caller whose URL has this authority. `is_secret`: the authority can
    /// be a part of a password.
    pub(super) fn in_url(self, is_secret: bool) -> LocalHandshakeError {
        let excerpt = |text: &str| {
            if is_secret {
                Excerpt::truncated(text.as_bytes(), 0)
            } else {
                public_excerpt(text)
            }
        };
        match self {
            Self::MissingHost => LocalHandshakeError::MissingHost,
            Self::UserInfo => LocalHandshakeError::UserInfoInUrl,
            Self::InvalidHost(host) => LocalHandshakeError::InvalidHost { host: excerpt(host) },
            Self::InvalidPort(port) => LocalHandshakeError::InvalidPort { port: excerpt(port) },
        }
    }
}

/// Splits `host [ ":" port ]` and checks both parts (RFC 3986, sections 3.2.2 and 3.2.3).
pub(super) fn split_authority(authority: &str) -> Result<(&str, Option<u16>), AuthorityError<'_>> {
    parse_authority(authority).map_err(|error| {
        if authority.contains('@') {
            AuthorityError::UserInfo
        } else {
            error
        }
    })
}

fn parse_authority(authority: &str) -> Result<(&str, Option<u16>), AuthorityError<'_>> {
    let invalid_host = AuthorityError::InvalidHost(authority);
    let host_len = match authority.strip_prefix('[') {
        Some(address) => {
            let (address, _) = address.split_once(']').ok_or(invalid_host)?;
            // A zone identifier is refused: it has a meaning on one computer only.
            address.parse::<Ipv6Addr>().map_err(|_| invalid_host)?;
            address.len() + 2
        }
        None => reg_name_len(authority),
    };
    let (host, port) = authority.split_at_checked(host_len).ok_or(invalid_host)?;
    match port.strip_prefix(':') {
        // An IPv6 address without brackets.
        Some(port) if port.contains(':') => Err(invalid_host),
        None if !port.is_empty() => Err(invalid_host),
        _ if host.is_empty() => Err(AuthorityError::MissingHost),
        // "port = *DIGIT": it may be empty
        None | Some("") => Ok((host, None)),
        Some(digits) => match digits.parse() {
            Ok(number @ 1..) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok((host, Some(number))),
            _ => Err(AuthorityError::InvalidPort(digits)),
        },
    }
}

/// Returns the authority in an absolute `http` or `https` URI (RFC 9112, section 3.2.2).
pub(super) fn absolute_authority(target: &str) -> Option<&str> {
    // Nearly every target is a path. A search in it would cost more than the rest of its check.
    if target.starts_with('/') {
        return None;
    }
    let (scheme, rest) = target.split_once("://")?;
    if !is_http(scheme) {
        return None;
    }
    Some(split_resource(rest).0)
}

/// Percent-encodes `path-abempty [ "?" query ]`, beginning with a slash, where RFC 3986 needs it
/// (sections 2.1, 3.3 and 3.4).
///
/// Browsers accept such characters too, and send some of them as they are (WHATWG URL Standard).
/// What they drop, such as a line end, or read in another way, such as a backslash in a path, is an
/// error.
pub(super) fn encode_target(target: &str) -> Result<String, LocalHandshakeError> {
    if !target.starts_with('/') {
        return Err(LocalHandshakeError::InvalidTarget {
            target: public_excerpt(target),
        });
    }
    let path_len = target.find('?').unwrap_or(target.len());
    let mut encoded = String::with_capacity(target.len());
    for (offset, byte) in target.bytes().enumerate() {
        let is_last = offset + 1 == target.len();
        let is_error = match byte {
            b'#' => true,
            b' ' => is_last,
            b'\\' => offset < path_len,
            _ => byte.is_ascii_control(),
        };
        if is_error {
            return Err(LocalHandshakeError::InvalidTargetByte {
                target: public_excerpt(target),
                byte,
                offset,
            });
        }
        if is_target_byte(byte) || percent_encoded(target, offset).is_some() {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    Ok(encoded)
}

/// Quotes a URL or request target without user name, password, query string and fragment.
pub(super) fn public_excerpt(url: impl AsRef<[u8]>) -> Excerpt {
    Excerpt::truncated(url.as_ref(), public_len(url.as_ref()))
}

/// Returns the length of the `reg-name` at the start of a text (RFC 3986, section 3.2.2).
fn reg_name_len(text: &str) -> usize {
    let is_part = |offset, byte| is_unreserved(byte) || is_sub_delim(byte) || percent_encoded(text, offset).is_some();
    let mut bytes = text.bytes().enumerate();
    bytes
        .position(|(offset, byte)| !is_part(offset, byte))
        .unwrap_or(text.len())
}

/// Returns the byte whose percent-encoding begins at an offset (RFC 3986, section 2.1).
pub(super) fn percent_encoded(text: &str, offset: usize) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    match *text.as_bytes().get(offset..)? {
        [b'%', high, low, ..] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    }
}

/// Returns whether a byte is allowed in a path or a query (RFC 3986, sections 3.3 and 3.4).
const fn is_target_byte(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/' | b'?')
}

/// Returns whether a byte is `unreserved` (RFC 3986, section 2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Returns whether a byte is one of `sub-delims` (RFC 3986, section 2.2).
const fn is_sub_delim(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}
