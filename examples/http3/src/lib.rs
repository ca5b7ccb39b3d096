//! WebSockets over HTTP/3 (RFC 9220).
//!
//! * [`client`] opens many WebSockets on one HTTP/3 connection.
//! * [`server`] accepts them.
//! * [`stream`] is a request stream of HTTP/3 as a stream of bytes.
//! * [`request`] has the frames of a request stream: HEADERS, then DATA.
//! * [`quic`] connects the crate `http3` with `quinn`.
//! * [`tls`] makes a certificate at start.
//!
//! The crate `http3` does the connection (control stream, settings, GOAWAY) and QPACK. It is not
//! used for the frames of a request stream, because it keeps whatever a peer sends in advance: a
//! frame of any length, and all of what follows small DATA frames.

pub mod client;
pub mod quic;
pub mod request;
pub mod server;
pub mod stream;
pub mod tls;

use std::{sync::Arc, time::Duration};

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// A WebSocket on a stream of HTTP/3.
pub type WebSocket = sockless::adapter::tokio::WebSocket<stream::Stream>;

/// How much a peer may send on one stream before the application reads it, in bytes.
pub const STREAM_WINDOW: u32 = 64 << 10;

/// How many WebSockets a connection carries at a time.
pub const MAX_STREAMS: u32 = 1024;

/// How much a peer may send on all streams together. As much as all windows together: with less, a
/// few streams that nobody reads would use it up and stall all others. It is also the limit of the
/// memory for what has arrived on one connection.
pub const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS;

/// How many streams in one direction a peer may have: its control stream, two of QPACK, and unknown
/// ones, which are ignored.
const MAX_UNIDIRECTIONAL: u32 = 8;

/// The limit on the headers of a request or response, in bytes.
pub const MAX_HEADERS: u32 = 16 << 10;

/// How long a peer may take: for its settings, for room for a control stream, for a request or a
/// response, and for the body of a refusal.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The parameters of QUIC for either role. `requests`: how many streams the peer may open.
fn transport(requests: u32) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(requests))
        .max_concurrent_uni_streams(VarInt::from_u32(MAX_UNIDIRECTIONAL))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        // A connection whose peer has gone does not stay, and one that is idle does: QUIC drops it
        // without packets.
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(30_000))))
        .keep_alive_interval(Some(Duration::from_secs(10)));
    Arc::new(transport)
}
