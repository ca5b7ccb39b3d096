//! Copies of payload that take as long wherever the two buffers are.
//!
//! Above 2 KiB, glibc copies with `rep movsb` on many processors. On those of AMD that were
//! measured, Zen 3 and Zen 4, that takes up to thirty times as long if the destination is 1 to 63
//! bytes after the source modulo a page. A payload is a header's length away from the beginning of
//! a buffer, so some connections would be slow for as long as their buffers stay where they are.
//! There, the copy is made in pieces that are too short for that instruction.
//! `benches/alignment.rs` measures it.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::mem;

/// The longest copy that is as fast at any distance, in bytes.
pub(crate) const MAX_AT_ONCE: usize = 2 << 10;
const PAGE: usize = 4 << 10;
/// The distances that may be slow are below this.
const NEAR: usize = 64;

fn is_slow(from: *const u8, to: *const u8) -> bool {
    is_slow_at(to.addr().wrapping_sub(from.addr()))
}

/// `distance` is that from the source to the destination.
const fn is_slow_at(distance: usize) -> bool {
    distance % PAGE < NEAR
}

/// Appends `data` to `out`.
#[inline]
pub(crate) fn append(data: &[u8], out: &mut Vec<u8>) {
    if data.len() > MAX_AT_ONCE {
        append_long(data, out);
    } else {
        out.extend_from_slice(data);
    }
}

#[inline(never)]
fn append_long(data: &[u8], out: &mut Vec<u8>) {
    out.reserve(data.len());
    if !is_slow(data.as_ptr(), out.as_ptr().wrapping_add(out.len())) {
        return out.extend_from_slice(data);
    }
    for piece in data.chunks(MAX_AT_ONCE) {
        out.extend_from_slice(piece);
    }
}

