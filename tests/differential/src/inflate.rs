//! A slow inflater, written from RFC 1951: it starts from the first byte each time.

use crate::differences::{
    Difference::{FinalBlockEnds, LateEmptyCode},
    Set,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// No further byte makes it valid.
    Corrupt,
    /// Inside a block.
    Inside,
    /// Where a block ends, at the end of a byte.
    Block,
    /// Where a block with BFINAL ends: what follows is not read, or there is nothing.
    Final,
}

enum Stop {
    Corrupt,
    /// The input ends.
    Input,
}

/// Inflates `stream`. After a block with BFINAL a new stream begins, which may refer to the output
/// of the one before (RFC 7692, section 7.2.3.4).
pub(crate) fn inflate(stream: &[u8], known: Set) -> (Vec<u8>, End) {
    let mut inflater = Inflater {
        stream,
        known,
        bit: 0,
        output: Vec::new(),
    };
    let mut end = End::Block;
    while inflater.bit < 8 * stream.len() {
        end = match inflater.block() {
            Err(Stop::Corrupt) => End::Corrupt,
            Err(Stop::Input) => End::Inside,
            Ok(true) => End::Final,
            Ok(false) => End::Block,
        };
        if matches!(end, End::Corrupt | End::Inside) || end == End::Final && known.has(FinalBlockEnds) {
            break;
        }
    }
    (inflater.output, end)
}

struct Inflater<'a> {
    stream: &'a [u8],
    known: Set,
    bit: usize,
    output: Vec<u8>,
}

/// A code: how many symbols there are of each length, and the symbols in their order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8], must_be_complete: bool) -> Result<Self, Stop> {
        let mut counts = [0; 16];
        for &len in lengths {
            counts[usize::from(len)] += 1;
        }
        counts[0] = 0;
        let mut left = 1_i32;
        for &count in &counts[1..] {
            left = 2 * left - count as i32;
            if left < 0 {
                return Err(Stop::Corrupt);
            }
        }
        // A single code of one bit may be alone, and there may be no code.
        let is_single = counts[2..].iter().all(|&count| count == 0);
        if left > 0 && (must_be_complete || !is_single) {
            return Err(Stop::Corrupt);
        }
        let of_len = |len| (0..lengths.len()).filter(move |&symbol| lengths[symbol] == len);
        Ok(Self {
            counts,
            symbols: (1..16).flat_map(of_len).collect(),
        })
    }
}

impl Inflater<'_> {
    fn bits(&mut self, count: usize) -> Result<usize, Stop> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.stream.get(self.bit / 8).ok_or(Stop::Input)?;
            value |= usize::from(byte >> (self.bit % 8) & 1) << place;
            self.bit += 1;
        }
        Ok(value)
    }

    fn symbol(&mut self, code: &Code) -> Result<usize, Stop> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        // With an incomplete code, the first bit that no symbol begins with decides.
        let longest = (1..16).rfind(|&len| code.counts[len] > 0).unwrap_or(1);
        for count in &code.counts[1..=longest] {
            value |= self.bits(1)?;
            if value < first + count {
                return Ok(code.symbols[index + value - first]);
            }
            index += count;
            first = 2 * (first + count);
            value *= 2;
        }
        Err(Stop::Corrupt)
    }

    /// Inflates a block. Returns whether it has BFINAL.
    fn block(&mut self) -> Result<bool, Stop> {
        let is_final = self.bits(1)? == 1;
        match self.bits(2)? {
            0 => self.stored()?,
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|symbol| match symbol {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                self.compressed(&Code::new(&lengths, true)?, &Code::new(&[5; 32], true)?)?;
            }
            2 => {
                let (literals, distances) = self.dynamic()?;
                self.compressed(&literals, &distances)?;
            }
            _ => return Err(Stop::Corrupt),
        }
        if is_final {
            self.bit = self.bit.next_multiple_of(8);
        }
        Ok(is_final)
    }

    fn stored(&mut self) -> Result<(), Stop> {
        self.bit = self.bit.next_multiple_of(8);
        let (len, inverted) = (self.bits(16)?, self.bits(16)?);
        if len != inverted ^ 0xFFFF {
            return Err(Stop::Corrupt);
        }
        for _ in 0..len {
            let byte = self.bits(8)?;
            self.output.push(byte as u8);
        }
        Ok(())
    }

    /// The codes of a block with codes of its own.
    fn dynamic(&mut self) -> Result<(Code, Code), Stop> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let literals = self.bits(5)? + 257;
        let distances = self.bits(5)? + 1;
        let count = self.bits(4)? + 4;
        if literals > 286 || distances > 30 {
            return Err(Stop::Corrupt);
        }
        let mut lengths = [0; 19];
        for &symbol in &ORDER[..count] {
            lengths[symbol] = self.bits(3)? as u8;
        }
        if self.known.has(LateEmptyCode) && lengths == [0; 19] {
            // Each bit is taken for a length of zero.
            for _ in 0..literals + distances {
                self.bits(1)?;
            }
        }
        let code = Code::new(&lengths, true)?;
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (len, count) = match self.symbol(&code)? {
                16 => (*lengths.last().ok_or(Stop::Corrupt)?, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                len => (len as u8, 1),
            };
            lengths.extend(std::iter::repeat_n(len, count));
        }
        if lengths.len() > literals + distances || lengths[256] == 0 {
            return Err(Stop::Corrupt);
        }
        let (literals, distances) = lengths.split_at(literals);
        Ok((Code::new(literals, false)?, Code::new(distances, false)?))
    }

    fn compressed(&mut self, literals: &Code, distances: &Code) -> Result<(), Stop> {
        loop {
            match self.symbol(literals)? {
                byte @ 0..256 => self.output.push(byte as u8),
                256 => return Ok(()),
                symbol => self.copy(symbol - 257, distances)?,
            }
        }
    }

    fn copy(&mut self, length: usize, distances: &Code) -> Result<(), Stop> {
        let len = match length {
            0..8 => 3 + length,
            8..28 => 3 + ((4 + length % 4) << (length / 4 - 1)) + self.bits(length / 4 - 1)?,
            28 => 258,
            _ => return Err(Stop::Corrupt),
        };
        let distance = match self.symbol(distances)? {
            symbol @ 0..4 => 1 + symbol,
            symbol @ 4..30 => 1 + ((2 + symbol % 2) << (symbol / 2 - 1)) + self.bits(symbol / 2 - 1)?,
            _ => return Err(Stop::Corrupt),
        };
        let from = self.output.len().checked_sub(distance).ok_or(Stop::Corrupt)?;
        for at in from..from + len {
            self.output.push(self.output[at]);
        }
        Ok(())
    }
}
