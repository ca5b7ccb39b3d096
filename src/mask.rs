//! Masking: every byte from a client is XORed with a key of four bytes (RFC 6455, section 5.3).

/// XORs `data` with `key`, in place, and returns the key as it goes on after `data`.
///
/// Masking and unmasking are the same operation. A payload that comes in pieces is masked piece by piece by passing
/// on the returned key: byte `i` of the whole meets byte `i mod 4` of the key, wherever it was cut.
///
/// ```
/// use sockless::mask;
///
/// // The masked "Hello" of RFC 6455, section 5.7, in two pieces.
/// let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let key = mask::apply(&mut payload[..3], [0x37, 0xfa, 0x21, 0x3d]);
/// mask::apply(&mut payload[3..], key);
/// assert_eq!(&payload, b"Hello");
/// ```
#[inline]
pub fn apply(data: &mut [u8], mut key: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let rest = data.len() % 4;
    // Whole words first: the compiler turns this loop into vector instructions.
    let mut words = data.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(bytes) = <&mut [u8; 8]>::try_from(word) {
            *bytes = (u64::from_ne_bytes(*bytes) ^ wide).to_ne_bytes();
        }
    }
    let mut halves = words.into_remainder().chunks_exact_mut(4);
    for half in &mut halves {
        if let Ok(bytes) = <&mut [u8; 4]>::try_from(half) {
            *bytes = (u32::from_ne_bytes(*bytes) ^ u32::from_ne_bytes(key)).to_ne_bytes();
        }
    }
    for (byte, mask) in halves.into_remainder().iter_mut().zip(key) {
        *byte ^= mask;
    }
    key.rotate_left(rest);
    key
}
