//! `Sec-WebSocket-Accept` (RFC 6455, section 4.2.2).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1_smol::Sha1;

/// Returns the value of `Sec-WebSocket-Accept` for a value of `Sec-WebSocket-Key`: the base64 form
/// of the SHA-1 hash of the key and the GUID (RFC 6455, section 4.2.2, step 5.4).
pub(super) fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut sha = Sha1::new();
    sha.update(key);
    sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    // The base64 form of 20 bytes has 28 characters.
    base64(&sha.digest().bytes())
}

/// Returns the base64 form, which must have `LEN` characters.
pub(super) fn base64<const LEN: usize>(bytes: &[u8]) -> [u8; LEN] {
    let mut text = [0; LEN];
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(LEN));
    text
}
