//! How a connection ended.

use crate::{
    close::{CloseCode, CloseFrame},
    error::ProtocolError,
};

/// Who began to close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there is nobody else")]
pub enum ClosedBy {
    /// This endpoint sent the first Close frame, or found that the peer broke the protocol.
    Us,
    /// The peer sent the first Close frame.
    Peer,
    /// The transport ended before either did.
    Transport,
}

/// How a connection was closed, or is being closed (RFC 6455, section 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closure {
    /// Who began. If both sent a Close frame at the same time, this endpoint did: it sent before it received.
    pub by: ClosedBy,
    /// The Close frame sent: `None` if none was, `Some(None)` if it was empty.
    pub sent: Option<Option<CloseFrame<'static>>>,
    /// The Close frame received: `None` if none was, `Some(None)` if it was empty.
    pub received: Option<Option<CloseFrame<'static>>>,
    /// What the peer did wrong, if that is why the connection ended.
    pub error: Option<ProtocolError>,
}

impl Closure {
    pub(crate) const fn new(by: ClosedBy) -> Self {
        Self {
            by,
            sent: None,
            received: None,
            error: None,
        }
    }

    /// "the WebSocket connection is closed cleanly": both Close frames have passed and nothing went wrong
    /// (section 7.1.4).
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.sent.is_some() && self.received.is_some() && self.error.is_none()
    }

    /// "The WebSocket connection close code" (section 7.1.5): that of the Close frame received, 1005 if it held none,
    /// 1006 if there was none.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        match &self.received {
            None => CloseCode::ABNORMAL,
            Some(None) => CloseCode::NO_STATUS,
            Some(Some(frame)) => frame.code,
        }
    }

    /// "The WebSocket connection close reason" (section 7.1.6): that of the Close frame received, or nothing.
    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.received {
            None | Some(None) => "",
            Some(Some(frame)) => &frame.reason,
        }
    }
}

/// What is left to do with the transport of a closed connection, once the output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing else to do")]
pub enum Teardown {
    /// Close it now, orderly (for TCP: shut down the sending side, read to the end, close). A server does so after the
    /// closing handshake, and either side after a failure (sections 7.1.1 and 7.1.7).
    Close,
    /// Wait for the peer to close it, for a while that the caller sets. A client does so after the closing handshake,
    /// so that the port's TIME_WAIT stays with it and not with the server (section 7.1.1).
    AwaitPeer,
}
