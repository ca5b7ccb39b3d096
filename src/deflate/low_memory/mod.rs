//! A deflater whose memory follows its window (RFC 1951), for windows of 8 to 12 bits.
//!
//! With a window of `2^bits` bytes, it holds `6 * 2^bits + 258` bytes: a window and what follows
//! it, and two tables of 16-bit positions. Between messages, the window is enough. The literals and
//! matches of a block are on the stack. It refers back as far as `2^bits` bytes, also with 8 bits.

mod bits;
mod block;
mod header;
mod huffman;
mod matcher;
mod symbol;

use alloc::vec::Vec;

use self::{
    bits::BitWriter,
    block::{Block, Token},
    matcher::{Effort, Match, Matcher},
    symbol::MAX_MATCH,
};

/// The most bits of a window.
pub(super) const MAX_BITS: u8 = 12;

/// The most literals and matches of a block. With more, its codes fit less well; with fewer, its
/// header takes a larger part.
const BLOCK_TOKENS: usize = 4096;
/// The same for a short input, which takes less of the stack.
const SHORT_BLOCK_TOKENS: usize = 256;

/// A raw deflater.
pub(crate) struct Deflate {
    matcher: Matcher,
    effort: Effort,
}

impl Deflate {
    pub(super) const fn new(level: u8, bits: u8) -> Self {
        Self {
            matcher: Matcher::new(bits),
            effort: Effort::of_level(level),
        }
    }

    /// Resets the deflater: what follows refers to nothing before.
    pub(super) fn reset(&mut self) {
        self.matcher.reset();
    }

    /// Frees all memory but that of the window, of at most `2^bits` bytes.
    pub(super) fn release(&mut self) {
        self.matcher.release();
    }

    /// Deflates all of `input`, appending to `out`, with a sync flush at the end. Appends nothing
    /// for an empty input.
    pub(super) fn run(&mut self, input: &[u8], out: &mut Vec<u8>) {
        if input.is_empty() {
            return;
        }
        let (mut short, mut long);
        let tokens: &mut [Token] = if input.len() <= SHORT_BLOCK_TOKENS {
            short = [Token::default(); SHORT_BLOCK_TOKENS];
            &mut short
        } else {
            long = [Token::default(); BLOCK_TOKENS];
            &mut long
        };
        let mut blocks = Blocks {
            block: Block::new(tokens),
            input,
            bits: BitWriter::new(out),
        };
        let effort = self.effort.for_input(input.len());
        let mut deferred = Match::NONE;
        let mut rest = input;
        while !rest.is_empty() {
            (_, rest) = rest.split_at(self.matcher.take(rest));
            // More input may make a match longer.
            let kept = if rest.is_empty() { 0 } else { MAX_MATCH };
            while self.matcher.ahead() > kept {
                deferred = step(&mut self.matcher, effort, deferred, &mut blocks);
            }
        }
        self.matcher.insert();
        blocks.finish();
    }
}

/// Compresses the next bytes. `deferred` is a match that begins one byte before them, and is used
/// if none of those that begin here is better. Returns the match that is deferred now.
#[inline]
fn step(matcher: &mut Matcher, effort: Effort, deferred: Match, blocks: &mut Blocks<'_, '_>) -> Match {
    let found = matcher.find(deferred, effort);
    if deferred.is_some() {
        if !found.is_some() {
            blocks.push_match(deferred);
            matcher.skip(deferred.length - 1);
            return Match::NONE;
        }
        blocks.push_literal(matcher.last_byte());
    }
    if found.is_some() && found.length >= usize::from(effort.lazy) {
        blocks.push_match(found);
        matcher.skip(found.length);
        return Match::NONE;
    }
    matcher.skip(1);
    if !found.is_some() {
        blocks.push_literal(matcher.last_byte());
    }
    found
}

/// The blocks of an input.
struct Blocks<'a, 'o> {
    block: Block<'a>,
    /// What follows the blocks that are written.
    input: &'a [u8],
    bits: BitWriter<'o>,
}

impl Blocks<'_, '_> {
    #[inline]
    fn push_literal(&mut self, byte: u8) {
        self.block.push_literal(byte);
        self.write_if_full();
    }

    #[inline]
    fn push_match(&mut self, found: Match) {
        self.block.push_match(found.length, found.distance);
        self.write_if_full();
    }

    #[inline]
    fn write_if_full(&mut self) {
        if self.block.is_full() {
            self.write();
        }
    }

    #[inline(never)]
    fn write(&mut self) {
        let (plain, rest) = self.input.split_at(self.block.plain_len());
        self.input = rest;
        self.block.write(plain, &mut self.bits);
    }

    /// Writes the last block, and the empty stored block of a sync flush.
    fn finish(mut self) {
        if !self.block.is_empty() {
            self.write();
        }
        self.bits.put_stored_block(&[]);
    }
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::*;

    /// What a new deflater makes of `input`.
    fn deflated(bits: u8, level: u8, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Deflate::new(level, bits).run(input, &mut out);
        out
    }

    fn inflated(mut stream: Vec<u8>) -> Vec<u8> {
        // An empty last block.
        stream.extend([3, 0]);
        miniz_oxide::inflate::decompress_to_vec(&stream).expect("a valid stream")
    }

