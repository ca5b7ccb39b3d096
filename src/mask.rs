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
#[allow(clippy::cast_possible_truncation, reason = "its low bits count")]
pub fn apply(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let key = u32::from_le_bytes(key);
    // The key as it goes on after `data`. A shift counts modulo 32, a cut-off length too.
    let after = key.rotate_right((data.len() as u32).wrapping_mul(8));
    xor(data, key, after);
    after.to_le_bytes()
}

/// The last bytes are read first and written last, so that whole blocks from the front may run into them and no
/// remainder is left. A multiple of 4 bytes before the end the key stands as it does behind it.
#[inline]
fn xor(data: &mut [u8], key: u32, after: u32) {
    if let Some(last) = data.last_chunk::<16>() {
        let (key, after) = (wide(key), wide(after));
        let mut last = *last;
        xor_words(&mut last, after);
        let front = (data.len() - 1) / 16 * 16;
        for block in data.get_mut(..front).unwrap_or_default().chunks_exact_mut(16) {
            if let Ok(block) = <&mut [u8; 16]>::try_from(block) {
                xor_words(block, key);
            }
        }
        if let Some(slot) = data.last_chunk_mut::<16>() {
            *slot = last;
        }
    } else if let (Some(first), Some(last)) = (data.first_chunk::<8>(), data.last_chunk::<8>()) {
        let first = (u64::from_le_bytes(*first) ^ wide(key)).to_le_bytes();
        let last = (u64::from_le_bytes(*last) ^ wide(after)).to_le_bytes();
        if let Some(slot) = data.first_chunk_mut() {
            *slot = first;
        }
        if let Some(slot) = data.last_chunk_mut() {
            *slot = last;
        }
    } else {
        for (byte, key) in data.iter_mut().zip(key.to_le_bytes().into_iter().cycle()) {
            *byte ^= key;
        }
    }
}

#[inline]
fn xor_words(bytes: &mut [u8], key: u64) {
    for word in bytes.chunks_exact_mut(8) {
        if let Ok(word) = <&mut [u8; 8]>::try_from(word) {
            *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
        }
    }
}

#[inline]
fn wide(key: u32) -> u64 {
    u64::from(key) << 32 | u64::from(key)
}
