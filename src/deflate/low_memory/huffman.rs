//! Huffman codes of limited lengths (RFC 1951, section 3.2.2).

/// The longest code of an alphabet of literals, lengths or distances, in bits.
pub(super) const MAX_LENGTH: usize = 15;

/// More bits than any code has before its length is limited: the frequencies of a block add up to
/// less than 2^16, and a code of n bits takes a sum of at least the Fibonacci number n + 1.
const MAX_DEPTH: usize = 31;

/// The code of a symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    /// In the order in which they are written.
    bits: u16,
    length: u8,
}

impl Code {
    /// The code with these bits, the most significant of which is written first.
    pub(super) const fn new(bits: u16, length: u8) -> Self {
        Self {
            bits: bits.reverse_bits() >> (u16::BITS - length as u32),
            length,
        }
    }

    #[inline]
    pub(super) const fn bits(self) -> u32 {
        self.bits as u32
    }

    /// The number of bits.
    #[inline]
    pub(super) const fn length(self) -> u32 {
        self.length as u32
    }
}

/// The lengths of the codes of an alphabet of `N` symbols.
#[derive(Debug)]
pub(super) struct Lengths<const N: usize> {
    /// 0 for a symbol without a code.
    lengths: [u8; N],
    /// How many codes there are of each length.
    counts: [u16; MAX_LENGTH + 1],
}

impl<const N: usize> Lengths<N> {
    /// Returns the best lengths for symbols of these frequencies: at most `limit` bits, and no code
    /// for a symbol that does not occur.
    ///
    /// There are at least two codes, because some inflaters refuse an alphabet of one.
    pub(super) fn new(frequencies: &[u16; N], limit: usize) -> Self {
        let mut entries = [0; N];
        let used = list(frequencies, &mut entries);
        let mut lengths = [0; N];
        if let [] | [_] = used {
            let only = used.first().map_or(0, |entry| symbol(*entry));
            for symbol in [only, usize::from(only == 0)] {
                set(&mut lengths, symbol, 1);
            }
            let mut counts = [0; MAX_LENGTH + 1];
            counts[1] = 2;
            return Self { lengths, counts };
        }
        used.sort_unstable();
        let counts = limit_depths(&count_depths::<N>(used), limit);
        // The rarest symbols get the longest codes.
        let mut rest = &*used;
        for (length, count) in counts.iter().enumerate().rev() {
            let (of_length, after) = rest.split_at(rest.len().min((*count).into()));
            for entry in of_length {
                set(&mut lengths, symbol(*entry), length as u8);
            }
            rest = after;
        }
        Self { lengths, counts }
    }

    pub(super) const fn as_array(&self) -> &[u8; N] {
        &self.lengths
    }

    /// How many bits symbols of these frequencies take.
    pub(super) fn cost(&self, frequencies: &[u16; N]) -> u32 {
        cost(&self.lengths, frequencies)
    }

    pub(super) fn codes(&self) -> [Code; N] {
        let mut next = [0; MAX_LENGTH + 1];
        let mut first = 0;
        for (entry, count) in next.iter_mut().zip(self.counts).skip(1) {
            first <<= 1;
            *entry = first;
            first += count;
        }
        let mut codes = [Code::default(); N];
        for (code, length) in codes.iter_mut().zip(self.lengths) {
            if length > 0 {
                if let Some(next) = next.get_mut(usize::from(length)) {
                    *code = Code::new(*next, length);
                    *next += 1;
                }
            }
        }
        codes
    }
}

/// How many bits symbols of these frequencies take with codes of these lengths.
pub(super) fn cost(lengths: &[u8], frequencies: &[u16]) -> u32 {
    let symbols = lengths.iter().zip(frequencies);
    symbols
        .map(|(length, frequency)| u32::from(*length) * u32::from(*frequency))
        .sum()
}

fn set(lengths: &mut [u8], symbol: usize, length: u8) {
    if let Some(entry) = lengths.get_mut(symbol) {
        *entry = length;
    }
}

