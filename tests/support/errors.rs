//! The errors that tests expect, from the bytes that cause them.

use sockless::{
    ProtocolError,
    error::{Excerpt, RequestError},
};

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

/// An error of each variant, with the status that answers it.
pub fn request_errors() -> [(RequestError, u16); 51] {
    let value = quoted("x");
    [
        (RequestError::Tls { byte: 0x16 }, 400),
        (RequestError::InvalidFirstByte { byte: 0 }, 400),
        (RequestError::InvalidRequestLine { line: value }, 400),
        (RequestError::InvalidHeaderLine { number: 2 }, 400),
        (RequestError::HeadTooLong { limit: 1 }, 431),
        (RequestError::TooManyHeaders { limit: 1 }, 431),
        (RequestError::UnsupportedMethod { method: value }, 405),
        (RequestError::UnsupportedHttpVersion { version: value }, 505),
        (RequestError::InvalidTarget { target: value }, 400),
        (
            RequestError::InvalidTargetByte {
                target: value,
                byte: b'#',
            },
            400,
        ),
        (RequestError::MissingHost, 400),
        (RequestError::RepeatedHost, 400),
        (RequestError::InvalidHost { host: value }, 400),
        (RequestError::UserInfoInHost, 400),
        (RequestError::InvalidPort { port: value }, 400),
        (RequestError::RepeatedOrigin, 400),
        (RequestError::InvalidOrigin { origin: value }, 400),
        (RequestError::ForeignOrigin { origin: value }, 403),
        (
            RequestError::ForeignScheme {
                origin: value,
                requires_https: true,
            },
            403,
        ),
        (RequestError::UnlistedOrigin { origin: value }, 403),
        (RequestError::UnlistedHost { host: value }, 403),
        (RequestError::InvalidContentLength { value }, 400),
        (RequestError::DifferentContentLengths { value }, 400),
        (RequestError::ContentLength { value }, 400),
        (RequestError::TransferEncoding { value }, 400),
        (RequestError::MissingUpgrade, 426),
        (RequestError::InvalidUpgrade { value }, 426),
        (RequestError::MissingConnection, 400),
        (RequestError::InvalidConnection { value }, 400),
        (RequestError::MissingKey, 400),
        (RequestError::RepeatedKey, 400),
        (RequestError::InvalidKey { len: 1 }, 400),
        (RequestError::MissingVersion, 426),
        (RequestError::RepeatedVersion, 426),
        (RequestError::UnsupportedVersion { version: value }, 426),
        (RequestError::EmptySubprotocolList, 400),
        (RequestError::InvalidSubprotocol { position: 1 }, 400),
        (RequestError::RepeatedSubprotocol { position: 2 }, 400),
        (RequestError::EmptyExtensionList, 400),
        (RequestError::InvalidExtensions { value }, 400),
        (RequestError::MissingPseudoHeader { name: ":path" }, 400),
        (RequestError::RepeatedPseudoHeader { name: ":path" }, 400),
        (RequestError::UnexpectedPseudoHeader { name: value }, 400),
        (RequestError::UnsupportedConnectMethod { method: value }, 405),
        (RequestError::UnsupportedConnectVersion { version: value }, 505),
        (RequestError::UnsupportedProtocol { protocol: value }, 501),
        (RequestError::InvalidScheme { scheme: value }, 400),
        (RequestError::InvalidPath { path: value }, 400),
        (RequestError::DifferentHost { host: value }, 400),
        (RequestError::ConnectionHeader { name: value }, 400),
        (RequestError::TooMuchEarlyData { limit: 1 }, 400),
    ]
}
