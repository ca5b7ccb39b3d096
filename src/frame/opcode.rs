//! What a frame is.

use crate::message::MessageKind;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(clippy::exhaustive_enums, reason = "the other values are reserved and refused")]
pub enum Opcode {
    /// 0x0: a further fragment of the message in progress.
    Continuation = 0x0,
    /// 0x1: the first or only fragment of a text message.
    Text = 0x1,
    /// 0x2: the first or only fragment of a binary message.
    Binary = 0x2,
    /// 0x8: one direction of the connection ends (section 5.5.1).
    Close = 0x8,
    /// 0x9: asks for a Pong (section 5.5.2).
    Ping = 0x9,
    /// 0xA: answers a Ping, or is a heartbeat (section 5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// Returns whether the frame is a control frame: Close, Ping or Pong. Those have at most 125
    /// bytes, are never fragmented, and are allowed between the fragments of a message (section
    /// 5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    pub(crate) const fn bits(self) -> u8 {
        self as u8
    }
}

impl MessageKind {
    /// The opcode of a message's first frame.
    #[inline(always)]
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

impl From<MessageKind> for Opcode {
    fn from(kind: MessageKind) -> Self {
        kind.opcode()
    }
}
