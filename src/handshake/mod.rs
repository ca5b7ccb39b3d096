//! The opening handshake (RFC 6455, section 4): its rules, on plain lists of header fields.
//!
//! The rules do not care where a head came from. [`Connection`](crate::Connection) applies them to raw HTTP/1.1 bytes;
//! [`Request::from_list`](server::Request::from_list) and [`Expected::check`](client::Expected::check) apply the same
//! ones to a head that another HTTP implementation parsed.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod deflate;
pub(crate) mod extensions;
#[cfg(feature = "http")]
mod http_types;
pub(crate) mod refusal;
mod rules;
pub(crate) mod server;
mod url;

use alloc::{boxed::Box, vec::Vec};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1_smol::Sha1;

use crate::{
    error::HandshakeError,
    http::{is_field_value, is_token},
};

/// What an opening handshake settled, for [`Connection::upgraded`](crate::Connection::upgraded).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreed {
    /// The subprotocol, if one was agreed (RFC 6455, section 1.9). The engine attaches no meaning to it.
    pub subprotocol: Option<Box<str>>,
    /// permessage-deflate, if it was agreed (RFC 7692).
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub deflate: Option<deflate::DeflateParams>,
}

impl Agreed {
    #[cfg_attr(not(feature = "deflate"), allow(unused_variables, reason = "it is always `None`"))]
    fn new(subprotocol: Option<Box<str>>, deflate: Option<deflate::DeflateParams>) -> Self {
        Self {
            subprotocol,
            #[cfg(feature = "deflate")]
            deflate,
        }
    }
}

/// The value of `Sec-WebSocket-Accept` for a value of `Sec-WebSocket-Key`: "base64-encoded SHA-1 of the concatenation"
/// with the GUID (section 4.2.2, step 5.4).
pub(crate) fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut sha = Sha1::new();
    sha.update(key);
    sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut accept = [0; 28];
    // 20 bytes are always 28 characters.
    let written = STANDARD.encode_slice(sha.digest().bytes(), &mut accept);
    debug_assert_eq!(written, Ok(28));
    accept
}

/// Fields that the handshake itself writes, so that a caller's header of the same name would contradict it.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "host",
        "connection",
        "upgrade",
        "content-length",
        "transfer-encoding",
        "origin",
    ];
    const PREFIX: &str = "sec-websocket-";
    NAMES.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        || name
            .get(..PREFIX.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(PREFIX))
}

/// Whether the caller may send the field in a handshake.
fn check_header(name: &str, value: &[u8]) -> Result<(), HandshakeError> {
    if !is_token(name.as_bytes()) {
        return Err(HandshakeError::HeaderName);
    }
    if !is_field_value(value) {
        return Err(HandshakeError::HeaderValue);
    }
    Ok(())
}

/// "elements ... MUST be non-empty strings ... and MUST all be unique strings" (section 4.1, step 10); they are tokens
/// (section 4.3). Case matters.
fn are_unique_tokens<'a>(elements: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    /// More than anybody has a use for.
    const FEW: usize = 32;
    if !elements.clone().all(is_token) {
        return false;
    }
    let mut few = elements.clone().take(FEW);
    while let Some(element) = few.next() {
        if few.clone().any(|other| other == element) {
            return false;
        }
    }
    if elements.clone().nth(FEW).is_none() {
        return true;
    }
    // Sorted, so that a head full of them costs no quadratic time.
    let mut sorted: Vec<&[u8]> = elements.collect();
    sorted.sort_unstable();
    sorted.is_sorted_by(|one, other| one < other)
}
