//! A slow and simple decoder of DEFLATE (RFC 1951), with which the laws compare the inflaters.
//!
//! It reads bit by bit, and compares what it has read with the codes of each length.

/// How the input of [`inflate`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where a block without BFINAL ends, after that many bits.
    Block,
    /// Inside a block.
    Inside,
    /// With a block that has BFINAL set, or after it. That many bytes belong to the stream.
    Stream(usize),
    /// It is not valid, or it refers to what is before the window.
    Error,
    /// There is more output than was asked for.
    Full,
}

/// One stream, as far as it goes.
#[derive(Debug)]
pub struct Inflated {
    pub plain: Vec<u8>,
    pub end: End,
}

/// Inflates one stream. It may refer to the last `window` bytes of `history` and of what it has
/// inflated to. At most `max` bytes are inflated.
///
/// If the codes of a block have none for its end, the block is an error at once, or at the end of
/// the input if not `requires_end`. If none of the codes for lengths is used, the block is an error
/// at once, or with `late_empty_code` after one bit for each length.
pub fn inflate(
    input: &[u8],
    history: &[u8],
    window: usize,
    max: usize,
    requires_end: bool,
    late_empty_code: bool,
) -> Inflated {
    let mut decoder = Decoder {
        requires_end,
        late_empty_code,
        bits: Bits { input, at: 0 },
        plain: history.to_vec(),
        history: history.len(),
        window,
        max,
    };
    let end = loop {
        if decoder.bits.is_at_end() {
            break End::Block;
        }
        match decoder.block() {
            Ok(false) => {}
            Ok(true) => break End::Stream(decoder.bits.at.div_ceil(8)),
            Err(end) => break end,
        }
    };
    decoder.plain.drain(..decoder.history);
    Inflated {
        plain: decoder.plain,
        end,
    }
}

/// Bits, the least significant of each byte first.
struct Bits<'a> {
    input: &'a [u8],
    /// How many bits are taken.
    at: usize,
}

impl Bits<'_> {
    fn is_at_end(&self) -> bool {
        self.at == 8 * self.input.len()
    }

    fn bit(&mut self) -> Result<usize, End> {
        let byte = self.input.get(self.at / 8).ok_or(End::Inside)?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(bit.into())
    }

    /// A number of `count` bits, the least significant first.
    fn number(&mut self, count: usize) -> Result<usize, End> {
        let mut number = 0;
        for place in 0..count {
            number += self.bit()? << place;
        }
        Ok(number)
    }

    fn skip_to_byte(&mut self) {
        self.at = self.at.div_ceil(8) * 8;
    }
}

/// The codes of an alphabet (section 3.2.2): for each length, up to that of the longest code, the
/// first code, and the symbols of the codes from there on.
struct Codes(Vec<(usize, Vec<usize>)>);

impl Codes {
    /// Codes that are no prefix of each other exist only if they are not over-subscribed. They have
    /// to be complete, unless `may_be_single` and there is one of one bit, or none.
    fn new(lengths: &[usize], may_be_single: bool) -> Result<Self, End> {
        let used = lengths.iter().filter(|length| **length > 0);
        let space: usize = used.clone().map(|length| 1 << (15 - length)).sum();
        let is_small = used.clone().all(|length| *length == 1) && used.count() < 2;
        if space > 1 << 15 || (space < 1 << 15 && !(may_be_single && is_small)) {
            return Err(End::Error);
        }
        let mut codes = Vec::new();
        let mut code = 0;
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        for length in 1..=longest {
            code *= 2;
            let has_length = |symbol: &usize| lengths[*symbol] == length;
            let symbols: Vec<usize> = (0..lengths.len()).filter(has_length).collect();
            let first = code;
            code += symbols.len();
            codes.push((first, symbols));
        }
        Ok(Self(codes))
    }

    /// The next symbol. The most significant bit of a code comes first.
    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, End> {
        let mut code = 0;
        for (first, symbols) in &self.0 {
            code = 2 * code + bits.bit()?;
            if let Some(symbol) = code.checked_sub(*first).and_then(|at| symbols.get(at)) {
                return Ok(*symbol);
            }
        }
        Err(End::Error)
    }
}

struct Decoder<'a> {
    bits: Bits<'a>,
    /// The history, and then the output.
    plain: Vec<u8>,
    history: usize,
    window: usize,
    max: usize,
    requires_end: bool,
    late_empty_code: bool,
}

