//! Masking: every byte from a client is XORed with a key of four bytes (RFC 6455, section 5.3).

#[cfg(feature = "alloc")]
pub(crate) mod keys;
mod long;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// XORs `data` with `key`, in place, and returns the key for the bytes after `data`.
///
/// Masking and unmasking are the same operation. A payload that comes in pieces is masked piece by
/// piece by passing on the returned key: byte `i` of the whole meets byte `i mod 4` of the key,
/// wherever it was cut.
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
pub fn apply(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let key = u32::from_le_bytes(key);
    let after = rotate(key, data.len());
    if data.len() < long::MIN {
        xor(data, key, after);
    } else {
        long::xor(data, key, after);
    }
    after.to_le_bytes()
}

/// XORs `data` with `key`, if there is one, and returns whether it is ASCII then.
///
/// It looks at all of the bytes, without a branch: `is_ascii` of `core` looks for the first one
/// that is not, which takes longer if there is none.
#[cfg(feature = "alloc")]
pub(crate) fn apply_and_check_ascii(data: &mut [u8], key: Option<[u8; 4]>) -> bool {
    /// So short that it is still in the L1 cache when it is looked at, and a multiple of four
    /// bytes, so that the key is the same for each part.
    const PART: usize = 8 << 10;
    #[cfg(feature = "simd")]
    if data.len() >= long::MIN_SIMD {
        return long::xor_and_unite(data, key.map(u32::from_le_bytes)).is_ascii();
    }
    let mut bits = 0;
    for part in data.chunks_mut(PART) {
        if let Some(key) = key {
            apply(part, key);
        }
        bits |= unite(part);
    }
    bits.is_ascii()
}

/// Returns the union of the bits of all bytes.
#[cfg(feature = "alloc")]
#[inline(always)]
fn unite(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |all, byte| all | byte)
}

/// Returns a block of whole words, XORed with `key`.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(crate) fn xored<const N: usize>(mut block: [u8; N], key: [u8; 4]) -> [u8; N] {
    xor_words(&mut block, wide(u32::from_le_bytes(key)));
    block
}

/// Appends `data`, XORed with `key`, to `out`. Inlined, because a call between the header and the
/// payload of a frame would wait for the length that was just stored.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(crate) fn append(data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    out.reserve(data.len());
    let word = u32::from_le_bytes(key);
    let after = rotate(word, data.len());
    match data.len() {
        0..8 => out.extend(data.iter().zip(key.into_iter().cycle()).map(|(byte, key)| byte ^ key)),
        8..16 => append_blocks::<8>(data, word, after, out),
        16..32 => append_blocks::<16>(data, word, after, out),
        32..long::MIN => append_blocks::<32>(data, word, after, out),
        _ => long::append(data, word, after, out),
    }
}

/// Appends whole blocks from the front, and one that ends where `data` ends and may overlap the one
/// before it. `data` is at least one block long, and a block is a multiple of four bytes, so the
/// key is the same before the last block and after it.
///
/// A copy and an XOR after it would load what was just stored, in other steps, and wait for it.
#[cfg(feature = "alloc")]
#[inline]
fn append_blocks<const N: usize>(data: &[u8], key: u32, after: u32, out: &mut Vec<u8>) {
    let end = out.len() + data.len();
    for block in data.chunks_exact(N) {
        if let Some(mut block) = block.first_chunk::<N>().copied() {
            xor_words(&mut block, wide(key));
            out.extend_from_slice(&block);
        }
    }
    if let Some(mut last) = data.last_chunk::<N>().copied() {
        xor_words(&mut last, wide(after));
        out.truncate(end - N);
        out.extend_from_slice(&last);
    }
}

/// XORs `data` with `key`, which is `after` after it. The last bytes are read first and written
/// last, so that whole blocks from the front may overlap them and no remainder is left.
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

/// Returns the key rotated by `len` bytes.
#[inline(always)]
pub(crate) fn rotated(key: [u8; 4], len: usize) -> [u8; 4] {
    rotate(u32::from_le_bytes(key), len).to_le_bytes()
}

#[inline(always)]
fn rotate(key: u32, len: usize) -> u32 {
    // The rotation is modulo 32 bits, so the truncated length gives the same.
    key.rotate_right((len as u32).wrapping_mul(8))
}

#[inline(always)]
fn xor_words(bytes: &mut [u8], key: u64) {
    for word in bytes.chunks_exact_mut(8) {
        if let Ok(word) = <&mut [u8; 8]>::try_from(word) {
            *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
        }
    }
}

#[inline(always)]
fn wide(key: u32) -> u64 {
    u64::from(key) << 32 | u64::from(key)
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::vec::Vec;

    use super::{append, apply, apply_and_check_ascii};

    /// Both functions give what RFC 6455, section 5.3, says of each byte, for any length, and
    /// change nothing else.
    #[test]
    fn every_length_is_masked_byte_by_byte() {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let lengths = (0..=1200).chain([16 << 10, (64 << 10) + 5]);
        for len in lengths {
            let data: Vec<u8> = (0..len).map(|at| (at * 7 + at / 251) as u8).collect();
            let expected: Vec<u8> = (0..len).map(|at| data[at] ^ key[at % 4]).collect();
            let mut out = Vec::from(&b"before"[..]);
            append(&data, key, &mut out);
            assert_eq!(out.split_at(6), (&b"before"[..], &expected[..]), "{len} bytes");
            let mut in_place = data;
            let after = apply(&mut in_place, key);
            assert_eq!(in_place, expected, "{len} bytes");
            assert_eq!(after, core::array::from_fn(|at| key[(at + len) % 4]), "{len} bytes");
        }
    }

    /// Any byte that is not ASCII is found, wherever it is.
    #[test]
    fn text_is_unmasked_and_checked() {
        for key in [None, Some([0x37, 0xFA, 0x21, 0x3D])] {
            for len in (0..=130).chain([255, 256, 257, 1000]) {
                let text: Vec<u8> = (0..len).map(|at| b'a' + (at % 26) as u8).collect();
                for high in (0..len).map(Some).chain([None]) {
                    let mut expected = text.clone();
                    if let Some(at) = high {
                        expected[at] |= 0x80;
                    }
                    let mut data = expected.clone();
                    apply(&mut data, key.unwrap_or_default());
                    let is_ascii = apply_and_check_ascii(&mut data, key);
                    assert_eq!(is_ascii, high.is_none(), "{len} bytes, {high:?}");
                    assert_eq!(data, expected);
                }
            }
            let mut long = [b'a'; 20_000];
            for at in [0, 8191, 8192, 19_999] {
                long[at] = 0xC3;
                let mut data = long;
                apply(&mut data, key.unwrap_or_default());
                assert!(!apply_and_check_ascii(&mut data, key) && data == long, "{at}");
                long[at] = b'a';
            }
        }
    }
}
