//! The straight lines for frames with less than 64 KiB of payload that the output has room for.
//!
//! A short payload is written as two blocks, which may overlap, by functions that call nothing: they save nothing on the stack,
//! and each store more is one that whoever reads the output soon waits for. Two sizes of block for each function: with more,
//! what appends a block would be called, and not inlined into it.

use alloc::vec::Vec;

use crate::mask;

/// What a header takes here at most.
const HEADER: usize = 8;

/// What the header of a client's short frame takes.
const MASKED_HEADER: usize = 6;

/// Whether a frame of this payload can be written here.
#[inline(always)]
pub(super) fn fits(data: &[u8], out: &Vec<u8>) -> bool {
    data.len() <= 0xFFFF && out.capacity() - out.len() >= HEADER + data.len()
}

/// A server's frame that [`fits`]; `first` is the first byte of its header.
#[inline(always)]
pub(super) fn unmasked(first: u8, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(fits(data, out));
    match data.len() {
        8..=32 => unmasked_short(first, data, out),
        _ => unmasked_any(first, data, out),
    }
}

#[inline(never)]
fn unmasked_short(first: u8, data: &[u8], out: &mut Vec<u8>) {
    match data.len() {
        0..16 => unmasked_blocks::<8>(first, data, out),
        _ => unmasked_blocks::<16>(first, data, out),
    }
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "at most 125")]
fn unmasked_blocks<const N: usize>(first: u8, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!((N..=2 * N).contains(&data.len()));
    if let (Some(front), Some(back)) = (data.first_chunk::<N>(), data.last_chunk::<N>()) {
        put([first, data.len() as u8], out);
        let end = out.len() + data.len();
        put(*front, out);
        out.truncate(end - N);
        put(*back, out);
    }
}

#[inline(never)]
#[allow(clippy::cast_possible_truncation, reason = "`fits` has tested the range")]
fn unmasked_any(first: u8, data: &[u8], out: &mut Vec<u8>) {
    match data.len() {
        len @ 0..126 => put([first, len as u8], out),
        len => {
            let [high, low] = (len as u16).to_be_bytes();
            put([first, 126, high, low], out);
        }
    }
    out.extend_from_slice(data);
}

/// A client's frame that [`fits`].
#[inline(always)]
pub(super) fn masked(first: u8, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    debug_assert!(fits(data, out));
    match data.len() {
        8..=32 => masked_short(first, data, key, out),
        33..=125 => masked_longer(first, data, key, out),
        _ => masked_any(first, data, key, out),
    }
}

#[inline(never)]
fn masked_short(first: u8, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    match data.len() {
        0..16 => masked_blocks::<8, 14>(first, data, key, out),
        _ => masked_blocks::<16, 22>(first, data, key, out),
    }
}

#[inline(never)]
fn masked_longer(first: u8, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    match data.len() {
        0..64 => masked_blocks::<32, 38>(first, data, key, out),
        _ => masked_blocks::<64, 70>(first, data, key, out),
    }
}

/// The header goes with the first block: to append the two one after the other takes longer by half.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "at most 125")]
fn masked_blocks<const N: usize, const BEGIN: usize>(first: u8, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    const { assert!(BEGIN == MASKED_HEADER + N) }
    debug_assert!((N..=2 * N).contains(&data.len()));
    if let (Some(front), Some(back)) = (data.first_chunk::<N>(), data.last_chunk::<N>()) {
        let [a, b, c, d] = key;
        let mut begin = [0; BEGIN];
        let (header, block) = begin.split_at_mut(MASKED_HEADER);
        header.copy_from_slice(&[first, 0x80 | data.len() as u8, a, b, c, d]);
        block.copy_from_slice(&mask::xored(*front, key));
        let end = out.len() + MASKED_HEADER + data.len();
        put(begin, out);
        out.truncate(end - N);
        // A block is a multiple of four: the key stands before the last one as it does behind it.
        put(mask::xored(*back, mask::turned(key, data.len())), out);
    }
}

#[inline(never)]
#[allow(clippy::cast_possible_truncation, reason = "`fits` has tested the range")]
fn masked_any(first: u8, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    let [a, b, c, d] = key;
    match data.len() {
        len @ 0..126 => put([first, 0x80 | len as u8, a, b, c, d], out),
        len => {
            let [high, low] = (len as u16).to_be_bytes();
            put([first, 0x80 | 126, high, low, a, b, c, d], out);
        }
    }
    mask::append(data, key, out);
}

/// Appends a block. There is room, as the frame `fits`; that it is asked for again lets the compiler leave out the call that
/// would make some.
#[inline(always)]
fn put<const N: usize>(block: [u8; N], out: &mut Vec<u8>) {
    let has_room = out.capacity() - out.len() >= N;
    debug_assert!(has_room);
    if has_room {
        out.extend_from_slice(&block);
    }
}
