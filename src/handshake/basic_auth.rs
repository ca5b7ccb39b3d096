//! Credentials of the authentication scheme "Basic" (RFC 7617).

use alloc::{format, string::String};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::error::LocalHandshakeError;

/// Returns the value of an `Authorization` or `Proxy-Authorization` header. Text is sent as UTF-8.
pub(crate) fn basic_credentials(user: &str, password: &str) -> Result<String, LocalHandshakeError> {
    // "a user-id containing a colon character is invalid", and "The user-id and password MUST NOT
    // contain any control characters" (RFC 7617, section 2)
    if user.contains(':') || [user, password].iter().any(|text| text.contains(char::is_control)) {
        return Err(LocalHandshakeError::InvalidCredentials);
    }
    Ok(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}
