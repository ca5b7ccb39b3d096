//! What is left of a connection whose transport is taken over.

use alloc::vec::Vec;
use core::fmt;

/// The transport of a connection, and what the connection holds: nothing is dropped.
///
/// `into_parts` of the adapters returns it. To continue the connection elsewhere, write `unsent`
/// before anything else, and read `unread` before the transport: see `read_ahead` of the adapters.
#[derive(Clone)]
#[non_exhaustive]
pub struct Parts<T> {
    /// The transport. It may hold written bytes back until it is flushed.
    pub transport: T,
    /// The bytes that were read and are in no event: see
    /// [`Parts::unread`](crate::Parts::unread) of the engine.
    pub unread: Vec<u8>,
    /// The output that is not written yet. It may begin inside a frame.
    ///
    /// It is empty after [`flush`](super::std_net::WebSocket::flush), and after the transport has
    /// failed.
    pub unsent: Vec<u8>,
    /// Whether another engine that reads `unread`, and then the transport, receives everything: see
    /// [`Parts::lossless`](crate::Parts::lossless) of the engine.
    ///
    /// It is false, too, if a call of a blocking connection was interrupted while it wrote the
    /// reply to an event: that event is lost.
    pub lossless: bool,
}

/// Shows how many bytes are unread and unsent, and none of them: they may be secret.
impl<T: fmt::Debug> fmt::Debug for Parts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("transport", &self.transport)
            .field("unread", &format_args!("{} bytes", self.unread.len()))
            .field("unsent", &format_args!("{} bytes", self.unsent.len()))
            .field("lossless", &self.lossless)
            .finish()
    }
}
