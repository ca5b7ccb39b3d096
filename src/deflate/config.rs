//! The settings of permessage-deflate (RFC 7692).

/// What permessage-deflate may cost and what it demands of the peer (RFC 7692).
///
/// ```
/// use sockless::{Config, deflate::{DeflateConfig, WindowBits}};
///
/// let bits = WindowBits::new(10).expect("8 to 15");
/// let config = Config::new().deflate(DeflateConfig::new().client_max_window_bits(bits));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeflateConfig {
    pub(crate) server_max_window_bits: WindowBits,
    pub(crate) client_max_window_bits: WindowBits,
    pub(crate) server_no_context_takeover: bool,
    pub(crate) client_no_context_takeover: bool,
    pub(crate) fallback: bool,
    pub(crate) level: u8,
    pub(crate) threshold: usize,
    pub(crate) release: bool,
    pub(crate) low_memory: bool,
}

impl DeflateConfig {
    /// Returns the default settings, with which nothing is demanded of the peer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            fallback: false,
            level: 6,
            threshold: 64,
            release: false,
            low_memory: false,
        }
    }

    /// Sets the largest window for what the server sends: 2^bits bytes (RFC 7692, section 7.1.2.1).
    ///
    /// A server keeps to it, and to less if the client asks for less. A client that sets it below
    /// 15 demands it, to save memory for its inflater, and servers may decline. Default 15: the
    /// best compression.
    #[must_use]
    pub const fn server_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.server_max_window_bits = bits;
        self
    }

    /// Sets the largest window for what the client sends: 2^bits bytes (RFC 7692, section 7.1.2.2).
    ///
    /// A client keeps to it, and to less if the server asks for less. A server that sets it below
    /// 15 demands it, to save memory for its inflater, and declines the offers of clients that
    /// cannot be asked. Default 15: the best compression.
    #[must_use]
    pub const fn client_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.client_max_window_bits = bits;
        self
    }

    /// Sets whether the server starts each message with an empty window (RFC 7692, section
    /// 7.1.1.1).
    ///
    /// A client that sets it demands it; so its inflater keeps no window between messages. Default
    /// `false`: messages of a connection are usually alike, and compress far better with what came
    /// before.
    #[must_use]
    pub const fn server_no_context_takeover(mut self, enabled: bool) -> Self {
        self.server_no_context_takeover = enabled;
        self
    }

    /// Sets whether the client starts each message with an empty window (RFC 7692, section
    /// 7.1.1.2).
    ///
    /// A server that sets it demands it; so its inflater keeps no window between messages. Default
    /// `false`, for the reason of
    /// [`server_no_context_takeover`](Self::server_no_context_takeover).
    #[must_use]
    pub const fn client_no_context_takeover(mut self, enabled: bool) -> Self {
        self.client_no_context_takeover = enabled;
        self
    }

    /// Client: sets whether an offer that demands something of the server is followed by one that
    /// does not.
    ///
    /// A server that cannot meet the demand then still compresses. Default `false`: such a server
    /// declines, and nothing is compressed.
    #[must_use]
    pub const fn fallback(mut self, enabled: bool) -> Self {
        self.fallback = enabled;
        self
    }

    /// Sets how hard to compress what is sent: 1 is the fastest, 9 the smallest, and what is above
    /// counts as 9.
    ///
    /// 0 does not compress. Default 6, as zlib.
    #[must_use]
    pub const fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    /// Sets the smallest message to compress, in bytes: a smaller one is sent as it is.
    ///
    /// A message that [`send_fragment`](crate::Connection::send_fragment) begins without ending it
    /// is compressed whatever its length. Default 64: below, a frame's own header and the time for
    /// it weigh more than what is saved.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Sets whether the working state of the deflater and the inflater is freed after each
    /// message.
    ///
    /// An idle connection then keeps only what the negotiated takeover needs: the inflater's
    /// window, and with [`low_memory`](Self::low_memory) the deflater's. Without `low_memory`, what
    /// is sent starts each message with an empty window. Default `false`: the state is large, and
    /// setting it up again takes time.
    #[must_use]
    pub const fn release(mut self, enabled: bool) -> Self {
        self.release = enabled;
        self
    }

    /// Sets whether what is sent is compressed by a deflater whose memory follows its window:
    /// `6 * 2^bits + 258` bytes for a window of `2^bits` bytes, 3.3 KB for 9 bits.
    ///
    /// The others take 250 KB and more, whatever the window. The window is the negotiated one, but
    /// of at most 12 bits (4,096 bytes), for which it takes 24.8 KB; a sender may use less than was
    /// negotiated (RFC 7692, section 7.1.2). A smaller one takes less memory and compresses less:
    /// it is set by [`server_max_window_bits`](Self::server_max_window_bits) in a server, and by
    /// [`client_max_window_bits`](Self::client_max_window_bits) in a client. With
    /// [`release`](Self::release), an idle connection keeps the window alone.
    ///
    /// It has no effect on what is received, nor on the negotiation. Default `false`: windows of 15
    /// bits compress better. [The page](crate::docs::deflate#what-to-choose) compares them.
    ///
    /// ```
    /// use sockless::{Config, deflate::{DeflateConfig, WindowBits}};
    ///
    /// // For a server with very many connections.
    /// let bits = WindowBits::new(10).expect("8 to 15");
    /// let deflate = DeflateConfig::new()
    ///     .server_max_window_bits(bits)
    ///     .client_max_window_bits(bits)
    ///     .low_memory(true)
    ///     .release(true);
    /// let config = Config::new().deflate(deflate);
    /// ```
    #[must_use]
    pub const fn low_memory(mut self, enabled: bool) -> Self {
        self.low_memory = enabled;
        self
    }
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The size of a DEFLATE window as its logarithm: 8 to 15, for 256 to 32,768 bytes (RFC 7692,
/// section 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8: a window of 256 bytes. The practical minimum is 9, because zlib, on which most peers are
    /// built, has no raw deflater for 8 bits. So the peer is told 9, unless it has asked for 8:
    /// what is sent uses 8, and what is received may use 9.
    pub const MIN: Self = Self(8);
    /// 15: a window of 32,768 bytes, which is what there is if nothing is negotiated.
    pub const MAX: Self = Self(15);

    /// What most peers can do: zlib has no raw deflater for less.
    pub(super) const MIN_OF_ZLIB: Self = Self(9);

    /// Returns the given number of bits, or `None` if it is not 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if matches!(bits, 8..=15) { Some(Self(bits)) } else { None }
    }

    /// Returns the number of bits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}