/// The bits of the symbol in an entry of a list of symbols. Above them is the frequency.
const SYMBOL_BITS: u32 = 9;

const fn symbol(entry: u32) -> usize {
    (entry & ((1 << SYMBOL_BITS) - 1)) as usize
}

const fn frequency(entry: u32) -> u32 {
    entry >> SYMBOL_BITS
}

/// Lists the symbols that occur.
fn list<'e, const N: usize>(frequencies: &[u16; N], entries: &'e mut [u32; N]) -> &'e mut [u32] {
    let mut used = 0;
    for (symbol, frequency) in (0_u32..).zip(frequencies) {
        if *frequency > 0 {
            if let Some(entry) = entries.get_mut(used) {
                *entry = u32::from(*frequency) << SYMBOL_BITS | symbol;
                used += 1;
            }
        }
    }
    entries.get_mut(..used).unwrap_or_default()
}

/// Builds the Huffman tree of at least two symbols, the rarest of which is listed first. Returns
/// how many leaves it has at each depth.
///
/// Inner nodes are made in the order of their weights, so that two queues are enough: the leaves,
/// and the inner nodes.
fn count_depths<const N: usize>(leaves: &[u32]) -> [u16; MAX_DEPTH + 1] {
    let (mut weights, mut parents) = ([0_u32; N], [0_u16; N]);
    let (mut leaf, mut inner) = (0, 0);
    let inner_nodes = leaves.len().saturating_sub(1);
    for node in 0..inner_nodes {
        let mut weight = 0;
        for _ in 0..2 {
            let of_leaf = leaves.get(leaf).map(|entry| frequency(*entry));
            let of_inner = weights.get(inner..node).and_then(|queue| queue.first());
            match (of_leaf, of_inner) {
                (Some(of_leaf), of_inner) if of_inner.is_none_or(|of_inner| of_leaf <= *of_inner) => {
                    weight += of_leaf;
                    leaf += 1;
                }
                (_, of_inner) => {
                    weight += of_inner.copied().unwrap_or_default();
                    if let Some(parent) = parents.get_mut(inner) {
                        *parent = node as u16;
                    }
                    inner += 1;
                }
            }
        }
        if let Some(entry) = weights.get_mut(node) {
            *entry = weight;
        }
    }
    // The last node is the root. The weights are not needed any more.
    let mut depths = weights;
    let mut inner_at = [0_u16; MAX_DEPTH + 1];
    for node in (0..inner_nodes).rev() {
        let depth = if node + 1 == inner_nodes {
            0
        } else {
            let parent = parents.get(node).copied().unwrap_or_default();
            depths.get(usize::from(parent)).copied().unwrap_or_default() + 1
        };
        if let Some(entry) = depths.get_mut(node) {
            *entry = depth;
        }
        if let Some(count) = inner_at.get_mut((depth as usize).min(MAX_DEPTH)) {
            *count += 1;
        }
    }
    // Each inner node has two children. Those that are no inner nodes are leaves.
    let mut leaves_at = [0; MAX_DEPTH + 1];
    for (count, pair) in leaves_at.iter_mut().skip(1).zip(inner_at.windows(2)) {
        if let [above, here] = pair {
            *count = 2 * above - here;
        }
    }
    leaves_at
}

