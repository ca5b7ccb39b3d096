//! WebSockets over HTTP/2 (RFC 8441).
//!
//! * [`client`] opens many WebSockets on one HTTP/2 connection, with the crate `h2`.
//! * [`server`] accepts HTTP/1.1 and HTTP/2 on one port, with hyper.
//! * [`stream`] is a stream of HTTP/2 as a stream of bytes.

pub mod client;
pub mod server;
pub mod stream;

/// How much a peer may send on one stream before the application reads it, in bytes. This is what
/// RFC 9113, section 6.9.2, begins with.
pub const STREAM_WINDOW: u32 = 64 << 10;

/// How many WebSockets a connection carries at a time.
pub const MAX_STREAMS: u32 = 1024;

/// How much a peer may send on all streams together. As much as all windows together: with less, a
/// few streams that nobody reads would use it up and stall all others. It is also the limit of the
/// memory for what has arrived on one connection.
pub const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS;
