//! Taking bytes off the front of an input.

use core::mem;

/// Takes `n` bytes off the front of `input`. `n` is at most the length of `input`.
#[inline]
pub(crate) fn take<'b>(input: &mut &'b mut [u8], n: usize) -> &'b mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(n);
    *input = rest;
    front
}
