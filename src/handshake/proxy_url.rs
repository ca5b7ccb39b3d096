//! The URL of a proxy, and the request to it.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use super::{
    fields::check_added_header,
    scheme::Scheme,
    url::{percent_encoded, public_excerpt, split_authority, split_resource, without_brackets},
};
use crate::error::LocalHandshakeError;

/// The parts of `http://[user[:password]@]host[:port]`.
pub(crate) struct ProxyUrl {
    /// An IPv6 address has no brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The user name and the password.
    pub(crate) credentials: Option<(String, String)>,
}

impl ProxyUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, LocalHandshakeError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            _ => {
                return Err(LocalHandshakeError::InvalidProxyScheme {
                    url: public_excerpt(url),
                });
            }
        };
        let (authority, resource) = split_resource(rest);
        if !matches!(resource, "" | "/") {
            return Err(LocalHandshakeError::PathInProxyUrl {
                url: public_excerpt(url),
            });
        }
        let (user_info, address) = match authority.rsplit_once('@') {
            Some((user_info, address)) => (Some(user_info), address),
            None => (None, authority),
        };
        let (host, port) = split_authority(address).map_err(|error| error.in_url(false))?;
        Ok(Self {
            host: without_brackets(host).to_owned(),
            port: port.unwrap_or(Scheme::Http.default_port()),
            credentials: user_info.map(parse_user_info).transpose()?,
        })
    }
}

/// Checks what the caller puts into a CONNECT request: the authority, and added headers.
pub(crate) fn check_tunnel(authority: &str, headers: &[(String, String)]) -> Result<(), LocalHandshakeError> {
    split_authority(authority).map_err(|error| error.in_url(false))?;
    headers
        .iter()
        .try_for_each(|(name, value)| check_added_header(false, name, value))
}

fn parse_user_info(user_info: &str) -> Result<(String, String), LocalHandshakeError> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    Ok((percent_decode(user)?, percent_decode(password)?))
}

/// Decodes percent-encoded bytes (RFC 3986, section 2.1). A `%` that begins none stands for itself,
/// as in browsers.
fn percent_decode(text: &str) -> Result<String, LocalHandshakeError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut offset = 0;
    while let Some(&byte) = text.as_bytes().get(offset) {
        let encoded = percent_encoded(text, offset);
        decoded.push(encoded.unwrap_or(byte));
        offset += if encoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).map_err(|_| LocalHandshakeError::InvalidCredentials)
}
