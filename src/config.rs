//! Limits and options, each with its unit, its default and the reason for it.

use core::num::NonZeroUsize;

use crate::deflate::DeflateConfig;

/// How received messages reach the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// A message is one event, [`Event::Text`](crate::Event::Text) or
    /// [`Event::Binary`](crate::Event::Binary), when its last byte is there. The default.
    #[default]
    Messages,
    /// The payload comes as it arrives, in [`Event::Chunk`](crate::Event::Chunk)s, before its frame
    /// or message is complete, and nothing is assembled. `recv_chunk` of the adapters returns them.
    /// For proxies, uploads, and, with the limits set to their maxima, messages without end.
    Chunks,
}

/// The limits and options of one connection.
///
/// Every limit is on by default. Memory is bounded by the bytes received, and inflated, never by
/// lengths that were only announced.
///
/// ```
/// use sockless::{Config, Connection, Delivery};
///
/// let config = Config::new().max_message_size(64 << 10).delivery(Delivery::Chunks);
/// let server = Connection::server(config);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub(crate) max_message_size: u64,
    pub(crate) max_fragments: u32,
    pub(crate) max_head_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_refusal_body: usize,
    pub(crate) delivery: Delivery,
    pub(crate) fragment_size: Option<NonZeroUsize>,
    pub(crate) auto_pong: bool,
    pub(crate) auto_close: bool,
    pub(crate) plain_requests: bool,
    deflate: Option<DeflateConfig>,
}

impl Config {
    /// Returns the default limits and options.
    #[must_use]
    pub const fn new() -> Self {
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
            deflate: None,
        }
    }

    /// Sets the largest message to receive, in bytes, however many frames carry it. The limit holds
    /// in both deliveries.
    ///
    /// A larger message fails the connection with 1009 as soon as a header announces it. A
    /// compressed one fails it as soon as more than this is inflated, or when it has more than
    /// twice this and 64 KiB on the wire, without 16 bytes of each frame.
    /// [`set_max_message_size`](crate::Connection::set_max_message_size) changes the limit of an
    /// open connection. Default 16 MiB: more than browsers' and servers' usual messages, and still
    /// small beside a machine's memory.
    #[must_use]
    pub const fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// Sets the largest number of frames that a message to receive may have, empty ones included.
    ///
    /// One more fails the connection with 1008. Default 131,072: a message of the default size in
    /// fragments of 128 bytes.
    #[must_use]
    pub const fn max_fragments(mut self, frames: u32) -> Self {
        self.max_fragments = frames;
        self
    }

    /// Sets the longest head of a request or response to receive, in bytes, from its first byte to
    /// the blank line.
    ///
    /// A longer one is answered with 431 (server) or fails the handshake (client). Bytes that
    /// arrive before [`accept`](crate::Connection::accept) are held up to the same number. Default
    /// 16 KiB: twice what common servers allow, because cookies and tokens grow.
    #[must_use]
    pub const fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// Sets the largest number of header fields in a head to receive. Default 128.
    ///
    /// A head with more is answered with 431 (server) or fails the handshake (client).
    #[must_use]
    pub const fn max_headers(mut self, fields: usize) -> Self {
        self.max_headers = fields;
        self
    }

    /// Client: sets how many bytes of a refusal's body are kept for
    /// [`Event::Refused`](crate::Event::Refused).
    ///
    /// The rest is cut off. Default 64 KiB: an error page.
    #[must_use]
    pub const fn max_refusal_body(mut self, bytes: usize) -> Self {
        self.max_refusal_body = bytes;
        self
    }

    /// Sets whether received messages are delivered whole or in chunks. Default: whole messages.
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets the largest payload of a frame to send, in bytes: a longer message is sent in several
    /// frames, so that a receiver need not take a large frame at once.
    ///
    /// The adapters write Pings and Pongs between these frames, so that a Pong need not wait for
    /// all of a large message (RFC 6455, section 5.4). Without an adapter, all frames of a message
    /// are appended to the output in one call, and a Pong follows them: to put frames between, send
    /// the message with [`send_fragment`](crate::Connection::send_fragment).
    ///
    /// What [`send_fragment`](crate::Connection::send_fragment),
    /// [`send_fragment_with`](crate::Connection::send_fragment_with),
    /// [`send_fragment_header`](crate::Connection::send_fragment_header),
    /// [`send_header`](crate::Connection::send_header),
    /// [`send_in_place`](crate::Connection::send_in_place),
    /// [`send_prepared`](crate::Connection::send_prepared) and
    /// [`prepared_frame`](crate::Connection::prepared_frame) send is not divided. Default `None`: a
    /// message is one frame.
    #[must_use]
    pub fn fragment_size(mut self, bytes: impl Into<Option<NonZeroUsize>>) -> Self {
        self.fragment_size = bytes.into();
        self
    }

    /// Sets whether a Ping is answered in the same call (RFC 6455, section 5.5.2). Default `true`.
    ///
    /// With `false`, the caller answers each [`Event::Ping`](crate::Event::Ping) with
    /// [`pong`](crate::Connection::pong).
    #[must_use]
    pub const fn auto_pong(mut self, enabled: bool) -> Self {
        self.auto_pong = enabled;
        self
    }

    /// Sets whether a Close frame is answered in the same call (RFC 6455, section 5.5.1). Default
    /// `true`.
    ///
    /// With `false`, the caller answers [`Event::Close`](crate::Event::Close) with
    /// [`close`](crate::Connection::close). Before that, it may finish a fragmented message in
    /// progress with [`send_fragment`](crate::Connection::send_fragment), and send nothing else.
    /// What the peer sends after its Close frame is discarded.
    #[must_use]
    pub const fn auto_close(mut self, enabled: bool) -> Self {
        self.auto_close = enabled;
        self
    }

    /// Server: sets whether a request that does not ask for a WebSocket becomes an
    /// [`Event::Request`](crate::Event::Request) too: GET, HEAD and OPTIONS, over HTTP/1.1 and over
    /// HTTP/1.0, where the `Host` header may be missing.
    ///
    /// The caller answers it with [`reject`](crate::Connection::reject): a page or a health check
    /// on the same port. Default `false`: such a request is answered with 426, or with 405 or 505
    /// for its method or version.
    #[must_use]
    pub const fn plain_requests(mut self, enabled: bool) -> Self {
        self.plain_requests = enabled;
        self
    }

    /// Sets whether and how permessage-deflate is offered (client) or accepted (server).
    ///
    /// Default `None`: not at all, because it costs memory for each connection and time for each
    /// message.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.deflate = deflate.into();
        self
    }

    pub(crate) const fn deflate_settings(&self) -> Option<&DeflateConfig> {
        self.deflate.as_ref()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
