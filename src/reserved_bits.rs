//! The three reserved bits of a frame, as a set.

use core::fmt;

/// A set of the reserved bits of a frame, which extensions give a meaning (RFC 6455, sections 5.2
/// and 9).
///
/// ```
/// use sockless::frame::ReservedBits;
///
/// let bits = ReservedBits::RSV2.union(ReservedBits::RSV3);
/// assert!(bits.rsv2 && bits.rsv3 && !bits.rsv1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "the protocol has these three")]
pub struct ReservedBits {
    /// The first reserved bit. permessage-deflate marks compressed messages with it.
    pub rsv1: bool,
    /// The second reserved bit.
    pub rsv2: bool,
    /// The third reserved bit.
    pub rsv3: bool,
}

impl ReservedBits {
    /// No bit.
    pub const NONE: Self = Self::new([false, false, false]);
    /// The first reserved bit.
    pub const RSV1: Self = Self::new([true, false, false]);
    /// The second reserved bit.
    pub const RSV2: Self = Self::new([false, true, false]);
    /// The third reserved bit.
    pub const RSV3: Self = Self::new([false, false, true]);

    pub(crate) const fn new([rsv1, rsv2, rsv3]: [bool; 3]) -> Self {
        Self { rsv1, rsv2, rsv3 }
    }

    /// Returns the bits that are in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            rsv1: self.rsv1 | other.rsv1,
            rsv2: self.rsv2 | other.rsv2,
            rsv3: self.rsv3 | other.rsv3,
        }
    }

    /// Returns the bits that are in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            rsv1: self.rsv1 & !other.rsv1,
            rsv2: self.rsv2 & !other.rsv2,
            rsv3: self.rsv3 & !other.rsv3,
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self {
            rsv1: self.rsv1 & other.rsv1,
            rsv2: self.rsv2 & other.rsv2,
            rsv3: self.rsv3 & other.rsv3,
        }
    }

    /// Writes the names of the bits, as "RSV1 and RSV2".
    pub(crate) fn write_names(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = [(self.rsv1, "RSV1"), (self.rsv2, "RSV2"), (self.rsv3, "RSV3")];
        let mut set = bits.iter().filter(|(is_set, _)| *is_set);
        if let Some((_, name)) = set.next() {
            f.write_str(name)?;
        }
        for (_, name) in set {
            write!(f, " and {name}")?;
        }
        Ok(())
    }

    /// Returns whether no bit is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !(self.rsv1 | self.rsv2 | self.rsv3)
    }
}
