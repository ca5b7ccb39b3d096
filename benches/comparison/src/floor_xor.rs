//! The XOR function of both floors. It uses AVX2 if the processor has it.

#[inline]
pub fn xor(data: &mut [u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    if data.len() >= 256 && is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { xor_avx2(data, key) };
    }
    xor_words(data, key);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn xor_avx2(data: &mut [u8], key: [u8; 4]) {
    // Aligned, so that no vector crosses a cache line.
    let (front, rest) = data.split_at_mut(data.as_ptr().align_offset(32).min(data.len()));
    let key = xor_bytes(front, key);
    xor_words(rest, key);
}

#[inline(always)]
fn xor_words(data: &mut [u8], key: [u8; 4]) {
    let word = u32::from_ne_bytes(key);
    let wide = u64::from(word) << 32 | u64::from(word);
    // The last word is read first and written last. It may overlap the word before.
    let rotated = wide.rotate_right(8 * (data.len() as u32 % 4));
    let last = data.last_chunk().map(|last| u64::from_ne_bytes(*last) ^ rotated);
    let mut words = data.chunks_exact_mut(8);
    for bytes in &mut words {
        let bytes: &mut [u8; 8] = bytes.try_into().unwrap();
        *bytes = (u64::from_ne_bytes(*bytes) ^ wide).to_ne_bytes();
    }
    match last {
        Some(last) => *data.last_chunk_mut().unwrap() = last.to_ne_bytes(),
        None => _ = xor_bytes(data, key),
    }
}

/// Returns the key for the next byte.
#[inline(always)]
fn xor_bytes(data: &mut [u8], mut key: [u8; 4]) -> [u8; 4] {
    for (byte, key) in data.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
    key.rotate_left(data.len() % 4);
    key
}