impl Decoder<'_> {
    /// One block. Returns whether BFINAL is set (section 3.2.3).
    fn block(&mut self) -> Result<bool, End> {
        let is_final = self.bits.bit()? == 1;
        match self.bits.number(2)? {
            0 => self.stored()?,
            1 => {
                let lengths = |symbol: usize| match symbol {
                    0..=143 => 8,
                    144..=255 => 9,
                    256..=279 => 7,
                    _ => 8,
                };
                let literals = Codes::new(&(0..288).map(lengths).collect::<Vec<_>>(), false)?;
                self.compressed(&literals, &Codes::new(&[5; 32], false)?)?;
            }
            2 => {
                let (literals, distances) = self.dynamic_codes()?;
                self.compressed(&literals, &distances)?;
            }
            _ => return Err(End::Error),
        }
        Ok(is_final)
    }

    fn push(&mut self, byte: u8) -> Result<(), End> {
        if self.plain.len() - self.history == self.max {
            return Err(End::Full);
        }
        self.plain.push(byte);
        Ok(())
    }

    /// Section 3.2.4.
    fn stored(&mut self) -> Result<(), End> {
        self.bits.skip_to_byte();
        let (len, complement) = (self.bits.number(16)?, self.bits.number(16)?);
        if len + complement != 0xFFFF {
            return Err(End::Error);
        }
        for _ in 0..len {
            let byte = self.bits.number(8)?;
            self.push(byte as u8)?;
        }
        Ok(())
    }

    /// Section 3.2.7.
    fn dynamic_codes(&mut self) -> Result<(Codes, Codes), End> {
        let literals = 257 + self.bits.number(5)?;
        let distances = 1 + self.bits.number(5)?;
        let lengths = 4 + self.bits.number(4)?;
        if literals > 286 || distances > 30 {
            return Err(End::Error);
        }
        let mut length_lengths = [0; 19];
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        for symbol in order.iter().take(lengths) {
            length_lengths[*symbol] = self.bits.number(3)?;
        }
        if self.late_empty_code && length_lengths == [0; 19] {
            // Each bit is taken for a length of zero.
            for _ in 0..literals + distances {
                self.bits.bit()?;
            }
        }
        let codes = Codes::new(&length_lengths, false)?;
        let mut found = Vec::new();
        while found.len() < literals + distances {
            let (length, count) = match codes.symbol(&mut self.bits)? {
                16 => (*found.last().ok_or(End::Error)?, 3 + self.bits.number(2)?),
                17 => (0, 3 + self.bits.number(3)?),
                18 => (0, 11 + self.bits.number(7)?),
                length => (length, 1),
            };
            found.extend(std::iter::repeat_n(length, count));
        }
        // A repetition may cross from one alphabet to the other, and not the end.
        if found.len() > literals + distances || self.requires_end && found[256] == 0 {
            return Err(End::Error);
        }
        let (literals, distances) = found.split_at(literals);
        Ok((Codes::new(literals, true)?, Codes::new(distances, true)?))
    }

    /// Literals and copies, up to the end of the block (section 3.2.5).
    fn compressed(&mut self, literals: &Codes, distances: &Codes) -> Result<(), End> {
        loop {
            let symbol = literals.symbol(&mut self.bits)?;
            let len = match symbol {
                0..=255 => {
                    self.push(symbol as u8)?;
                    continue;
                }
                256 => return Ok(()),
                257..=264 => symbol - 254,
                265..=284 => {
                    let extra = (symbol - 261) / 4;
                    let base = (4 + (symbol - 261) % 4) << extra;
                    3 + base + self.bits.number(extra)?
                }
                285 => 258,
                _ => return Err(End::Error),
            };
            let distance = match distances.symbol(&mut self.bits)? {
                symbol @ 0..=3 => 1 + symbol,
                symbol @ 4..=29 => {
                    let extra = symbol / 2 - 1;
                    1 + ((2 + symbol % 2) << extra) + self.bits.number(extra)?
                }
                _ => return Err(End::Error),
            };
            if distance > self.window.min(self.plain.len()) {
                return Err(End::Error);
            }
            for _ in 0..len {
                self.push(self.plain[self.plain.len() - distance])?;
            }
        }
    }
}
