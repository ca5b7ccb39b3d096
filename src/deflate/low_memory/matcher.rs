//! The search for matches: the window, and chains of the places that have the same three bytes.

use alloc::{vec, vec::Vec};

use super::symbol::{MAX_MATCH, MIN_MATCH};

/// How hard the search is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// How many places are compared.
    pub(super) chain: u16,
    /// A match of this length is taken without a look at other places.
    pub(super) nice: u16,
    /// A match that is shorter is not taken before the next byte was tried.
    pub(super) lazy: u16,
    /// A match of three bytes that is farther away is not taken.
    pub(super) far: u16,
}

impl Effort {
    /// The effort for a level from 1 to 9.
    pub(super) const fn of_level(level: u8) -> Self {
        let (chain, nice, lazy) = match level {
            0 | 1 => (4, 16, 0),
            2 => (8, 32, 0),
            3 => (16, 64, 0),
            4 => (8, 32, 8),
            5 => (16, 64, 16),
            6 => (32, 128, 16),
            7 => (64, 192, 32),
            8 => (128, 258, 128),
            _ => (512, 258, 258),
        };
        Self {
            chain,
            nice,
            lazy,
            far: u16::MAX,
        }
    }

    /// The effort for an input of this length.
    pub(super) const fn for_input(self, len: usize) -> Self {
        // The blocks of a long input have codes of their own, with which three literals take fewer
        // bits than a match that is far away.
        let far = if len > 1024 { 256 } else { u16::MAX };
        Self { far, ..self }
    }

    const fn is_too_far(self, found: Match) -> bool {
        found.length == MIN_MATCH && found.distance > self.far as usize
    }
}

/// Some bytes that are repeated: how many, and how far back. A length of 0 is no match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) distance: usize,
}

impl Match {
    pub(super) const NONE: Self = Self { length: 0, distance: 0 };

    pub(super) const fn is_some(self) -> bool {
        self.distance > 0
    }

    /// How many bits it saves, roughly: a distance that is twice as long takes one bit more.
    fn value(self) -> i32 {
        3 * self.length as i32 - self.distance.checked_ilog2().unwrap_or_default() as i32
    }
}

/// The bytes that are to be compressed, with those before them, and where in them to search.
///
/// The tables have positions modulo 2^16, so that they stay as they are when the window moves. A
/// position in them may be that of another place by now: bytes are always compared.
pub(super) struct Matcher {
    /// The logarithm of the size of the window.
    bits: u8,
    /// The window, and what follows: at most `2 * 2^bits + MAX_MATCH` bytes.
    text: Vec<u8>,
    /// The position of the first byte of the text. It begins with 1, so that the zeros in a new
    /// table are before the text.
    base: u16,
    /// Where in the text the next byte to compress is.
    at: usize,
    /// Where in the text the next place is that is not in the tables.
    inserted: usize,
    /// The last place for each hash of three bytes.
    heads: Vec<u16>,
    /// For each place in the window, the one before it with the same hash.
    previous: Vec<u16>,
}

impl Matcher {
    pub(super) const fn new(bits: u8) -> Self {
        Self {
            bits,
            text: Vec::new(),
            base: 1,
            at: 0,
            inserted: 0,
            heads: Vec::new(),
            previous: Vec::new(),
        }
    }

    const fn window(&self) -> usize {
        1 << self.bits
    }

    /// Forgets all bytes.
    pub(super) fn reset(&mut self) {
        self.text.clear();
        self.heads.fill(0);
        // `previous` is read for a position that is in `heads`, and so was written with it.
        (self.base, self.at, self.inserted) = (1, 0, 0);
    }

    /// Frees all memory but that of the window.
    pub(super) fn release(&mut self) {
        self.discard_before_window();
        self.text.shrink_to_fit();
        (self.heads, self.previous) = (Vec::new(), Vec::new());
    }

    /// Allocates what [`release`](Self::release) has freed. The window is searched again.
    fn allocate(&mut self) {
        if self.heads.is_empty() {
            self.text.reserve_exact(self.capacity() - self.text.len());
            self.heads = vec![0; self.window()];
            self.previous = vec![0; self.window()];
            (self.base, self.inserted) = (1, 0);
        }
    }

    const fn capacity(&self) -> usize {
        2 * self.window() + MAX_MATCH
    }

    /// Takes as much of the input as there is room for. Returns how many bytes.
    ///
    /// If it is not all, there is room for a window and the longest match at least.
    pub(super) fn take(&mut self, input: &[u8]) -> usize {
        self.allocate();
        if input.len() > self.capacity() - self.text.len() {
            self.discard_before_window();
        }
        let (taken, _) = input.split_at(input.len().min(self.capacity() - self.text.len()));
        self.text.extend_from_slice(taken);
        taken.len()
    }

