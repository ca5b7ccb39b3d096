//! The fast path for frames with less than 64 KiB of payload that the output has room for.
//!
//! A short payload is written as two blocks, which may overlap, by functions that call nothing:
//! they save nothing on the stack, and each further store is one that a reader of the output soon
//! waits for. There are two sizes of block for each function: with more, what appends a block would
//! be called instead of inlined.

use alloc::vec::Vec;

use crate::{
    copy,
    frame::wire::{self, FirstByte, SHORT_MASKED_LEN},
    mask,
};

/// Whether a frame of this payload can be written here.
#[inline(always)]
pub(super) fn fits(data: &[u8], out: &Vec<u8>) -> bool {
    data.len() <= wire::MAX_IN_16_BITS && out.capacity() - out.len() >= wire::MEDIUM_MASKED_LEN + data.len()
}

/// Appends a server's frame that [`fits`].
#[inline(always)]
pub(super) fn unmasked(first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(fits(data, out));
    match data.len() {
        8..=32 => unmasked_short(first, data, out),
        _ => unmasked_any(first, data, out),
    }
}

#[inline(never)]
fn unmasked_short(first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
    match data.len() {
        0..16 => unmasked_blocks::<8>(first, data, out),
        _ => unmasked_blocks::<16>(first, data, out),
    }
}

#[inline(always)]
fn unmasked_blocks<const N: usize>(first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!((N..=2 * N).contains(&data.len()));
    if let (Some(front), Some(back)) = (data.first_chunk::<N>(), data.last_chunk::<N>()) {
        push_block(wire::short(first, data.len()), out);
        let end = out.len() + data.len();
        push_block(*front, out);
        out.truncate(end - N);
        push_block(*back, out);
    }
}

#[inline(never)]
fn unmasked_any(first: FirstByte, data: &[u8], out: &mut Vec<u8>) {
    match data.len() {
        len @ 0..=wire::MAX_IN_7_BITS => push_block(wire::short(first, len), out),
        len => push_block(wire::medium(first, len), out),
    }
    match data.len() {
        0..=copy::MAX_AT_ONCE => push(data, out),
        _ => copy::append(data, out),
    }
}

/// Appends a client's frame that [`fits`].
#[inline(always)]
pub(super) fn masked(first: FirstByte, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    debug_assert!(fits(data, out));
    match data.len() {
        8..=32 => masked_short(first, data, key, out),
        33..=wire::MAX_IN_7_BITS => masked_longer(first, data, key, out),
        _ => masked_any(first, data, key, out),
    }
}

#[inline(never)]
fn masked_short(first: FirstByte, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    match data.len() {
        0..16 => masked_blocks::<8, { SHORT_MASKED_LEN + 8 }>(first, data, key, out),
        _ => masked_blocks::<16, { SHORT_MASKED_LEN + 16 }>(first, data, key, out),
    }
}

#[inline(never)]
fn masked_longer(first: FirstByte, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    match data.len() {
        0..64 => masked_blocks::<32, { SHORT_MASKED_LEN + 32 }>(first, data, key, out),
        _ => masked_blocks::<64, { SHORT_MASKED_LEN + 64 }>(first, data, key, out),
    }
}

/// The header goes with the first block: to append the two one after the other takes longer by
/// half.
#[inline(always)]
fn masked_blocks<const N: usize, const BEGIN: usize>(first: FirstByte, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    const { assert!(BEGIN == SHORT_MASKED_LEN + N) }
    debug_assert!((N..=2 * N).contains(&data.len()));
    if let (Some(front), Some(back)) = (data.first_chunk::<N>(), data.last_chunk::<N>()) {
        let mut begin = [0; BEGIN];
        let (header, block) = begin.split_at_mut(SHORT_MASKED_LEN);
        header.copy_from_slice(&wire::short_masked(first, data.len(), key));
        block.copy_from_slice(&mask::xored(*front, key));
        let end = out.len() + SHORT_MASKED_LEN + data.len();
        push_block(begin, out);
        out.truncate(end - N);
        // A block is a multiple of four bytes, so the key is the same before the last block and
        // after it.
        push_block(mask::xored(*back, mask::rotated(key, data.len())), out);
    }
}

#[inline(never)]
fn masked_any(first: FirstByte, data: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    match data.len() {
        len @ 0..=wire::MAX_IN_7_BITS => push_block(wire::short_masked(first, len, key), out),
        len => push_block(wire::medium_masked(first, len, key), out),
    }
    mask::append(data, key, out);
}

#[inline(always)]
fn push_block<const N: usize>(block: [u8; N], out: &mut Vec<u8>) {
    push(&block, out);
}

/// Appends bytes. There is room, as the frame [`fits`]; the question lets the compiler leave out
/// the call that would make some, and what is saved on the stack for it.
#[inline(always)]
fn push(data: &[u8], out: &mut Vec<u8>) {
    let has_room = out.capacity() - out.len() >= data.len();
    debug_assert!(has_room);
    if has_room {
        out.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::fits;

    /// The fast path takes payload up to 64 KiB, if the output has room for the longest header that
    /// it writes.
    #[test]
    fn what_the_output_has_room_for_is_taken() {
        let fits = |len: usize, room: usize| {
            let mut out = Vec::new();
            out.reserve_exact(10 + room);
            out.resize(out.capacity() - room, 0);
            fits(&alloc::vec![0; len], &out)
        };
        assert!(fits(0, 8) && fits(100, 108) && fits(0xFFFF, 0xFFFF + 8));
        assert!(!fits(0, 7) && !fits(100, 107) && !fits(0x1_0000, 0x1_0000 + 100));
    }
}
