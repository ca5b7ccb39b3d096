//! A block: literals and matches, and the cheapest of the three forms to write them in.

use super::{
    bits::BitWriter,
    huffman::{Code, Lengths, MAX_LENGTH, cost},
};

/// The shortest match (RFC 1951, section 3.2.5).
pub(super) const MIN_MATCH: usize = 3;
/// The longest match.
pub(super) const MAX_MATCH: usize = 258;

/// Symbols for literals, the end of the block, and the lengths of matches.
const LITERALS: usize = 286;
const END_OF_BLOCK: usize = 256;
/// Symbols for distances.
const DISTANCES: usize = 30;
/// Symbols for the lengths of codes.
const LENGTHS: usize = 19;

/// The order in which the lengths of the codes for the lengths of codes are written (RFC 1951,
/// section 3.2.7).
const LENGTH_ORDER: [usize; LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A literal, or a match.
///
/// A literal is the byte. A match is its length, and its distance above it.
#[derive(Clone, Copy, Default)]
pub(super) struct Token(u32);

impl Token {
    const DISTANCE_SHIFT: u32 = 16;

    const fn length(self) -> usize {
        (self.0 & ((1 << Self::DISTANCE_SHIFT) - 1)) as usize
    }

    const fn distance(self) -> usize {
        (self.0 >> Self::DISTANCE_SHIFT) as usize
    }
}

/// A symbol that is followed by extra bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Symbol {
    symbol: usize,
    extra: u32,
    extra_bits: u32,
}

impl Symbol {
    /// The symbol of a value from 0 on. Each power of two has `2^precision` symbols.
    #[inline]
    const fn new(value: usize, precision: u32) -> Self {
        let value = value as u32;
        if value < 2 << precision {
            return Self::without_extra(value as usize);
        }
        let extra_bits = value.ilog2() - precision;
        Self {
            symbol: ((extra_bits << precision) + (value >> extra_bits)) as usize,
            extra: value & ((1 << extra_bits) - 1),
            extra_bits,
        }
    }

    /// The symbol of the length of a match.
    #[inline]
    const fn of_length(length: usize) -> Self {
        if length == MAX_MATCH {
            return Self::without_extra(LITERALS - 1);
        }
        let mut found = Self::new(length - MIN_MATCH, 2);
        found.symbol += END_OF_BLOCK + 1;
        found
    }

    #[inline]
    const fn of_distance(distance: usize) -> Self {
        Self::new(distance - 1, 1)
    }

    /// The symbol of the length of a code.
    const fn of_code_length(length: u8) -> Self {
        Self::without_extra(length as usize)
    }

    #[inline]
    const fn without_extra(symbol: usize) -> Self {
        Self {
            symbol,
            extra: 0,
            extra_bits: 0,
        }
    }
}

/// The codes of a block.
struct Codes {
    literals: [Code; LITERALS],
    distances: [Code; DISTANCES],
}

/// Those of a block with fixed codes (RFC 1951, section 3.2.6).
#[allow(clippy::indexing_slicing, reason = "the compiler computes it")]
static FIXED: Codes = {
    let mut literals = [Code::new(0, 1); LITERALS];
    let mut symbol = 0;
    while symbol < LITERALS {
        let length = FIXED_LITERALS[symbol];
        let (first, of_symbol) = match symbol {
            ..144 => (0b0011_0000, 0),
            144..END_OF_BLOCK => (0b1_1001_0000, 144),
            END_OF_BLOCK..280 => (0, END_OF_BLOCK),
            _ => (0b1100_0000, 280),
        };
        literals[symbol] = Code::new(first + (symbol - of_symbol) as u16, length);
        symbol += 1;
    }
    let mut distances = [Code::new(0, 1); DISTANCES];
    symbol = 0;
    while symbol < DISTANCES {
        distances[symbol] = Code::new(symbol as u16, FIXED_DISTANCE);
        symbol += 1;
    }
    Codes { literals, distances }
};

/// The lengths of the fixed codes.
#[allow(clippy::indexing_slicing, reason = "the compiler computes it")]
static FIXED_LITERALS: [u8; LITERALS] = {
    let mut lengths = [8; LITERALS];
    let mut symbol = 144;
    while symbol < 280 {
        lengths[symbol] = if symbol < END_OF_BLOCK { 9 } else { 7 };
        symbol += 1;
    }
    lengths
};

/// The length of the fixed codes for distances.
const FIXED_DISTANCE: u8 = 5;

/// The literals and matches of a block, as far as they are known.
pub(super) struct Block<'t> {
    tokens: &'t mut [Token],
    len: usize,
    /// How many bytes they stand for.
    plain_len: usize,
    /// How often each symbol occurs.
    literals: [u16; LITERALS],
    distances: [u16; DISTANCES],
    extra_bits: u32,
}

