//! `ws` and `wss` URLs (RFC 6455, section 3).

use alloc::{borrow::ToOwned, string::String};

use crate::error::LocalHandshakeError;

/// The parts of a `ws` or `wss` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) secure: bool,
    /// With the brackets of an IPv6 address.
    pub(crate) host: String,
    /// Only if it is not the default of the scheme.
    pub(crate) port: Option<u16>,
    pub(crate) target: String,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, LocalHandshakeError> {
        let (scheme, rest) = url.split_once("://").ok_or(LocalHandshakeError::Url)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(LocalHandshakeError::Url),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(end);
        let (host, port) = split_authority(authority)?;
        let default_port = if secure { 443 } else { 80 };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: port.filter(|port| *port != default_port),
            target: resource_name(resource)?,
        })
    }

    pub(crate) fn authority(&self) -> String {
        match self.port {
            None => self.host.clone(),
            Some(port) => alloc::format!("{}:{port}", self.host),
        }
    }
}

/// "resource-name": the path, or "/" if it is empty, and the query (section 3).
fn resource_name(resource: &str) -> Result<String, LocalHandshakeError> {
    // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs."
    if resource.contains('#') {
        return Err(LocalHandshakeError::Url);
    }
    let slash = if resource.starts_with('/') { "" } else { "/" };
    let target = alloc::format!("{slash}{resource}");
    if is_target(&target) {
        Ok(target)
    } else {
        Err(LocalHandshakeError::Target)
    }
}

/// Splits "host [ ":" port ]" and checks both (RFC 3986, sections 3.2.2 and 3.2.3).
pub(crate) fn split_authority(authority: &str) -> Result<(&str, Option<u16>), LocalHandshakeError> {
    let host_end = match authority.strip_prefix('[') {
        Some(literal) => literal.find(']').ok_or(LocalHandshakeError::Host)? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end).ok_or(LocalHandshakeError::Host)?;
    let valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => !host.is_empty() && percent_encoded(host, |byte| is_unreserved(byte) || is_sub_delim(byte)),
    };
    if !valid {
        return Err(LocalHandshakeError::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        None => Err(LocalHandshakeError::Host),
        // "port = *DIGIT": it may be empty
        Some("") => Ok((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse() {
            Ok(0) | Err(_) => Err(LocalHandshakeError::Host),
            Ok(port) => Ok((host, Some(port))),
        },
        Some(_) => Err(LocalHandshakeError::Host),
    }
}

/// `path-abempty [ "?" query ]`, beginning with a slash.
pub(crate) fn is_target(target: &str) -> bool {
    let allowed = |byte| is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/' | b'?');
    target.starts_with('/') && percent_encoded(target, allowed)
}

/// Whether each byte is allowed, or part of a percent-encoded one.
fn percent_encoded(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let valid = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                hex() && hex()
            }
            byte => allowed(byte),
        };
        if !valid {
            return false;
        }
    }
    true
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn is_sub_delim(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}
