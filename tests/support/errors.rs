//! The errors that tests expect, from the bytes that cause them.

use sockless::ProtocolError;

/// The error of a first byte whose reserved bits are not permitted.
pub fn reserved_bits(first: u8) -> ProtocolError {
    ProtocolError::ReservedBits {
        rsv1: first / 64 % 2 == 1,
        rsv2: first / 32 % 2 == 1,
        rsv3: first / 16 % 2 == 1,
    }
}

/// The error of a first byte whose opcode is reserved.
pub fn reserved_opcode(first: u8) -> ProtocolError {
    ProtocolError::ReservedOpcode { opcode: first % 16 }
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
