//! The errors that tests expect, made from the bytes that cause them.

use sockless::ProtocolError;

/// A first byte whose reserved bits are not allowed.
pub fn reserved_bits(first: u8) -> ProtocolError {
    ProtocolError::ReservedBits {
        rsv1: first / 64 % 2 == 1,
        rsv2: first / 32 % 2 == 1,
        rsv3: first / 16 % 2 == 1,
    }
}

/// A first byte whose opcode is reserved.
pub fn reserved_opcode(first: u8) -> ProtocolError {
    ProtocolError::ReservedOpcode { opcode: first % 16 }
}

/// A message whose frames have announced `size` bytes.
pub fn too_big(size: u64, limit: u64) -> ProtocolError {
    ProtocolError::MessageTooBig {
        size: Some(size),
        limit,
    }
}

/// A compressed message.
pub fn inflates_too_big(limit: u64) -> ProtocolError {
    ProtocolError::MessageTooBig { size: None, limit }
}
