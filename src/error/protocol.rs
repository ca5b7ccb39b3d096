//! Errors of the peer.

use core::fmt;

use super::{request::RequestError, response::ResponseError};
use crate::{close_code::CloseCode, reserved_bits::ReservedBits, utf8::InvalidUtf8};

/// A violation of the protocol by the peer. There is one variant for each rule.
///
/// When [`Connection::receive`](crate::Connection::receive) returns this error, the connection has
/// failed (RFC 6455, section 7.1.7): the Close frame or HTTP response for the peer is in `out`,
/// later input is discarded, and later calls return the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Reserved bits are set, and no negotiated extension gives them a meaning (RFC 6455, section
    /// 5.2).
    ReservedBits {
        /// The reserved bits that are set.
        bits: ReservedBits,
    },
    /// The opcode is reserved (RFC 6455, section 5.2).
    ReservedOpcode {
        /// The opcode: 0x3 to 0x7, or 0xB to 0xF.
        opcode: u8,
    },
    /// A frame from a client is not masked (RFC 6455, section 5.1).
    UnmaskedFrame,
    /// A frame from a server is masked (RFC 6455, section 5.1).
    MaskedFrame,
    /// A payload length is not in its shortest form (RFC 6455, section 5.2).
    NonMinimalLength {
        /// The bits that the length takes: 16 or 64.
        bits: u8,
    },
    /// The most significant bit of a payload length of 64 bits is set (RFC 6455, section 5.2).
    LengthOverflow,
    /// A control frame is fragmented (RFC 6455, section 5.5).
    FragmentedControlFrame {
        /// The opcode: 0x8, 0x9 or 0xA.
        opcode: u8,
    },
    /// A control frame announces more than 125 bytes (RFC 6455, section 5.5).
    ControlFrameTooLong {
        /// The opcode: 0x8, 0x9 or 0xA.
        opcode: u8,
    },
    /// A continuation frame arrived, and no message is in progress (RFC 6455, section 5.4).
    UnexpectedContinuation,
    /// A text or binary frame arrived before the end of the message in progress (RFC 6455, section
    /// 5.4).
    InterleavedMessage {
        /// The opcode: 0x1 or 0x2.
        opcode: u8,
    },
    /// The body of a Close frame is a single byte (RFC 6455, section 5.5.1).
    TruncatedCloseCode,
    /// A Close frame has a code that may not be sent (RFC 6455, section 7.4).
    InvalidCloseCode {
        /// The code.
        code: CloseCode,
    },
    /// The reason in a Close frame is not UTF-8 (RFC 6455, section 5.5.1).
    InvalidCloseReason,
    /// A text message is not UTF-8 (RFC 6455, section 8.1).
    InvalidUtf8,
    /// A compressed message is not valid DEFLATE, or refers to data before the window (RFC 7692,
    /// section 7.2.2).
    InvalidDeflate,
    /// Compressed messages have more than one DEFLATE block for each 6 bytes, and 512 blocks of
    /// credit are used up: work for the inflater, and no data (RFC 6455, section 10.4).
    /// Compressors need a multiple of that for each block; empty stored blocks, which end a flush,
    /// do not count. Blocks are cheap for `zlib-rs`, which inflates windows of 15 bits if it is on:
    /// there it is not raised.
    TooManyDeflateBlocks,
    /// A message is larger than the limit (RFC 6455, section 10.4).
    MessageTooBig {
        /// The size in bytes that its frames have announced so far. `None` for a compressed
        /// message: it inflates to more than the limit, or has more than twice the limit and 64 KiB
        /// on the wire, without 16 bytes of each frame.
        size: Option<u64>,
        /// [`Config::max_message_size`](crate::Config::max_message_size).
        limit: u64,
    },
    /// A message has more fragments than the limit (RFC 6455, section 10.4).
    TooManyFragments {
        /// [`Config::max_fragments`](crate::Config::max_fragments).
        limit: u32,
    },
    /// The transport ended before the closing handshake was complete (RFC 6455, section 7.1.5).
    UnexpectedEof,
    /// The transport ended before the opening handshake was complete (RFC 6455, section 4).
    HandshakeEof,
    /// A client's opening handshake is invalid.
    Request(RequestError),
    /// A server's opening handshake is invalid.
    Response(ResponseError),
}

