//! The head of a block with dynamic codes: the lengths of its codes (RFC 1951, section 3.2.7).

use super::{
    bits::BitWriter,
    huffman::Lengths,
    symbol::{DISTANCES, END_OF_BLOCK, LITERALS, Symbol, count, put},
};

/// Symbols for the lengths of codes.
const LENGTHS: usize = 19;

/// The order in which the lengths of the codes for the lengths of codes are written (RFC 1951,
/// section 3.2.7).
const LENGTH_ORDER: [usize; LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The lengths of the codes, and what they take.
pub(super) struct Header {
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
    pub(super) fn new(literals: &[u8; LITERALS], distances: &[u8; DISTANCES]) -> Self {
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
    pub(super) const fn len(&self) -> u32 {
        5 + 5 + 4 + 3 * self.written_lengths as u32 + self.lengths_len
    }

    pub(super) fn write(&self, bits: &mut BitWriter<'_>) {
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
                each(Symbol::without_extra(length.into()));
                rest -= 1;
            }
            while rest > 0 {
                let taken = if let Some(repeat) = Repeat::of(length, rest) {
                    let taken = rest.min(repeat.most);
                    each(repeat.symbol(taken));
                    taken
                } else {
                    each(Symbol::without_extra(length.into()));
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
