//! Limits and options, each with its unit, its default and the reason for it.

use core::num::NonZeroUsize;

use crate::deflate::DeflateConfig;

/// How received messages reach the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// A message is one event, [`Event::Text`](crate::Event::Text) or [`Event::Binary`](crate::Event::Binary),
    /// when its last byte is there. The default.
    #[default]
    Messages,
    /// The payload comes as it arrives, in [`Event::Chunk`](crate::Event::Chunk)s, before its frame or message is
    /// complete, and nothing is assembled. For proxies, uploads, and, with the limits set to their maxima, messages
    /// without end.
    Chunks,
}

/// The limits and options of one connection.
///
/// Every limit is on by default. Memory is bounded by bytes received, and inflated, never by lengths that were only
/// announced.
///
/// ```
/// use sockless::{Config, Connection, Delivery};
///
/// let mut config = Config::default();
/// config.max_message_size = 64 * 1024;
/// config.delivery = Delivery::Chunks;
/// let server = Connection::server(config);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The largest message to receive, in bytes, whatever the frames that carry it; in both deliveries. A larger one
    /// fails the connection with 1009 as soon as a header announces it, a compressed one as soon as it is inflated so
    /// far, or has far more bytes on the wire than that. Default 16 MiB: more than browsers' and
    /// servers' usual messages, and still small beside a machine's memory.
    pub max_message_size: u64,
    /// The most frames a message may come in, empty ones included; one more fails the connection with 1008.
    /// Default 131,072: a message of the default size in fragments of 128 bytes.
    pub max_fragments: u32,
    /// The longest head of a request or response, in bytes, from its first byte to the blank line. A longer one is
    /// answered with 431 (server) or fails the handshake (client). Bytes that arrive before
    /// [`accept`](crate::Connection::accept) are held up to the same number. Default 16 KiB: twice what common
    /// servers allow, because cookies and tokens grow.
    pub max_head_size: usize,
    /// The most header fields in a head. Default 128.
    pub max_headers: usize,
    /// Client: how many bytes of a refusal's body are kept for
    /// [`Event::Refused`](crate::Event::Refused); the rest is cut off. Default 64 KiB: an error page.
    pub max_refusal_body: usize,
    /// Whole messages or chunks. Default: messages.
    pub delivery: Delivery,
    /// Outgoing messages of more bytes than this are sent in frames of at most so many bytes each, so that a
    /// receiver need not take a large frame at once; what [`send_fragment`](crate::Connection::send_fragment) and
    /// [`send_header`](crate::Connection::send_header) send is left as it is. Default: none, a message is a frame.
    pub fragment_size: Option<NonZeroUsize>,
    /// Whether a Ping is answered in the same call (RFC 6455, section 5.5.2). Default true. If false, the caller
    /// answers each [`Event::Ping`](crate::Event::Ping) with [`pong`](crate::Connection::pong).
    pub auto_pong: bool,
    /// Whether a Close is answered in the same call (section 5.5.1). Default true. If false, the caller answers
    /// [`Event::Close`](crate::Event::Close) with [`close`](crate::Connection::close).
    pub auto_close: bool,
    /// Server: whether a GET request that does not ask for a WebSocket becomes an
    /// [`Event::Request`](crate::Event::Request) too, to be answered with
    /// [`reject`](crate::Connection::reject): a page or a health check on the same port. Default false: such a
    /// request is answered with 426.
    pub plain_requests: bool,
    /// Whether and how permessage-deflate is offered (client) or accepted (server). Default: not at all, because it
    /// costs memory for each connection and time for each message.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub deflate: Option<DeflateConfig>,
}

impl Config {
    #[allow(clippy::missing_const_for_fn, reason = "not for every set of features")]
    pub(crate) fn deflate_settings(&self) -> Option<&DeflateConfig> {
        #[cfg(feature = "deflate")]
        let deflate = self.deflate.as_ref();
        #[cfg(not(feature = "deflate"))]
        let deflate = None;
        deflate
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_size: 16 << 20,
            max_fragments: 131_072,
            max_head_size: 16 << 10,
            max_headers: 128,
            max_refusal_body: 64 << 10,
            delivery: Delivery::Messages,
            fragment_size: None,
            auto_pong: true,
            auto_close: true,
            plain_requests: false,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}