    fn discard_before_window(&mut self) {
        let discarded = self.at.saturating_sub(self.window());
        self.text.drain(..discarded);
        self.base = self.base.wrapping_add(discarded as u16);
        self.at -= discarded;
        self.inserted = self.inserted.saturating_sub(discarded);
    }

    /// How many bytes are to be compressed.
    pub(super) fn ahead(&self) -> usize {
        self.text.len() - self.at
    }

    /// The byte before the next one to compress.
    pub(super) fn last_byte(&self) -> u8 {
        let last = self.at.checked_sub(1).and_then(|last| self.text.get(last));
        last.copied().unwrap_or_default()
    }

    /// Passes over bytes that are compressed.
    pub(super) fn skip(&mut self, len: usize) {
        self.at += len;
    }

    /// Puts the places of all bytes that are compressed into the tables, as far as the bytes that
    /// follow are known.
    pub(super) fn insert(&mut self) {
        self.insert_to(self.at);
    }

    /// Puts the places before `end` into the tables. Returns the position of the place before the
    /// last of them with its hash.
    #[inline]
    fn insert_to(&mut self, end: usize) -> u16 {
        let mut position = self.position(self.inserted);
        let end = end.min(self.text.len().saturating_sub(MIN_MATCH - 1));
        let (bits, mask) = (self.bits, self.window() - 1);
        let mut before = 0;
        for at in self.inserted..end {
            let Some(head) = self.heads.get_mut(hash(&self.text, at, bits)) else {
                break;
            };
            before = core::mem::replace(head, position);
            if let Some(previous) = self.previous.get_mut(usize::from(position) & mask) {
                *previous = before;
            }
            position = position.wrapping_add(1);
        }
        self.inserted = self.inserted.max(end);
        before
    }

    const fn position(&self, at: usize) -> u16 {
        self.base.wrapping_add(at as u16)
    }

    /// Searches the best match for the next bytes. If one is `deferred`, it must be better.
    #[inline]
    pub(super) fn find(&mut self, deferred: Match, effort: Effort) -> Match {
        let longest = self.ahead().min(MAX_MATCH);
        if longest < MIN_MATCH {
            return Match::NONE;
        }
        let mut place = self.insert_to(self.at + 1);
        let (text, previous) = (&self.text[..], &self.previous[..]);
        let (at, here, mask) = (self.at, self.position(self.at), self.window() - 1);
        let Some(ahead) = text.get(at..at + longest) else {
            return Match::NONE;
        };
        let farthest = at.min(self.window());
        let mut found = Match::NONE;
        // Shorter ones are not better.
        let mut length = deferred.length.clamp(MIN_MATCH, longest) - 1;
        let mut value = deferred.value() + i32::from(deferred.is_some());
        let mut needed = ahead.get(length);
        let mut before = 0;
        for _ in 0..effort.chain {
            let distance = usize::from(here.wrapping_sub(place));
            // Places get older, up to the last one.
            if distance <= before || distance > farthest {
                break;
            }
            before = distance;
            let start = at - distance;
            // Most places fail here.
            if text.get(start + length) == needed {
                let candidate = Match {
                    length: common_length(text.get(start..start + longest).unwrap_or_default(), ahead),
                    distance,
                };
                if candidate.length > length && candidate.value() > value && !effort.is_too_far(candidate) {
                    (found, length, value) = (candidate, candidate.length, candidate.value());
                    if length >= longest.min(effort.nice.into()) {
                        break;
                    }
                    needed = ahead.get(length);
                }
            }
            place = previous.get(usize::from(place) & mask).copied().unwrap_or_default();
        }
        found
    }
}

/// A hash of the three bytes there.
#[inline]
fn hash(text: &[u8], at: usize, bits: u8) -> usize {
    let bytes = match text.get(at..) {
        // One load.
        Some([first, second, third, fourth, ..]) => u32::from_le_bytes([*first, *second, *third, *fourth]) << 8,
        Some([first, second, third]) => u32::from_le_bytes([0, *first, *second, *third]),
        _ => 0,
    };
    (bytes.wrapping_mul(0x9E37_79B1) >> (u32::BITS - u32::from(bits))) as usize
}

/// How many bytes at the start are the same.
fn common_length(one: &[u8], other: &[u8]) -> usize {
    let (one_words, other_words) = (one.chunks_exact(8), other.chunks_exact(8));
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let mut length = 0;
    for (one, other) in one_words.zip(other_words) {
        let difference = word(one) ^ word(other);
        if difference != 0 {
            return length + (difference.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    let rest = one.iter().zip(other).skip(length);
    length + rest.take_while(|(one, other)| one == other).count()
}