/// Shortens the codes of more than `limit` bits, and lengthens others so that all have room.
/// Returns how many there are of each length.
fn limit_depths(counts: &[u16; MAX_DEPTH + 1], limit: usize) -> [u16; MAX_LENGTH + 1] {
    let mut limited = [0_u16; MAX_LENGTH + 1];
    for (depth, count) in counts.iter().enumerate() {
        if let Some(entry) = limited.get_mut(depth.min(limit)) {
            *entry += count;
        }
    }
    // The room for a code of `limit` bits is 1.
    let taken: u32 = (1..=limit)
        .zip(limited.iter().skip(1))
        .map(|(length, count)| u32::from(*count) << (limit - length))
        .sum();
    for _ in 1 << limit..taken {
        // A shorter code gets one bit more, which leaves as much room as it has itself: for one of
        // those of `limit` bits, whose own room becomes free.
        let shorter = (1..limit)
            .rev()
            .find(|length| limited.get(*length).is_some_and(|count| *count > 0));
        let Some(shorter) = shorter else { break };
        for (length, change) in [(shorter, -1), (shorter + 1, 2), (limit, -1)] {
            if let Some(count) = limited.get_mut(length) {
                *count = count.saturating_add_signed(change);
            }
        }
    }
    limited
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The room that the codes take, where all that there is has 2^15.
    fn room(lengths: &[u8]) -> u32 {
        let used = lengths.iter().filter(|length| **length > 0);
        used.map(|length| 1 << (MAX_LENGTH - usize::from(*length))).sum()
    }

    fn fibonacci<const N: usize>() -> [u16; N] {
        let (mut frequencies, mut next) = ([0; N], (1_u32, 1));
        for frequency in &mut frequencies {
            *frequency = u16::try_from(next.0).unwrap_or(u16::MAX);
            next = (next.1, next.0 + next.1);
        }
        frequencies
    }

    #[test]
    fn codes_are_as_short_as_the_frequencies_allow() {
        let lengths = Lengths::new(&[5, 9, 0, 12, 13, 16, 45], MAX_LENGTH);
        assert_eq!(lengths.as_array(), &[4, 4, 0, 3, 3, 3, 1]);
        assert_eq!(lengths.cost(&[5, 9, 0, 12, 13, 16, 45]), 224);
        // Powers of two: each symbol takes one bit more than the next.
        let lengths = Lengths::new(&[1, 1, 2, 4, 8, 16], MAX_LENGTH);
        assert_eq!(lengths.as_array(), &[5, 5, 4, 3, 2, 1]);
    }

    /// The example of RFC 1951, section 3.2.2.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let mut counts = [0; MAX_LENGTH + 1];
        counts[2..=4].copy_from_slice(&[1, 5, 2]);
        let lengths = Lengths {
            lengths: [3, 3, 3, 3, 3, 2, 4, 4],
            counts,
        };
        let expected = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111];
        for ((code, bits), length) in lengths.codes().iter().zip(expected).zip(lengths.lengths) {
            assert_eq!(*code, Code::new(bits, length));
        }
        assert_eq!(Code::new(0b011, 3).bits(), 0b110);
    }

    #[test]
    fn no_code_is_longer_than_the_limit_and_none_is_wasted() {
        let unlimited = Lengths::new(&fibonacci::<12>(), MAX_LENGTH);
        assert_eq!(unlimited.as_array().iter().max(), Some(&11));
        let lengths = Lengths::new(&fibonacci::<19>(), 7);
        assert!(lengths.as_array().iter().all(|length| (1..=7).contains(length)));
        assert_eq!(room(lengths.as_array()), 1 << MAX_LENGTH);
        let lengths = Lengths::new(&fibonacci::<22>(), MAX_LENGTH);
        assert_eq!(lengths.as_array().iter().max(), Some(&15));
        assert_eq!(room(lengths.as_array()), 1 << MAX_LENGTH);
        // Rarer symbols have no shorter codes.
        assert!(lengths.as_array().is_sorted_by(|rare, frequent| rare >= frequent));
    }

    #[test]
    fn there_are_at_least_two_codes() {
        for (frequencies, expected) in [([0, 0, 0], [1, 1, 0]), ([0, 0, 9], [1, 0, 1]), ([9, 0, 0], [1, 1, 0])] {
            let lengths = Lengths::new(&frequencies, MAX_LENGTH);
            assert_eq!(lengths.as_array(), &expected);
            assert_eq!(lengths.codes().iter().filter(|code| code.length() == 1).count(), 2);
        }
    }
}
