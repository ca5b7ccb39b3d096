//! What a caller may put into the fields of a handshake.

use alloc::vec::Vec;

use crate::{
    error::LocalHandshakeError,
    http::{is_field_value, is_token},
};

/// Fields that the handshake itself writes, so that a caller's header of the same name would contradict it.
pub(super) fn is_reserved(name: &str) -> bool {
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
pub(super) fn check_header(name: &str, value: &[u8]) -> Result<(), LocalHandshakeError> {
    if !is_token(name.as_bytes()) {
        return Err(LocalHandshakeError::HeaderName);
    }
    if !is_field_value(value) {
        return Err(LocalHandshakeError::HeaderValue);
    }
    Ok(())
}

/// "elements ... MUST be non-empty strings ... and MUST all be unique strings" (section 4.1, step 10); they are tokens
/// (section 4.3). Case matters.
pub(super) fn are_unique_tokens<'a>(elements: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
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
