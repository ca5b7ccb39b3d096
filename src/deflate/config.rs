//! The settings of permessage-deflate (RFC 7692).

/// What permessage-deflate may cost and what it demands of the peer (RFC 7692).
///
/// ```
/// use sockless::{Config, deflate::{DeflateConfig, WindowBits}};
///
/// let mut deflate = DeflateConfig::default();
/// deflate.client_max_window_bits = WindowBits::new(10).expect("8 to 15");
/// let mut config = Config::default();
/// config.deflate = Some(deflate);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// The largest window for what the server sends: 2^bits bytes. A server keeps to it, and to less if the client asks
    /// for less. A client that sets it below 15 demands it, to save memory for its inflater, and servers may decline.
    /// Default 15: the best compression.
    pub server_max_window_bits: WindowBits,
    /// The largest window for what the client sends: 2^bits bytes. A client keeps to it, and to less if the server asks
    /// for less. A server that sets it below 15 demands it, to save memory for its inflater, and declines the offers of
    /// clients that cannot be asked. Default 15: the best compression.
    pub client_max_window_bits: WindowBits,
    /// Whether the server starts each message with an empty window. A client that sets it demands it; so its inflater
    /// keeps no window between messages. Default false: messages of a connection are usually alike, and compress far
    /// better with what came before.
    pub server_no_context_takeover: bool,
    /// Whether the client starts each message with an empty window. A server that sets it demands it; so its inflater
    /// keeps no window between messages. Default false, as above.
    pub client_no_context_takeover: bool,
    /// Client: whether an offer that demands something of the server is followed by one that does not, so that a server
    /// that cannot meet the demand still compresses. Default false: a demand is a demand.
    pub fallback: bool,
    /// How hard to compress what is sent: 1 is the fastest, 9 the smallest, and what is above counts as 9; 0
    /// does not compress. Default 6, as zlib.
    pub level: u8,
    /// Messages of fewer bytes are sent as they are. Default 64: below, a frame's own header and the time for it weigh
    /// more than what is saved.
    pub threshold: usize,
    /// Whether the working state of the deflater and the inflater is given back after each message, so that an idle
    /// connection keeps only what the negotiated takeover needs: the inflater's window. What is sent then starts each message
    /// with an empty window. Default false: the state is large, and setting it up again takes time.
    pub release: bool,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            fallback: false,
            level: 6,
            threshold: 64,
            release: false,
        }
    }
}

/// The size of a DEFLATE window as its logarithm: 8 to 15, for 256 to 32,768 bytes (RFC 7692, section 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8: a window of 256 bytes.
    pub const MIN: Self = Self(8);
    /// 15: a window of 32,768 bytes, which is what there is if nothing is negotiated.
    pub const MAX: Self = Self(15);

    /// The given number of bits; `None` if it is not 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if matches!(bits, 8..=15) { Some(Self(bits)) } else { None }
    }

    /// The number of bits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}
