//! The errors that tests expect, from the bytes that cause them.

use sockless::{ProtocolError, error::Excerpt, frame::ReservedBits};

/// The error of a first byte whose reserved bits are not permitted.
pub fn reserved_bits(first: u8) -> ProtocolError {
    let bits = ReservedBits {
        rsv1: first / 64 % 2 == 1,
        rsv2: first / 32 % 2 == 1,
        rsv3: first / 16 % 2 == 1,
    };
    ProtocolError::ReservedBits { bits }
}

/// The error of a first byte whose opcode is reserved.
pub fn reserved_opcode(first: u8) -> ProtocolError {
    ProtocolError::ReservedOpcode { opcode: first % 16 }
}

/// The error of a first byte of a control frame without FIN.
pub fn fragmented_control_frame(first: u8) -> ProtocolError {
    ProtocolError::FragmentedControlFrame { opcode: first % 16 }
}

/// The error of a control frame with this first byte that announces more than 125 bytes.
pub fn control_frame_too_long(first: u8) -> ProtocolError {
    ProtocolError::ControlFrameTooLong { opcode: first % 16 }
}

/// The error of a data frame with this first byte inside a message.
pub fn interleaved_message(first: u8) -> ProtocolError {
    ProtocolError::InterleavedMessage { opcode: first % 16 }
}

/// The error of a length of 16 or 64 bits that fits into fewer.
pub fn non_minimal_length(bits: u8) -> ProtocolError {
    ProtocolError::NonMinimalLength { bits }
}

/// The error of a message whose headers announce `size` bytes.
pub fn too_big(size: u64, limit: u64) -> ProtocolError {
    ProtocolError::MessageTooBig {
        size: Some(size),
        limit,
    }
}

/// The error of a compressed message that inflates to more than `limit` bytes.
pub fn inflates_too_big(limit: u64) -> ProtocolError {
    ProtocolError::MessageTooBig { size: None, limit }
}

/// What an error quotes of a whole input.
pub fn quoted(input: impl AsRef<[u8]>) -> Excerpt {
    Excerpt::new(input.as_ref())
}

/// What an error quotes of an input that has a secret after its first `len` bytes.
pub fn quoted_to(input: &str, len: usize) -> Excerpt {
    Excerpt::truncated(input.as_bytes(), len)
}
