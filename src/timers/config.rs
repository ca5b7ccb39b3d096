//! How long a connection waits for what; [`Timers`](super::Timers) decides when a time has passed.

use core::time::Duration;

/// How long to wait for what. `None` waits forever.
///
/// ```
/// use core::time::Duration;
/// use sockless::timers::Timeouts;
///
/// let timeouts = Timeouts::new().idle(Duration::from_secs(300)).ping(None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeouts {
    pub(crate) handshake: Option<Duration>,
    pub(super) ping: Option<Duration>,
    pub(super) pong: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(crate) close: Option<Duration>,
}

impl Timeouts {
    /// Returns the default timeouts.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            handshake: Some(Duration::from_secs(10)),
            ping: Some(Duration::from_secs(20)),
            pong: Some(Duration::from_secs(20)),
            idle: None,
            close: Some(Duration::from_secs(5)),
        }
    }

    /// Returns timeouts without any deadline.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            handshake: None,
            ping: None,
            pong: None,
            idle: None,
            close: None,
        }
    }

    /// Sets the time for the opening handshake, from the first byte that could be sent: for a
    /// client until the last byte of the response, for a server until the last byte of the request.
    ///
    /// The time that a server takes to decide does not count. For the `connect` functions of the
    /// adapters, it begins before the name of the host is resolved. Default 10 seconds: several
    /// round trips on the slowest network, and a limit for peers that open connections and send
    /// nothing.
    #[must_use]
    pub fn handshake(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.handshake = timeout.into();
        self
    }

    /// Sets the time without a message, or a piece of one, until a Ping is sent (RFC 6455, section
    /// 5.5.2).
    ///
    /// Control frames that the peer sends of itself do not put it off, a Pong that answers a Ping
    /// does. Default 20 seconds: proxies and address translators forget connections that are silent
    /// for 30 to 60.
    #[must_use]
    pub fn ping(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.ping = timeout.into();
        self
    }

    /// Sets the time from that Ping to its Pong, before the connection is dropped.
    ///
    /// A Pong to a later Ping of the application counts as its Pong. A piece of a message that
    /// arrives meanwhile starts the time anew, and so does a transport that goes on writing.
    /// Default 20 seconds: the Pong may have to wait for a large message. With `None`, a Ping that
    /// is not answered is the last.
    #[must_use]
    pub fn pong(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.pong = timeout.into();
        self
    }

    /// Sets the time without a message, or a piece of one, until the connection is closed, whatever
    /// Pongs arrive.
    ///
    /// Default `None`: a client that only listens is not at fault.
    #[must_use]
    pub fn idle(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle = timeout.into();
        self
    }

    /// Sets the time for the closing handshake, from the first Close frame until the peer has
    /// closed the transport (RFC 6455, sections 7.1.1 and 7.1.2).
    ///
    /// Default 5 seconds: a peer that is alive answers within a round trip.
    #[must_use]
    pub fn close(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.close = timeout.into();
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}
