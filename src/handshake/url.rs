//! `ws` and `wss` URLs (RFC 6455, section 3).

use alloc::{borrow::ToOwned, format, string::String};

use crate::{
    error::{Excerpt, LocalHandshakeError},
    escaped::public_len,
};

/// The parts of a `ws` or `wss` URL.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) secure: bool,
    /// With the brackets of an IPv6 address.
    pub(super) host: String,
    /// `None` for the default port of the scheme.
    pub(super) port: Option<u16>,
    /// The path and the query.
    pub(super) target: String,
}

impl Url {
    pub(super) fn parse(url: &str) -> Result<Self, LocalHandshakeError> {
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => (true, rest),
            _ => {
                return Err(LocalHandshakeError::InvalidScheme {
                    url: public_excerpt(url),
                });
            }
        };
        let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(authority_len);
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
        let target = format!("{slash}{resource}");
        check_target(&target)?;
        let default_port = if secure { 443 } else { 80 };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: port.filter(|port| *port != default_port),
            target,
        })
    }

    /// Returns the value of the `Host` header.
    pub(super) fn authority(&self) -> String {
        match self.port {
            None => self.host.clone(),
            Some(port) => format!("{}:{port}", self.host),
        }
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
        Some(address) => address.find(']').ok_or(invalid_host)? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_len).ok_or(invalid_host)?;
    let is_valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => find_unencoded(host, |byte| is_unreserved(byte) || is_sub_delim(byte)).is_none(),
    };
    if !is_valid {
        return Err(invalid_host);
    }
    match port.strip_prefix(':') {
        // An IPv6 address without brackets.
        Some(port) if port.contains(':') => Err(invalid_host),
        _ if host.is_empty() => Err(AuthorityError::MissingHost),
        None if port.is_empty() => Ok((host, None)),
        None => Err(invalid_host),
        // "port = *DIGIT": it may be empty
        Some("") => Ok((host, None)),
        Some(digits) => match digits.parse() {
            Ok(number @ 1..) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok((host, Some(number))),
            _ => Err(AuthorityError::InvalidPort(digits)),
        },
    }
}

/// Checks `path-abempty [ "?" query ]`, beginning with a slash (RFC 3986, sections 3.3 and 3.4).
pub(super) fn check_target(target: &str) -> Result<(), LocalHandshakeError> {
    let is_allowed = |byte| is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/' | b'?');
    if !target.starts_with('/') {
        return Err(LocalHandshakeError::InvalidTarget {
            target: public_excerpt(target),
        });
    }
    match find_unencoded(target, is_allowed) {
        None => Ok(()),
        Some((offset, byte)) => Err(LocalHandshakeError::InvalidTargetByte {
            target: public_excerpt(target),
            byte,
            offset,
        }),
    }
}

/// Quotes a URL or request target without user name, password, query string and fragment.
pub(super) fn public_excerpt(url: impl AsRef<[u8]>) -> Excerpt {
    Excerpt::truncated(url.as_ref(), public_len(url.as_ref()))
}

/// Returns the first byte that is neither allowed nor part of a percent-encoded byte, and its
/// offset.
fn find_unencoded(text: &str, is_allowed: impl Fn(u8) -> bool) -> Option<(usize, u8)> {
    let mut bytes = text.bytes().enumerate();
    while let Some((offset, byte)) = bytes.next() {
        let is_valid = match byte {
            b'%' => {
                let mut next_is_hex = || bytes.next().is_some_and(|(_, byte)| byte.is_ascii_hexdigit());
                next_is_hex() && next_is_hex()
            }
            byte => is_allowed(byte),
        };
        if !is_valid {
            return Some((offset, byte));
        }
    }
    None
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
