//! Masking of data that is long enough for blocks that begin at a cache line: a block across two
//! cache lines takes twice as long to load or to store.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

#[cfg(feature = "simd")]
use fearless_simd::{Level, Simd, dispatch, prelude::*, u8x64, u32x16};

#[cfg(all(feature = "simd", feature = "alloc"))]
use super::unite;
use super::{rotate, wide, xor_words};

const BLOCK: usize = 64;
type Block = [u8; BLOCK];

/// The shortest data for which this is faster, in bytes; at least a block.
pub(super) const MIN: usize = 128;

/// The shortest data for which detecting the SIMD instructions of the processor pays off, in bytes.
#[cfg(feature = "simd")]
pub(super) const MIN_SIMD: usize = 256;

/// XORs `data`, at least a block, with `key`, which is `after` after it.
#[inline(never)]
pub(super) fn xor(data: &mut [u8], key: u32, after: u32) {
    #[cfg(feature = "simd")]
    if data.len() >= MIN_SIMD {
        return dispatch!(Level::new(), simd => xor_with(data, key, after, in_vectors(simd)));
    }
    xor_with(data, key, after, in_words);
}

/// XORs `data`, at least a block, with `key`, if there is one. Returns the union of the bits of its
/// bytes after that. In words of 64 bits, two passes are faster than this one.
#[cfg(feature = "simd")]
#[inline(never)]
pub(super) fn xor_and_unite(data: &mut [u8], key: Option<u32>) -> u8 {
    dispatch!(Level::new(), simd => match key {
        Some(key) => xor_and_unite_in_vectors(simd, data, key),
        None => unite(data),
    })
}

#[cfg(feature = "simd")]
#[inline(always)]
fn xor_and_unite_in_vectors<S: Simd>(simd: S, data: &mut [u8], key: u32) -> u8 {
    let after = rotate(key, data.len());
    let xor = in_vectors(simd);
    let mut bits = u8x64::splat(simd, 0);
    xor_with(
        data,
        key,
        after,
        #[inline(always)]
        |block, key| {
            let block = xor(block, key);
            bits |= u8x64::simd_from(simd, block);
            block
        },
    );
    unite(&<Block>::from(bits))
}

/// Appends `data`, at least a block, XORed with `key`, which is `after` after it. `out` has room
/// for it.
#[cfg(feature = "alloc")]
#[inline(never)]
pub(super) fn append(data: &[u8], key: u32, after: u32, out: &mut Vec<u8>) {
    #[cfg(feature = "simd")]
    if data.len() >= MIN_SIMD {
        return dispatch!(Level::new(), simd => append_with::<512>(data, key, after, out, in_vectors(simd)));
    }
    append_with::<128>(data, key, after, out, in_words);
}

#[inline(always)]
fn in_words(mut block: Block, key: u32) -> Block {
    xor_words(&mut block, wide(key));
    block
}

#[cfg(feature = "simd")]
#[inline(always)]
fn in_vectors<S: Simd>(simd: S) -> impl Fn(Block, u32) -> Block {
    #[inline(always)]
    move |block, key| {
        let key: u8x64<S> = u32x16::splat(simd, key.to_le()).bitcast();
        (u8x64::simd_from(simd, block) ^ key).into()
    }
}

/// The ends are read first and written last, so that whole blocks from the first cache line on may
/// overlap them.
#[inline(always)]
fn xor_with(data: &mut [u8], key: u32, after: u32, mut xor: impl FnMut(Block, u32) -> Block) {
    let (Some(&first), Some(&last)) = (data.first_chunk(), data.last_chunk()) else {
        return;
    };
    let skip = data.as_ptr().align_offset(BLOCK).min(BLOCK);
    let rotated = rotate(key, skip);
    for block in data.get_mut(skip..).unwrap_or_default().chunks_exact_mut(BLOCK) {
        if let Ok(block) = <&mut Block>::try_from(block) {
            *block = xor(*block, rotated);
        }
    }
    if let Some(slot) = data.first_chunk_mut() {
        *slot = xor(first, key);
    }
    if let Some(slot) = data.last_chunk_mut() {
        *slot = xor(last, after);
    }
}

/// Loads, XORs and stores block by block: a copy and an XOR after it would take two passes.
#[cfg(feature = "alloc")]
#[inline(always)]
fn append_with<const N: usize>(
    data: &[u8],
    key: u32,
    after: u32,
    out: &mut Vec<u8>,
    xor: impl Fn(Block, u32) -> Block,
) {
    let (Some(&first), Some(&last)) = (data.first_chunk(), data.last_chunk()) else {
        return;
    };
    let (start, end) = (out.len(), out.len() + data.len());
    let skip = out.as_ptr().wrapping_add(start).align_offset(BLOCK).min(BLOCK);
    let rotated = rotate(key, skip);
    out.extend_from_slice(&xor(first, key));
    out.truncate(start + skip);
    let mut groups = data.get(skip..).unwrap_or_default().chunks_exact(N);
    for group in &mut groups {
        // Appended at once, because each append checks for room.
        let mut done = [0; N];
        for (block, done) in group.chunks_exact(BLOCK).zip(done.chunks_exact_mut(BLOCK)) {
            if let (Ok(block), Ok(done)) = (<&Block>::try_from(block), <&mut Block>::try_from(done)) {
                *done = xor(*block, rotated);
            }
        }
        out.extend_from_slice(&done);
    }
    for block in groups.remainder().chunks_exact(BLOCK) {
        if let Ok(block) = <&Block>::try_from(block) {
            out.extend_from_slice(&xor(*block, rotated));
        }
    }
    out.truncate(end - BLOCK);
    out.extend_from_slice(&xor(last, after));
}
