//! What a client's opening handshake has to be (RFC 6455, section 4.2.1).

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{fields::are_unique_tokens, url::split_authority};
use crate::{
    error::RequestError,
    extensions::are_well_formed,
    http::{list_elements, list_has},
};

/// The request line (section 4.2.1, item 1).
pub(super) fn check_line(method: &str, target: &str, version: Option<u8>) -> Result<(), RequestError> {
    if method != "GET" {
        return Err(RequestError::Method);
    }
    if version != Some(1) {
        return Err(RequestError::HttpVersion);
    }
    let is_absolute = |scheme: &str| {
        let front = target.get(..scheme.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(scheme)) && target.len() > scheme.len()
    };
    let names_resource = target.starts_with('/') || is_absolute("http://") || is_absolute("https://");
    if !names_resource || !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(RequestError::Target);
    }
    Ok(())
}

/// The header fields (section 4.2.1, items 2 to 6, and sections 9.1 and 11.3). The key, if it is an upgrade at all.
pub(super) fn check_headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    plain: bool,
) -> Result<Option<&'a [u8]>, RequestError> {
    let mut host = Single::default();
    let mut origin = Single::default();
    let mut key = Single::default();
    let mut version = Single::default();
    let (mut upgrade, mut connection, mut body, mut extensions_ok) = (false, false, false, true);
    let mut subprotocols = false;
    for (name, value) in headers.clone() {
        // The length tells most fields apart before their names are compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => host.add(value),
            6 if name.eq_ignore_ascii_case("origin") => origin.add(value),
            7 if name.eq_ignore_ascii_case("upgrade") => upgrade |= list_has(value, "websocket"),
            10 if name.eq_ignore_ascii_case("connection") => connection |= list_has(value, "upgrade"),
            14 if name.eq_ignore_ascii_case("content-length") => body |= value != b"0",
            17 if name.eq_ignore_ascii_case("transfer-encoding") => body = true,
            17 if name.eq_ignore_ascii_case("sec-websocket-key") => key.add(value),
            21 if name.eq_ignore_ascii_case("sec-websocket-version") => version.add(value),
            22 if name.eq_ignore_ascii_case("sec-websocket-protocol") => subprotocols = true,
            24 if name.eq_ignore_ascii_case("sec-websocket-extensions") => {
                extensions_ok &= are_well_formed([value].into_iter());
            }
            _ => {}
        }
    }
    if !host.one().is_some_and(is_host) {
        return Err(RequestError::Host);
    }
    // One that is there and cannot be read must not pass for one that is absent.
    if origin.count > 1 || !origin.value.is_ascii() {
        return Err(RequestError::Origin);
    }
    // Bytes behind the head belong to the WebSocket; a body before them would be taken for frames.
    if body {
        return Err(RequestError::Body);
    }
    if plain && !upgrade {
        return Ok(None);
    }
    if !upgrade {
        return Err(RequestError::Upgrade);
    }
    if !connection {
        return Err(RequestError::Connection);
    }
    if version.one() != Some(b"13") {
        return Err(RequestError::Version);
    }
    let Some(key) = key.one().filter(|key| is_key(key)) else {
        return Err(RequestError::Key);
    };
    let offered = headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))
        .flat_map(|(_, value)| list_elements(value));
    if subprotocols && !are_unique_tokens(offered) {
        return Err(RequestError::Subprotocol);
    }
    if !extensions_ok {
        return Err(RequestError::Extensions);
    }
    Ok(Some(key))
}

/// A field that may occur once.
#[derive(Default)]
struct Single<'a> {
    value: &'a [u8],
    count: u8,
}

impl<'a> Single<'a> {
    const fn add(&mut self, value: &'a [u8]) {
        self.value = value;
        self.count = self.count.saturating_add(1);
    }

    const fn one(&self) -> Option<&'a [u8]> {
        if self.count == 1 { Some(self.value) } else { None }
    }
}

/// "uri-host [ ":" port ]" (RFC 9112, section 3.2); a resource has a host, so it is not empty.
fn is_host(value: &[u8]) -> bool {
    core::str::from_utf8(value).is_ok_and(|host| split_authority(host).is_ok())
}

/// "when decoded, is 16 bytes in length" (section 4.2.1, item 5). Bits that pad the last character are ignored: the
/// RFC's own sample had them wrong (erratum 3150).
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
