//! The end of the engine: what it holds, for a takeover of the transport.

use alloc::vec::Vec;
use core::fmt;

use super::Connection;
use crate::state::Phase;

impl Connection {
    /// Ends the engine and returns what it holds, for a takeover of the transport.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        let discards_input = matches!(self.phase, Phase::CloseReceived | Phase::Closed);
        let opening_is_lossy = self.opening.as_ref().is_some_and(|opening| opening.is_lossy());
        let lossless = !discards_input && !opening_is_lossy && !self.receiver.is_lossy();
        let mut unread = match self.opening {
            Some(opening) if self.phase.receives_frames() || self.phase == Phase::Deciding => {
                opening.early.get(opening.early_read..).unwrap_or_default().to_vec()
            }
            Some(opening) => opening.head.into_collected(),
            None => Vec::new(),
        };
        if self.phase.receives_frames() {
            // What was received of the early bytes already precedes the rest of them.
            let mut frames = self.receiver.into_unread();
            frames.append(&mut unread);
            unread = frames;
        }
        Parts { unread, lossless }
    }
}

/// What a connection holds at its end: see [`Connection::into_parts`].
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parts {
    /// The bytes that were taken from the transport and are in no event: the beginning of a head or
    /// of a frame header, or the message in progress, as a frame with the same content.
    ///
    /// Whatever continues to read from the transport must read these bytes first. With
    /// [`Delivery::Chunks`](crate::Delivery::Chunks), the chunks of a message in progress were
    /// returned; the frame then continues that message.
    pub unread: Vec<u8>,
    /// Whether another engine that reads `unread`, and then the transport, receives everything.
    ///
    /// It is false:
    ///
    /// * on a client, after an interim response (100 to 199 except 101), and while the body of a
    ///   refusal arrives;
    /// * with permessage-deflate, while a compressed message is in progress, of which nothing is in
    ///   `unread`, or while the peer may refer to earlier messages (context takeover);
    /// * after a Close frame was received, or the connection or its handshake failed: what follows
    ///   is discarded;
    /// * with [`Delivery::Chunks`](crate::Delivery::Chunks), after the chunk before an invalid
    ///   byte, while the error is not returned yet.
    pub lossless: bool,
}

/// Shows how many bytes are unread, and none of them: they may be secret.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("unread", &format_args!("{} bytes", self.unread.len()))
            .field("lossless", &self.lossless)
            .finish()
    }
}
