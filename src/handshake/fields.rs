//! Checks of what the caller or the client puts into header fields.

use alloc::vec::Vec;

use crate::{
    error::{Excerpt, LocalHandshakeError, RequestError},
    http::{is_field_value, is_token},
};

/// Returns whether the handshake sets the header itself, or must not have it.
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

/// Checks a header that the caller adds to a request or to an acceptance; `is_connect`: of an
/// extended CONNECT.
pub(super) fn check_added_header(is_connect: bool, name: &str, value: &str) -> Result<(), LocalHandshakeError> {
    check_header(name, value)?;
    if is_reserved(name) {
        return Err(LocalHandshakeError::ReservedHeader {
            name: name_excerpt(name),
        });
    }
    if is_connect && is_connection_specific(name, value.as_bytes()) {
        return Err(LocalHandshakeError::ConnectionHeader {
            name: name_excerpt(name),
        });
    }
    Ok(())
}

/// Returns whether a header belongs to a connection of HTTP/1.1, so that HTTP/2 and HTTP/3 do not
/// allow it (RFC 9113, section 8.2.2; RFC 9114, section 4.2).
pub(super) fn is_connection_specific(name: &str, value: &[u8]) -> bool {
    const NAMES: [&str; 5] = [
        "connection",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
    ];
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    NAMES.into_iter().any(is) || (is("te") && !value.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Checks a header that the caller adds to a rejection, which sets fewer itself.
pub(super) fn check_rejection_header(name: &str, value: &str) -> Result<(), LocalHandshakeError> {
    const RESERVED: [&str; 3] = ["connection", "content-length", "transfer-encoding"];
    check_header(name, value)?;
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(LocalHandshakeError::ReservedHeader {
            name: name_excerpt(name),
        });
    }
    Ok(())
}

/// Returns the headers that the response to an invalid request must have because of its status.
///
/// A response with 426 must have an Upgrade header (RFC 9110, section 15.5.22), and one to an
/// unsupported version must name the supported versions (RFC 6455, section 4.4).
pub(super) const fn headers_of_status(status: u16) -> &'static [(&'static str, &'static str)] {
    match status {
        405 => &[("Allow", "GET")],
        426 => &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
        _ => &[],
    }
}

/// Returns the value of the Connection header of a rejection.
///
/// "A sender of Upgrade MUST also send an "Upgrade" connection option" (RFC 9110, section 7.8).
pub(super) fn connection_of_rejection(headers: &[(&str, &str)]) -> &'static str {
    let has_upgrade = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
    if has_upgrade { "close, Upgrade" } else { "close" }
}

/// Checks the syntax of a header (RFC 9110, section 5).
pub(super) fn check_header(name: &str, value: &str) -> Result<(), LocalHandshakeError> {
    if !is_token(name.as_bytes()) {
        return Err(LocalHandshakeError::InvalidHeaderName {
            name: name_excerpt(name),
        });
    }
    if !is_field_value(value.as_bytes()) {
        return Err(LocalHandshakeError::InvalidHeaderValue {
            name: name_excerpt(name),
        });
    }
    Ok(())
}

/// Quotes a header name. A caller may pass a whole field as the name by mistake, so the excerpt
/// ends before the first colon.
pub(super) fn name_excerpt(name: &str) -> Excerpt {
    Excerpt::truncated(name.as_bytes(), name.find(':').unwrap_or(name.len()))
}

/// An error in a list of subprotocols. Positions begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubprotocolsError {
    NotAToken { position: usize },
    Repeated { position: usize },
}

impl From<SubprotocolsError> for RequestError {
    fn from(error: SubprotocolsError) -> Self {
        match error {
            SubprotocolsError::NotAToken { position } => Self::InvalidSubprotocol { position },
            SubprotocolsError::Repeated { position } => Self::RepeatedSubprotocol { position },
        }
    }
}

impl From<SubprotocolsError> for LocalHandshakeError {
    fn from(error: SubprotocolsError) -> Self {
        match error {
            SubprotocolsError::NotAToken { position } => Self::InvalidSubprotocol { position },
            SubprotocolsError::Repeated { position } => Self::RepeatedSubprotocol { position },
        }
    }
}

/// Checks that all subprotocols are tokens and that none is repeated (RFC 6455, section 4.1, step
/// 10, and section 4.3). Case is significant.
pub(super) fn check_subprotocols<'a>(
    subprotocols: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<(), SubprotocolsError> {
    if let Some(index) = subprotocols.clone().position(|subprotocol| !is_token(subprotocol)) {
        return Err(SubprotocolsError::NotAToken { position: index + 1 });
    }
    let Some(repeated) = find_repeated(subprotocols.clone()) else {
        return Ok(());
    };
    let (first, _) = subprotocols
        .enumerate()
        .filter(|(_, subprotocol)| *subprotocol == repeated)
        .nth(1)
        .unwrap_or_default();
    Err(SubprotocolsError::Repeated { position: first + 1 })
}

/// Returns an element that is repeated.
fn find_repeated<'a>(elements: impl Iterator<Item = &'a [u8]> + Clone) -> Option<&'a [u8]> {
    /// The number of elements that are compared in pairs, without an allocation.
    const MAX_PAIRWISE: usize = 32;
    let mut rest = elements.clone().take(MAX_PAIRWISE);
    while let Some(element) = rest.next() {
        if rest.clone().any(|other| other == element) {
            return Some(element);
        }
    }
    elements.clone().nth(MAX_PAIRWISE)?;
    // Comparing all pairs of a list that fills the head would take quadratic time.
    let mut sorted: Vec<&[u8]> = elements.collect();
    sorted.sort_unstable();
    sorted
        .windows(2)
        .find_map(|pair| pair.first().filter(|first| pair.last() == Some(first)))
        .copied()
}