impl ProtocolError {
    /// Returns the close code that reports this error to the peer (RFC 6455, section 7.4.1): 1002,
    /// 1007, 1008 or 1009.
    ///
    /// Returns 1006 for an error that no Close frame can report: an end of the transport, and an
    /// invalid opening handshake.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason | Self::InvalidDeflate => CloseCode::INVALID_DATA,
            Self::MessageTooBig { .. } => CloseCode::TOO_BIG,
            Self::TooManyFragments { .. } | Self::TooManyDeflateBlocks => CloseCode::POLICY_VIOLATION,
            Self::UnexpectedEof | Self::HandshakeEof | Self::Request(_) | Self::Response(_) => CloseCode::ABNORMAL,
            Self::ReservedBits { .. }
            | Self::ReservedOpcode { .. }
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::NonMinimalLength { .. }
            | Self::LengthOverflow
            | Self::FragmentedControlFrame { .. }
            | Self::ControlFrameTooLong { .. }
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage { .. }
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode { .. } => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits { bits } => {
                f.write_str("the peer sent a frame with ")?;
                bits.write_names(f)?;
                f.write_str(" set, and no negotiated extension gives that a meaning (RFC 6455, section 5.2)")
            }
            Self::ReservedOpcode { opcode } => {
                write!(f, "the peer sent a frame with the reserved opcode {opcode:#x} (RFC 6455, section 5.2)")
            }
            Self::UnmaskedFrame => f.write_str("the client sent a frame that is not masked (RFC 6455, section 5.1)"),
            Self::MaskedFrame => f.write_str("the server sent a frame that is masked (RFC 6455, section 5.1)"),
            Self::NonMinimalLength { bits } => write!(
                f,
                "the peer sent a frame whose payload length takes {bits} bits and fits into fewer \
                 (RFC 6455, section 5.2)"
            ),
            Self::LengthOverflow => f.write_str(
                "the peer sent a frame that announces more than 2^63 - 1 bytes of payload (RFC 6455, section 5.2)",
            ),
            Self::FragmentedControlFrame { opcode } => write!(
                f,
                "the peer sent a {} frame that is fragmented (RFC 6455, section 5.5)",
                frame_name(*opcode)
            ),
            Self::ControlFrameTooLong { opcode } => write!(
                f,
                "the peer sent a {} frame that announces more than 125 bytes (RFC 6455, section 5.5)",
                frame_name(*opcode)
            ),
            Self::UnexpectedContinuation => f.write_str(
                "the peer sent a continuation frame, but no message is in progress (RFC 6455, section 5.4)",
            ),
            Self::InterleavedMessage { opcode } => write!(
                f,
                "the peer began a {} message before the message in progress had ended (RFC 6455, section 5.4)",
                frame_name(*opcode)
            ),
            Self::TruncatedCloseCode => f.write_str(
                "the peer sent a Close frame with a body of one byte, too short for a code (RFC 6455, section 5.5.1)",
            ),
            Self::InvalidCloseCode { code } => write!(
                f,
                "the peer sent a Close frame with the code {code}, which may not be sent (RFC 6455, section 7.4)"
            ),
            Self::InvalidCloseReason => {
                f.write_str("the peer sent a Close frame whose reason is not UTF-8 (RFC 6455, section 5.5.1)")
            }
            Self::InvalidUtf8 => f.write_str("the peer sent a text message that is not UTF-8 (RFC 6455, section 8.1)"),
            Self::InvalidDeflate => f.write_str(
                "the peer sent a compressed message that is not valid DEFLATE, or that refers to data before the window \
                 (RFC 7692, section 7.2.2)",
            ),
            Self::TooManyDeflateBlocks => f.write_str(
                "the peer sent compressed messages with more than one DEFLATE block for each 6 bytes and 512 more, \
                 a limit that no setting changes (RFC 6455, section 10.4)",
            ),
            Self::MessageTooBig {
                size: Some(size),
                limit,
            } => write!(
                f,
                "the peer sent a message of at least {size} bytes, which is over Config::max_message_size = {limit} \
                 (RFC 6455, section 10.4)"
            ),
            Self::MessageTooBig { size: None, limit } => write!(
                f,
                "the peer sent a compressed message that is over Config::max_message_size = {limit}: it inflates to \
                 more bytes, or has more than twice as many and 64 KiB on the wire (RFC 6455, section 10.4)"
            ),
            Self::TooManyFragments { limit } => write!(
                f,
                "the peer sent a message in more frames than Config::max_fragments = {limit} (RFC 6455, section 10.4)"
            ),
            Self::UnexpectedEof => f.write_str(
                "the transport ended before the closing handshake was complete (RFC 6455, section 7.1.5)",
            ),
            Self::HandshakeEof => {
                f.write_str("the transport ended before the opening handshake was complete (RFC 6455, section 4)")
            }
            Self::Request(error) => fmt::Display::fmt(error, f),
            Self::Response(error) => fmt::Display::fmt(error, f),
        }
    }
}

/// Returns the name of a frame with this opcode.
const fn frame_name(opcode: u8) -> &'static str {
    match opcode {
        0x1 => "text",
        0x2 => "binary",
        0x8 => "Close",
        0x9 => "Ping",
        0xA => "Pong",
        _ => "continuation",
    }
}

/// `source` returns `None`: the text of a nested error is the whole text.
impl core::error::Error for ProtocolError {}

impl From<RequestError> for ProtocolError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<ResponseError> for ProtocolError {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

impl From<InvalidUtf8> for ProtocolError {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}
