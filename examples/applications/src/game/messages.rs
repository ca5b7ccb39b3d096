//! The messages of the game: two bytes for the id, most significant first, and a protobuf.

use std::fmt;

use prost::{DecodeError, Message};

/// The size of the longest message, in bytes.
pub(crate) const MAX_MESSAGE_SIZE: u64 = 1024;

/// From a player, first of all.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Join {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// From a player.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Step {
    #[prost(sint32, tag = "1")]
    pub(crate) dx: i32,
    #[prost(sint32, tag = "2")]
    pub(crate) dy: i32,
}

/// To all players: where one of them is.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Position {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(sint32, tag = "2")]
    pub(crate) x: i32,
    #[prost(sint32, tag = "3")]
    pub(crate) y: i32,
}

/// To all players.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Left {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// A message of any kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Packet {
    Join(Join),
    Step(Step),
    Position(Position),
    Left(Left),
}

/// Why a message is none of the game.
#[derive(Debug)]
pub(crate) enum PacketError {
    TooShort { len: usize },
    UnknownId { id: u16 },
    Protobuf { id: u16, error: DecodeError },
}

impl Packet {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (id, body) = match self {
            Self::Join(body) => (1_u16, body.encode_to_vec()),
            Self::Step(body) => (2, body.encode_to_vec()),
            Self::Position(body) => (3, body.encode_to_vec()),
            Self::Left(body) => (4, body.encode_to_vec()),
        };
        [&id.to_be_bytes(), &body[..]].concat()
    }

    /// # Errors
    /// The message has no id, or one that is not known, or the rest is not the protobuf of that id.
    pub(crate) fn decode(message: &[u8]) -> Result<Self, PacketError> {
        let too_short = PacketError::TooShort { len: message.len() };
        let (&id, body) = message.split_first_chunk().ok_or(too_short)?;
        let id = u16::from_be_bytes(id);
        let packet = match id {
            1 => Join::decode(body).map(Self::Join),
            2 => Step::decode(body).map(Self::Step),
            3 => Position::decode(body).map(Self::Position),
            4 => Left::decode(body).map(Self::Left),
            _ => return Err(PacketError::UnknownId { id }),
        };
        packet.map_err(|error| PacketError::Protobuf { id, error })
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => write!(f, "a message of {len} bytes has no id"),
            Self::UnknownId { id } => write!(f, "the message id {id} is not known"),
            Self::Protobuf { id, error } => write!(f, "a message with id {id}: {error}"),
        }
    }
}

impl std::error::Error for PacketError {}
