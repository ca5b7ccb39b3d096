//! A block: literals and matches, and the cheapest of the three forms to write them in.

use super::{
    bits::BitWriter,
    header::Header,
    huffman::{Code, Lengths, MAX_LENGTH, cost},
    symbol::{DISTANCES, END_OF_BLOCK, LITERALS, MAX_MATCH, MIN_MATCH, Symbol, count, put},
};

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

/// How many bits a stored block takes after BFINAL and BTYPE.
fn stored_len(plain_len: usize, bits: &BitWriter<'_>) -> u32 {
    if plain_len > usize::from(u16::MAX) {
        // Matches stand for most of it: no literals and matches of a block have so many bits.
        return u32::MAX;
    }
    (bits.unused_bits() + 8 - 3) % 8 + 32 + 8 * plain_len as u32
}
