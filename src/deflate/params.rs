//! The parameters of permessage-deflate (RFC 7692, section 7.1): those that were negotiated, and
//! what they mean to one end.

use super::{
    config::{DeflateConfig, WindowBits},
    low_memory,
};
use crate::role::Role;

/// The last four bytes of a message, which are not sent (RFC 7692, section 7.2.1).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The negotiated parameters of permessage-deflate: limits on each direction, which both ends keep
/// to (RFC 7692, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "RFC 7692 has these four parameters")]
pub struct DeflateParams {
    /// The server starts each message with an empty window.
    pub server_no_context_takeover: bool,
    /// The client starts each message with an empty window.
    pub client_no_context_takeover: bool,
    /// The window of what the server sends.
    pub server_max_window_bits: WindowBits,
    /// The window of what the client sends.
    pub client_max_window_bits: WindowBits,
}

impl DeflateParams {
    /// The parameters by which one end receives and those by which it sends, and from how many
    /// bytes on it compresses.
    pub(crate) fn directions(
        self,
        role: Role,
        config: Option<&DeflateConfig>,
    ) -> (DirectionParams, DirectionParams, usize) {
        let default = DeflateConfig::default();
        let config = config.unwrap_or(&default);
        let direction = |bits: WindowBits, no_context_takeover: bool| DirectionParams {
            bits: bits.get(),
            takeover: !no_context_takeover,
            release: config.release,
            level: config.level.min(9),
            low_memory: false,
        };
        let server = direction(self.server_max_window_bits, self.server_no_context_takeover);
        let client = direction(self.client_max_window_bits, self.client_no_context_takeover);
        match role {
            Role::Server => (client, server.sending(config.low_memory), config.threshold),
            Role::Client => (server, client.sending(config.low_memory), config.threshold),
        }
    }
}

/// How messages in one direction are compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectionParams {
    /// The window is 2^bits bytes.
    pub(super) bits: u8,
    /// The window is kept between messages.
    pub(super) takeover: bool,
    /// The working state is freed between messages.
    pub(super) release: bool,
    /// How hard to compress; of no meaning to an inflater.
    pub(super) level: u8,
    /// The deflater is the one whose memory follows its window; of no meaning to an inflater.
    pub(super) low_memory: bool,
}

impl DirectionParams {
    /// The parameters of what is sent. A sender may use a smaller window than was negotiated.
    pub(super) fn sending(self, low_memory: bool) -> Self {
        let bits = if low_memory {
            self.bits.min(low_memory::MAX_BITS)
        } else {
            self.bits
        };
        Self {
            bits,
            low_memory,
            ..self
        }
    }

    /// Whether the state of a deflater with these parameters serves the others too.
    pub(super) const fn deflates_as(self, other: Self) -> bool {
        self.level == other.level && self.bits == other.bits && self.low_memory == other.low_memory
    }

    /// Whether messages that are sent start with an empty window, so that the deflater's state can
    /// be shared.
    pub(crate) const fn forgets(self) -> bool {
        !self.takeover
    }

    /// The number of the window size: 0 to 7 for 8 to 15 bits.
    pub(crate) fn window_index(self) -> usize {
        usize::from(self.bits.saturating_sub(WindowBits::MIN.get()))
    }

    /// An output buffer of a deflater that is larger, in bytes, is freed at the end of its message.
    pub(super) const fn max_output_kept(self) -> usize {
        match (self.low_memory, self.release) {
            (false, _) => 64 << 10,
            (true, false) => 1 << self.bits,
            (true, true) => 0,
        }
    }

    /// Whether messages are compressed at all: level 0 does not.
    pub(crate) const fn compresses(self) -> bool {
        self.level > 0
    }
}
