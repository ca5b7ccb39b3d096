//! The random values of a client: mask keys, and the nonce of the opening handshake. The seed comes
//! from the caller; an adapter takes it from the operating system.

use chacha20::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A ChaCha8 stream from the caller's seed.
///
/// Mask keys have to be fresh for every frame and unpredictable for whoever supplies the payload,
/// also after earlier keys were seen (RFC 6455, sections 5.3 and 10.3). A stream cipher provides
/// that without a system call for each frame. Eight rounds, because no attack on them is known that
/// is practical, and nothing that was sent is secret: all that counts is that the next key cannot
/// be computed. Twenty take a sixth more for a frame of 16 bytes.
pub(crate) struct MaskKeys(ChaCha8Rng);

impl MaskKeys {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// Returns the key of the next frame.
    pub(crate) fn next_key(&mut self) -> [u8; 4] {
        self.0.next_u32().to_le_bytes()
    }

    /// Returns the 16 bytes that `Sec-WebSocket-Key` encodes (RFC 6455, section 4.1).
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.0.fill_bytes(&mut nonce);
        nonce
    }
}
