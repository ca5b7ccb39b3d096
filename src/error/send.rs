//! Errors of the caller in a call that sends.

use core::fmt;

use crate::{close_code::CloseCode, reserved_bits::ReservedBits, utf8::InvalidUtf8};

/// A frame or message that cannot be sent. Nothing was sent and nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// The opening handshake is not complete (RFC 6455, section 6.1).
    NotOpen,
    /// This cannot be sent any more: a Close frame was sent or received, the opening handshake was
    /// rejected or refused, or the connection has failed (RFC 6455, sections 5.5.1 and 6.1).
    Closing,
    /// The payload of a Ping or Pong is longer than 125 bytes (RFC 6455, section 5.5).
    ControlFrameTooLong {
        /// The length in bytes.
        len: usize,
    },
    /// A close reason is longer than 123 bytes (RFC 6455, section 5.5.1).
    ReasonTooLong {
        /// The length in bytes.
        len: usize,
    },
    /// The close code may not be sent: it is reserved, out of range, or 1010 from a server (RFC
    /// 6455, section 7.4).
    InvalidCloseCode {
        /// The code.
        code: CloseCode,
    },
    /// A close reason has no close code (RFC 6455, section 5.5.1).
    ReasonWithoutCode,
    /// A fragmented message is in progress and must end first (RFC 6455, section 5.4).
    MessageInProgress,
    /// A fragment is text and the message in progress is binary, or the reverse (RFC 6455, section
    /// 5.4).
    KindChanged,
    /// A text message is not UTF-8 (RFC 6455, section 5.6).
    InvalidUtf8,
    /// A client must mask the payload, so it cannot send a header alone, or a frame that was
    /// encoded for others (RFC 6455, section 5.1).
    MaskRequired,
    /// A fragment has reserved bits that no negotiated extension of the caller's own gives a
    /// meaning (RFC 6455, section 5.2).
    ReservedBitsNotNegotiated {
        /// The bits among those of the fragment.
        bits: ReservedBits,
    },
    /// The message in progress is compressed, so its payload cannot be sent as it is (RFC 7692,
    /// section 6.1).
    MessageCompressed,
    /// A buffer has no room for a header before the payload.
    NoRoomForHeader {
        /// The length of the buffer, in bytes. The room has 14.
        len: usize,
    },
    /// A payload is longer than 2^63 - 1 bytes (RFC 6455, section 5.2).
    PayloadTooLong {
        /// The length in bytes.
        len: u64,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => {
                f.write_str("nothing can be sent before the opening handshake is complete (RFC 6455, section 6.1)")
            }
            Self::Closing => f.write_str(
                "this cannot be sent any more: a Close frame was sent or received, the opening handshake was rejected or \
                 refused, or the connection has failed (RFC 6455, section 5.5.1)",
            ),
            Self::ControlFrameTooLong { len } => write!(
                f,
                "the payload of a Ping or Pong is {len} bytes long and may have at most 125 (RFC 6455, section 5.5)"
            ),
            Self::ReasonTooLong { len } => write!(
                f,
                "the close reason is {len} bytes long and may have at most 123 (RFC 6455, section 5.5.1)"
            ),
            Self::InvalidCloseCode { code } => {
                write!(
                    f,
                    "the close code {code} may not be sent by this end (RFC 6455, section 7.4)"
                )
            }
            Self::ReasonWithoutCode => {
                f.write_str("a close reason needs a close code before it (RFC 6455, section 5.5.1)")
            }
            Self::MessageInProgress => f.write_str(
                "a fragmented message is in progress and must end before another begins (RFC 6455, section 5.4)",
            ),
            Self::KindChanged => {
                f.write_str("a fragment must be text or binary as the message in progress is (RFC 6455, section 5.4)")
            }
            Self::InvalidUtf8 => f.write_str("the text message is not UTF-8 (RFC 6455, section 5.6)"),
            Self::MaskRequired => f.write_str(
                "a client must mask the payload, so it cannot send a header alone or a prepared frame (RFC 6455, \
                 section 5.1)",
            ),
            Self::ReservedBitsNotNegotiated { bits } => {
                f.write_str("a fragment cannot have ")?;
                bits.write_names(f)?;
                f.write_str(" set, because no negotiated extension gives that a meaning (RFC 6455, section 5.2)")
            }
            Self::MessageCompressed => f.write_str(
                "the message in progress is compressed, so a payload cannot be sent as it is (RFC 7692, section 6.1)",
            ),
            Self::NoRoomForHeader { len } => write!(
                f,
                "the buffer has {len} bytes and needs 14 before the payload, for the header (RFC 6455, section 5.2)"
            ),
            Self::PayloadTooLong { len } => write!(
                f,
                "the payload is {len} bytes long and may have at most 2^63 - 1 (RFC 6455, section 5.2)"
            ),
        }
    }
}

impl core::error::Error for SendError {}

impl From<InvalidUtf8> for SendError {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}
