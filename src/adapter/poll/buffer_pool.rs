//! Buffers that the connections of a thread share.
//!
//! A connection that has nothing in progress holds no buffer, and allocating one for each read or
//! write would cost more than the read or the write. So each thread keeps one buffer for input and
//! one for output.

use alloc::{vec, vec::Vec};
use core::cell::Cell;

/// The largest buffer that is kept, in bytes: twice what is read at a time, because an output grows
/// by doubling.
const MAX_CAPACITY: usize = 128 << 10;

std::thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Replaces `buf` by a buffer to read into, of at least `len` bytes. In place, which is faster for
/// the reason given at [`Waiting::begin`](super::waiting::Waiting::begin).
pub(super) fn take_input(buf: &mut Vec<u8>, len: usize) {
    let _taken = INPUT.try_with(|slot| *buf = slot.take());
    if buf.len() < len {
        *buf = vec![0; len];
    }
}

/// Keeps a buffer for the next [`take_input`].
pub(super) fn keep_input(buf: Vec<u8>) {
    // This fails at the end of the thread, when the pool is gone.
    let _kept = INPUT.try_with(|slot| keep_larger(slot, buf));
}

/// Returns an empty buffer to write from.
pub(super) fn take_output() -> Vec<u8> {
    OUTPUT.try_with(Cell::take).unwrap_or_default()
}

/// Keeps a buffer for the next [`take_output`].
pub(super) fn keep_output(mut buf: Vec<u8>) {
    buf.clear();
    let _kept = OUTPUT.try_with(|slot| keep_larger(slot, buf));
}

fn keep_larger(slot: &Cell<Vec<u8>>, buf: Vec<u8>) {
    let kept = slot.take();
    let is_better = buf.capacity() > kept.capacity() && buf.capacity() <= MAX_CAPACITY;
    slot.set(if is_better { buf } else { kept });
}
