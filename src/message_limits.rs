//! The limits on a message, what is counted against them, and what can be wrong with a payload.

use crate::{config::Config, error::ProtocolError, utf8::InvalidUtf8};

/// The limits on one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) size: u64,
    pub(crate) fragments: u32,
}

impl Limits {
    pub(crate) const fn of(config: &Config) -> Self {
        Self {
            size: config.max_message_size,
            fragments: config.max_fragments,
        }
    }

    /// The error that says what is wrong. How much a message that is too big would inflate to is
    /// not known.
    pub(crate) const fn error(self, violation: PayloadViolation) -> ProtocolError {
        match violation {
            PayloadViolation::InvalidUtf8 => ProtocolError::InvalidUtf8,
            PayloadViolation::InvalidDeflate => ProtocolError::InvalidDeflate,
            PayloadViolation::TooManyDeflateBlocks => ProtocolError::TooManyDeflateBlocks,
            PayloadViolation::TooBig => ProtocolError::MessageTooBig {
                size: None,
                limit: self.size,
            },
        }
    }
}

/// What can be wrong with the payload of a message. Smaller than the error, which says more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PayloadViolation {
    InvalidUtf8,
    InvalidDeflate,
    TooManyDeflateBlocks,
    /// A compressed message inflates to more than the limit, or has far more bytes on the wire.
    TooBig,
}

impl From<InvalidUtf8> for PayloadViolation {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

/// The size and the number of frames of the message in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageSize {
    /// The bytes of its frames so far, the announced length of the current one included; or, if it
    /// is compressed, the bytes inflated so far.
    bytes: u64,
    fragments: u32,
}

impl MessageSize {
    /// That of no message.
    pub(crate) const NONE: Self = Self { bytes: 0, fragments: 0 };

    /// Counts a frame of the message with `len` bytes.
    pub(crate) fn add_frame(&mut self, is_first: bool, len: u64, limits: Limits) -> Result<(), ProtocolError> {
        if is_first {
            *self = Self::NONE;
        }
        // Both saturate only under limits that no peer can reach.
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes > limits.size {
            return Err(ProtocolError::MessageTooBig {
                size: Some(self.bytes),
                limit: limits.size,
            });
        }
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > limits.fragments {
            return Err(ProtocolError::TooManyFragments {
                limit: limits.fragments,
            });
        }
        Ok(())
    }

    /// Counts `len` bytes that were inflated. Returns how many of them are within the limit.
    pub(crate) fn admit(&mut self, len: usize, limits: Limits) -> usize {
        let admitted = len.min(self.room(limits));
        self.bytes += admitted as u64;
        admitted
    }

    /// Returns how long the next fragment may be, if there may be one.
    pub(crate) fn max_fragment(&self, limits: Limits) -> Option<u64> {
        (self.fragments < limits.fragments).then(|| self.room(limits) as u64)
    }

    /// Returns how many more bytes the limit permits.
    pub(crate) fn room(&self, limits: Limits) -> usize {
        usize::try_from(limits.size.saturating_sub(self.bytes)).unwrap_or(usize::MAX)
    }

    /// Whether `len` bytes are all that the frames so far have.
    pub(crate) const fn is_whole(&self, len: u64) -> bool {
        self.bytes == len
    }
}
