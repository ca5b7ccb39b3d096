//! Buffers that the connections of a thread share: while they have nothing to do they hold none, and to make one for each
//! thing to do costs more than the thing.

use alloc::{vec, vec::Vec};
use core::cell::Cell;

/// No larger ones are kept, in bytes: twice what is read at a time, because an output grows by doubling.
const MOST: usize = 128 << 10;

std::thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One to read into, at least so long.
pub(super) fn take_input(len: usize) -> Vec<u8> {
    let buf = INPUT.try_with(Cell::take).unwrap_or_default();
    if buf.len() < len { vec![0; len] } else { buf }
}

pub(super) fn keep_input(buf: Vec<u8>) {
    // At the end of the thread there is no shelf any more.
    let _kept = INPUT.try_with(|shelf| keep(shelf, buf));
}

/// One to write from, empty.
pub(super) fn take_output() -> Vec<u8> {
    OUTPUT.try_with(Cell::take).unwrap_or_default()
}

pub(super) fn keep_output(mut buf: Vec<u8>) {
    buf.clear();
    let _kept = OUTPUT.try_with(|shelf| keep(shelf, buf));
}

/// Of two the larger one.
fn keep(shelf: &Cell<Vec<u8>>, buf: Vec<u8>) {
    let other = shelf.take();
    let fits = buf.capacity() > other.capacity() && buf.capacity() <= MOST;
    shelf.set(if fits { buf } else { other });
}
