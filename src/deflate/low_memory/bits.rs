//! The bits of a DEFLATE stream.

use alloc::vec::Vec;

/// Appends bits, the least significant of each byte first (RFC 1951, section 3.1.1).
pub(super) struct BitWriter<'o> {
    out: &'o mut Vec<u8>,
    /// What is not written yet, fewer than 32 bits.
    bits: u64,
    count: u32,
}

impl<'o> BitWriter<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, bits: 0, count: 0 }
    }

    /// Appends the lowest `count` bits of `value`, at most 32. Its other bits are zero.
    #[inline]
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= u32::BITS && u64::from(value) >> count == 0);
        self.bits |= u64::from(value) << self.count;
        self.count += count;
        if self.count >= u32::BITS {
            // The lower half.
            self.out.extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= u32::BITS;
            self.count -= u32::BITS;
        }
    }

    /// How many bits the output has, with those that are not written yet.
    pub(super) fn len(&self) -> usize {
        8 * self.out.len() + self.count as usize
    }

    /// How many bits of the last byte are not used yet.
    pub(super) const fn unused_bits(&self) -> u32 {
        (8 - self.count % 8) % 8
    }

    /// Appends zeros up to the end of a byte.
    fn fill_byte(&mut self) {
        let len = self.count.div_ceil(8) as usize;
        let bytes = self.bits.to_le_bytes();
        self.out.extend_from_slice(bytes.get(..len).unwrap_or_default());
        (self.bits, self.count) = (0, 0);
    }

    /// Appends a stored block (RFC 1951, section 3.2.4) of at most 65,535 bytes.
    ///
    /// An empty one ends what precedes it at the end of a byte: a sync flush.
    pub(super) fn put_stored_block(&mut self, data: &[u8]) {
        // BFINAL and BTYPE.
        self.put(0, 3);
        self.fill_byte();
        let len = data.len() as u16;
        debug_assert_eq!(usize::from(len), data.len());
        self.out.extend_from_slice(&len.to_le_bytes());
        self.out.extend_from_slice(&(!len).to_le_bytes());
        self.out.extend_from_slice(data);
    }
}