/// Appends `text` to `out`.
pub(crate) fn append_text(text: &str, out: &mut String) {
    let mut rest = text;
    if text.len() > MAX_AT_ONCE {
        out.reserve(text.len());
        if is_slow(text.as_ptr(), out.as_ptr().wrapping_add(out.len())) {
            while let Some((piece, after)) = split(rest) {
                out.push_str(piece);
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

/// Returns the first piece of a text that is longer than a piece, and what follows it.
fn split(text: &str) -> Option<(&str, &str)> {
    // A code point has at most four bytes.
    let mut ends = (MAX_AT_ONCE - 3..=MAX_AT_ONCE).rev();
    ends.find_map(|end| text.split_at_checked(end).filter(|(_, after)| !after.is_empty()))
}

/// Copies `data` to the beginning of `to`, which is at least as long.
#[cfg(feature = "std")]
pub(crate) fn to_slice(data: &[u8], to: &mut [u8]) {
    let at_once = match is_slow(data.as_ptr(), to.as_ptr()) {
        true => MAX_AT_ONCE,
        false => data.len().max(1),
    };
    for (piece, place) in data.chunks(at_once).zip(to.chunks_mut(at_once)) {
        if let Some(place) = place.get_mut(..piece.len()) {
            place.copy_from_slice(piece);
        }
    }
}

/// Moves the bytes of `buf` from `start` to `end` to its beginning.
pub(crate) fn move_to_front(buf: &mut [u8], start: usize, end: usize) {
    if end.saturating_sub(start) <= MAX_AT_ONCE || !is_slow_at(0_usize.wrapping_sub(start)) {
        return buf.copy_within(start..end, 0);
    }
    for from in (start..end).step_by(MAX_AT_ONCE) {
        buf.copy_within(from..end.min(from + MAX_AT_ONCE), from - start);
    }
}

/// Like [`Cow::into_owned`], with the allocation `spare`.
pub(crate) fn into_owned(data: Cow<'_, [u8]>, spare: &mut Vec<u8>) -> Vec<u8> {
    match data {
        Cow::Borrowed(data) => {
            let mut owned = mem::take(spare);
            append(data, &mut owned);
            owned
        }
        Cow::Owned(data) => data,
    }
}

/// Like [`Cow::into_owned`], with the allocation `spare`.
pub(crate) fn into_owned_text(text: Cow<'_, str>, spare: &mut Vec<u8>) -> String {
    match text {
        Cow::Borrowed(text) => {
            let mut owned = String::from_utf8(mem::take(spare)).unwrap_or_default();
            append_text(text, &mut owned);
            owned
        }
        Cow::Owned(text) => text,
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::{borrow::Cow, string::String, vec, vec::Vec};

    use super::{
        MAX_AT_ONCE, NEAR, PAGE, append, append_text, into_owned, into_owned_text, is_slow, move_to_front, to_slice,
    };

    const LENGTHS: [usize; 9] = [
        0,
        1,
        MAX_AT_ONCE - 1,
        MAX_AT_ONCE,
        MAX_AT_ONCE + 1,
        2 * MAX_AT_ONCE,
        2 * MAX_AT_ONCE + 1,
        10_000,
        20_000,
    ];

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    /// Calls `test` with the content at both kinds of distance to `to`.
    fn at_distances(content: &[u8], to: *const u8, mut test: impl FnMut(usize, &[u8])) {
        let len = content.len();
        for distance in [0, 1, 8, NEAR - 1, NEAR, PAGE - 1] {
            let mut buf = vec![0; len + PAGE];
            let skip = to.addr().wrapping_sub(distance).wrapping_sub(buf.as_ptr().addr()) % PAGE;
            let data = &mut buf[skip..skip + len];
            data.copy_from_slice(content);
            assert_eq!(is_slow(data.as_ptr(), to), distance < NEAR);
            test(distance, data);
        }
    }

    #[test]
    fn all_is_copied_at_any_distance() {
        for len in LENGTHS {
            let mut out = Vec::with_capacity(len + 3);
            out.extend_from_slice(b"abc");
            at_distances(&bytes(len), out.as_ptr().wrapping_add(3), |distance, data| {
                out.truncate(3);
                append(data, &mut out);
                assert_eq!(
                    out.split_at(3),
                    (&b"abc"[..], &*bytes(len)),
                    "{len} bytes at {distance}"
                );
            });
            assert_eq!(out.capacity(), len + 3, "nothing was allocated");
            at_distances(&bytes(len), out.as_ptr(), |distance, data| {
                out.clear();
                out.resize(len + 3, 0xEE);
                to_slice(data, &mut out);
                assert_eq!(
                    out.split_at(len),
                    (&*bytes(len), &[0xEE; 3][..]),
                    "{len} bytes at {distance}"
                );
            });
        }
    }

    #[test]
    fn a_spare_allocation_is_used() {
        let mut spare = Vec::with_capacity(20_000);
        let place = spare.as_ptr();
        let owned = into_owned(Cow::Borrowed(&bytes(20_000)), &mut spare);
        assert!(owned == bytes(20_000) && owned.as_ptr() == place);
        spare = owned;
        spare.clear();
        let owned = into_owned_text(Cow::Borrowed(&"a".repeat(20_000)), &mut spare);
        assert!(owned == "a".repeat(20_000) && owned.as_ptr() == place);
    }

    #[test]
    fn text_is_cut_between_code_points() {
        for before in ["", "a", "ab", "abc"] {
            for part in ["z", "\u{e9}", "\u{20ac}", "\u{1f600}"] {
                let text = [before, &part.repeat(10_000)].concat();
                let mut out = String::with_capacity(text.len());
                at_distances(text.as_bytes(), out.as_ptr(), |distance, data| {
                    out.clear();
                    append_text(core::str::from_utf8(data).unwrap(), &mut out);
                    assert!(out == text, "{before:?}, {part:?} at {distance}");
                });
            }
        }
    }

    #[test]
    fn bytes_are_moved_to_the_front() {
        for len in LENGTHS {
            for start in [0, 1, 63, 64, PAGE - 63, PAGE - 1, PAGE, 2 * PAGE - 1] {
                let data = bytes(start + len);
                let mut buf = data.clone();
                buf.extend_from_slice(b"after");
                move_to_front(&mut buf, start, start + len);
                assert!(
                    buf[..len] == data[start..] && buf.ends_with(b"after"),
                    "{len} bytes from {start}"
                );
            }
        }
    }
}