    fn random(len: usize) -> impl Iterator<Item = u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(len)
    }

    /// BTYPE of the first block (RFC 1951, section 3.2.3).
    fn form(out: &[u8]) -> u8 {
        out[0] >> 1 & 3
    }

    #[test]
    fn each_form_of_a_block_is_written_where_it_is_the_shortest() {
        let letters: Vec<u8> = random(3000).map(|byte| b'a' + byte % 4).collect();
        for (input, expected) in [
            (random(300).collect(), 0),
            (b"Hello, hello, hello".to_vec(), 1),
            (letters, 2),
        ] {
            for bits in 8..=MAX_BITS {
                let out = deflated(bits, 6, &input);
                assert_eq!(form(&out), expected);
                assert_eq!(inflated(out), input);
            }
        }
    }

    #[test]
    fn inputs_around_the_sizes_of_blocks_and_windows_inflate() {
        for bits in 8..=MAX_BITS {
            let window = 1 << bits;
            for size in [
                1,
                2,
                3,
                SHORT_BLOCK_TOKENS,
                BLOCK_TOKENS,
                window,
                2 * window,
                2 * window + MAX_MATCH,
            ] {
                for len in [size - 1, size, size + 1, size + 2] {
                    for input in [
                        vec![7; len],
                        random(len).collect(),
                        random(len).map(|byte| byte & 1).collect(),
                    ] {
                        let out = deflated(bits, 6, &input);
                        let most = len + 5 * (len / BLOCK_TOKENS) + 11;
                        assert!(out.len() <= most, "{len}: {}", out.len());
                        assert!(len == 0 || inflated(out) == input, "{bits} {len}");
                    }
                }
            }
        }
    }

    /// All that is referred to is at most a window back: the last byte of the window, and not the
    /// one before it.
    #[test]
    fn the_window_is_used_to_its_end_and_no_further() {
        for bits in 8..=MAX_BITS {
            let window = 1 << bits;
            let repeated: Vec<u8> = random(40).collect();
            for (distance, is_found) in [(window - 1, true), (window, true), (window + 1, false)] {
                let other = random(40 + distance).skip(80).take(distance - 40);
                let input: Vec<u8> = repeated.iter().copied().chain(other).collect();
                let mut deflate = Deflate::new(9, bits);
                deflate.run(&input, &mut Vec::new());
                let mut out = Vec::new();
                deflate.run(&repeated, &mut out);
                assert_eq!(out.len() < 20, is_found, "{bits} {distance}: {}", out.len());
            }
        }
    }

    /// What precedes a reset has no effect on what follows.
    #[test]
    fn a_reset_deflater_writes_what_a_new_one_writes() {
        for bits in 8..=MAX_BITS {
            for level in [1, 6, 9] {
                let mut deflate = Deflate::new(level, bits);
                // More than there are positions.
                for (at, len) in [300, 10, 70_000, 300, 5000].into_iter().enumerate() {
                    let input: Vec<u8> = random(len + at).skip(at).map(|byte| byte & 3).collect();
                    let mut out = Vec::new();
                    deflate.run(&input, &mut out);
                    assert!(out == deflated(bits, level, &input), "{bits} {level} {len}");
                    deflate.reset();
                }
            }
        }
    }

    /// Three messages that are like each other, and not the same: words in no order, with numbers.
    fn messages() -> [Vec<u8>; 3] {
        const WORDS: [&str; 8] = ["price", "volume", "{\"id\":", "},", "name", "a", "of the", "\"\":\"\","];
        [300, 3000, 9000].map(|len| {
            let words = random(len).flat_map(|byte| {
                let word = WORDS[usize::from(byte & 7)].as_bytes();
                word.iter().copied().chain([b'0' + byte / 26, byte])
            });
            words.take(len).collect()
        })
    }

    /// How long the messages are with each level, as the deflater is now. A change of how it
    /// searches, or of how it chooses codes, changes a number; it should get smaller.
    #[test]
    fn the_lengths_are_those_that_were_measured() {
        let length = |bits, level| -> usize {
            let mut deflate = Deflate::new(level, bits);
            let of_message = |message: &Vec<u8>| {
                let mut out = Vec::new();
                deflate.run(message, &mut out);
                out.len()
            };
            messages().iter().map(of_message).sum()
        };
        let lengths: Vec<[usize; 9]> = (8..=MAX_BITS)
            .map(|bits| [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|level| length(bits, level)))
            .collect();
        assert_eq!(
            lengths,
            [
                [5576, 5488, 5468, 5487, 5468, 5468, 5468, 5468, 5468],
                [5405, 5251, 5156, 5253, 5156, 5147, 5147, 5147, 5147],
                [5360, 5198, 4998, 5202, 5002, 4886, 4877, 4877, 4877],
                [5262, 5121, 4905, 5119, 4903, 4724, 4674, 4674, 4674],
                [4019, 3910, 3768, 3912, 3762, 3639, 3554, 3538, 3538]
            ]
        );
    }

    /// The window is kept, and searched again.
    #[test]
    fn a_released_deflater_refers_to_its_window() {
        let input: Vec<u8> = random(300).collect();
        let mut deflate = Deflate::new(6, 9);
        for round in 0..400 {
            let mut out = Vec::new();
            deflate.run(&input, &mut out);
            deflate.release();
            assert_eq!(out.len() < 20, round > 0, "{}", out.len());
        }
    }
}