impl<'t> Block<'t> {
    /// Returns an empty block, of at most as many literals and matches as there are `tokens`.
    pub(super) fn new(tokens: &'t mut [Token]) -> Self {
        debug_assert!(tokens.len() < usize::from(u16::MAX));
        Self {
            tokens,
            len: 0,
            plain_len: 0,
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
            extra_bits: 0,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len == self.tokens.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes of the input the block stands for.
    pub(super) const fn plain_len(&self) -> usize {
        self.plain_len
    }

    #[inline]
    pub(super) fn push_literal(&mut self, byte: u8) {
        self.push(Token(byte.into()), 1);
        count(&mut self.literals, byte.into());
    }

    #[inline]
    pub(super) fn push_match(&mut self, length: usize, distance: usize) {
        debug_assert!((MIN_MATCH..=MAX_MATCH).contains(&length) && distance > 0);
        self.push(Token((distance << Token::DISTANCE_SHIFT | length) as u32), length);
        let (length, distance) = (Symbol::of_length(length), Symbol::of_distance(distance));
        count(&mut self.literals, length.symbol);
        count(&mut self.distances, distance.symbol);
        self.extra_bits += length.extra_bits + distance.extra_bits;
    }

    #[inline]
    fn push(&mut self, token: Token, plain_len: usize) {
        if let Some(entry) = self.tokens.get_mut(self.len) {
            *entry = token;
            self.len += 1;
            self.plain_len += plain_len;
        }
    }

    /// Writes the block, which stands for `plain`, and starts a new one.
    pub(super) fn write(&mut self, plain: &[u8], bits: &mut BitWriter<'_>) {
        debug_assert_eq!(plain.len(), self.plain_len);
        count(&mut self.literals, END_OF_BLOCK);
        let literals = Lengths::new(&self.literals, MAX_LENGTH);
        let distances = Lengths::new(&self.distances, MAX_LENGTH);
        let header = Header::new(literals.as_array(), distances.as_array());
        let dynamic = header.len() + literals.cost(&self.literals) + distances.cost(&self.distances);
        let fixed = cost(&FIXED_LITERALS, &self.literals) + cost(&[FIXED_DISTANCE; DISTANCES], &self.distances);
        let stored = stored_len(plain.len(), bits);
        let least = stored.min(fixed.min(dynamic) + self.extra_bits);
        let before = bits.len();
        if stored == least {
            bits.put_stored_block(plain);
        } else if fixed <= dynamic {
            // BFINAL and BTYPE.
            bits.put(0b010, 3);
            self.write_tokens(&FIXED, bits);
        } else {
            bits.put(0b100, 3);
            header.write(bits);
            let codes = Codes {
                literals: literals.codes(),
                distances: distances.codes(),
            };
            self.write_tokens(&codes, bits);
        }
        // With BFINAL and BTYPE.
        debug_assert_eq!(
            bits.len() - before,
            least as usize + 3,
            "the block is as long as was computed"
        );
        (self.len, self.plain_len, self.extra_bits) = (0, 0, 0);
        (self.literals, self.distances) = ([0; LITERALS], [0; DISTANCES]);
    }

    fn write_tokens(&self, codes: &Codes, bits: &mut BitWriter<'_>) {
        let literal = |symbol: usize| codes.literals.get(symbol).copied().unwrap_or_default();
        for token in self.tokens.iter().take(self.len) {
            if token.distance() == 0 {
                put(literal(token.length()), Symbol::without_extra(0), bits);
                continue;
            }
            let length = Symbol::of_length(token.length());
            put(literal(length.symbol), length, bits);
            let distance = Symbol::of_distance(token.distance());
            let code = codes.distances.get(distance.symbol).copied().unwrap_or_default();
            put(code, distance, bits);
        }
        put(literal(END_OF_BLOCK), Symbol::without_extra(0), bits);
    }
}

/// Writes a code, and the extra bits of its symbol.
#[inline]
fn put(code: Code, symbol: Symbol, bits: &mut BitWriter<'_>) {
    let length = code.length();
    bits.put(code.bits() | symbol.extra << length, length + symbol.extra_bits);
}

#[inline]
fn count(frequencies: &mut [u16], symbol: usize) {
    if let Some(frequency) = frequencies.get_mut(symbol) {
        *frequency += 1;
    }
}

/// How many bits a stored block takes after BFINAL and BTYPE.
fn stored_len(plain_len: usize, bits: &BitWriter<'_>) -> u32 {
    if plain_len > usize::from(u16::MAX) {
        // Matches stand for most of it: no literals and matches of a block have so many bits.
        return u32::MAX;
    }
    (bits.unused_bits() + 8 - 3) % 8 + 32 + 8 * plain_len as u32
}

/// The head of a block with dynamic codes (RFC 1951, section 3.2.7).
struct Header {
    lengths: Written,
    /// How many codes of each alphabet are written.
    literals: usize,
    distances: usize,
    /// The lengths of the codes for the lengths.
    length_lengths: Lengths<LENGTHS>,
    /// How many of these are written.
    written_lengths: usize,
    /// How many bits the lengths take.
    lengths_len: u32,
}

impl Header {
    fn new(literals: &[u8; LITERALS], distances: &[u8; DISTANCES]) -> Self {
        let literals = trimmed(literals, END_OF_BLOCK + 1);
        let distances = trimmed(distances, 1);
        let mut lengths = [0; LITERALS + DISTANCES];
        for (entry, length) in lengths.iter_mut().zip(literals.iter().chain(distances)) {
            *entry = *length;
        }
        let lengths = Written {
            lengths,
            len: literals.len() + distances.len(),
        };
        let mut frequencies = [0; LENGTHS];
        let mut extra_bits = 0;
        lengths.for_each_run(|run| {
            count(&mut frequencies, run.symbol);
            extra_bits += run.extra_bits;
        });
        let length_lengths = Lengths::new(&frequencies, MAX_LENGTH_LENGTH);
        let is_used = |symbol: &usize| length_lengths.as_array().get(*symbol).is_some_and(|length| *length > 0);
        Self {
            literals: literals.len(),
            distances: distances.len(),
            written_lengths: LENGTH_ORDER
                .iter()
                .rposition(is_used)
                .map_or(4, |last| (last + 1).max(4)),
            lengths_len: extra_bits + length_lengths.cost(&frequencies),
            length_lengths,
            lengths,
        }
    }

    /// The number of bits.
    const fn len(&self) -> u32 {
        5 + 5 + 4 + 3 * self.written_lengths as u32 + self.lengths_len
    }

    fn write(&self, bits: &mut BitWriter<'_>) {
        bits.put((self.literals - END_OF_BLOCK - 1) as u32, 5);
        bits.put((self.distances - 1) as u32, 5);
        bits.put((self.written_lengths - 4) as u32, 4);
        for symbol in LENGTH_ORDER.iter().take(self.written_lengths) {
            let length = self.length_lengths.as_array().get(*symbol).copied();
            bits.put(length.unwrap_or_default().into(), 3);
        }
        let codes = self.length_lengths.codes();
        self.lengths
            .for_each_run(|run| put(codes.get(run.symbol).copied().unwrap_or_default(), run, bits));
    }
}

/// The lengths of all codes of a block, one alphabet after the other.
struct Written {
    lengths: [u8; LITERALS + DISTANCES],
    len: usize,
}

impl Written {
    /// Calls `each` with the symbols that stand for them.
    fn for_each_run(&self, mut each: impl FnMut(Symbol)) {
        let lengths = self.lengths.get(..self.len).unwrap_or_default();
        for run in lengths.chunk_by(|length, next| length == next) {
            let (length, mut rest) = (run.first().copied().unwrap_or_default(), run.len());
            if length > 0 {
                each(Symbol::of_code_length(length));
                rest -= 1;
            }
            while rest > 0 {
                let taken = if let Some(repeat) = Repeat::of(length, rest) {
                    let taken = rest.min(repeat.most);
                    each(repeat.symbol(taken));
                    taken
                } else {
                    each(Symbol::of_code_length(length));
                    1
                };
                rest -= taken;
            }
        }
    }
}

/// The longest code for a length, in bits.
const MAX_LENGTH_LENGTH: usize = 7;

/// A symbol that repeats the length before it, or zeros.
#[derive(Clone, Copy)]
struct Repeat {
    symbol: usize,
    least: usize,
    most: usize,
    extra_bits: u32,
}

impl Repeat {
    /// The symbol that repeats `length` the most times, at most `times`.
    const fn of(length: u8, times: usize) -> Option<Self> {
        let (symbol, least, most, extra_bits) = match (length, times) {
            (0, 11..) => (18, 11, 138, 7),
            (0, 3..) => (17, 3, 10, 3),
            (_, 3..) => (16, 3, 6, 2),
            _ => return None,
        };
        Some(Self {
            symbol,
            least,
            most,
            extra_bits,
        })
    }

    const fn symbol(self, times: usize) -> Symbol {
        Symbol {
            symbol: self.symbol,
            extra: (times - self.least) as u32,
            extra_bits: self.extra_bits,
        }
    }
}

/// The lengths without the zeros at the end, at least `least` of them.
fn trimmed(lengths: &[u8], least: usize) -> &[u8] {
    let len = lengths
        .iter()
        .rposition(|length| *length > 0)
        .map_or(0, |last| last + 1);
    lengths.get(..len.max(least)).unwrap_or_default()
}
