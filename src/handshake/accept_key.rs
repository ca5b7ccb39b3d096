//! `Sec-WebSocket-Accept` (RFC 6455, section 4.2.2).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1_smol::Sha1;

/// The value of `Sec-WebSocket-Accept` for a value of `Sec-WebSocket-Key`: "base64-encoded SHA-1 of the concatenation"
/// with the GUID (section 4.2.2, step 5.4).
pub(super) fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut sha = Sha1::new();
    sha.update(key);
    sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut accept = [0; 28];
    // 20 bytes are always 28 characters.
    let written = STANDARD.encode_slice(sha.digest().bytes(), &mut accept);
    debug_assert_eq!(written, Ok(28));
    accept
}
