//! How a connection fails and ends (RFC 6455, section 7).

use alloc::{boxed::Box, vec::Vec};

use super::Connection;
use crate::{
    close::{CloseFrame, CloseStatus, ClosedBy, Teardown},
    error::ProtocolError,
    role::Role,
    state::{Phase, Signal},
};

impl Connection {
    /// Returns how the connection was closed, or is being closed: by whom, with which codes and
    /// reasons, cleanly or not.
    ///
    /// It is `None` before the first Close frame or failure, and for a handshake that was rejected
    /// or refused.
    #[must_use]
    pub fn close_status(&self) -> Option<&CloseStatus> {
        self.cold.as_ref()?.close_status.as_ref()
    }

    /// Returns how to close the transport. It is `None` until the connection is
    /// [`Closed`](crate::State::Closed).
    #[must_use]
    pub fn teardown(&self) -> Option<Teardown> {
        if self.phase != Phase::Closed {
            return None;
        }
        let clean = self.close_status().is_some_and(CloseStatus::is_clean);
        Some(match (self.role(), clean) {
            (Role::Client, true) => Teardown::AwaitPeer,
            (Role::Client, false) | (Role::Server, _) => Teardown::Close,
        })
    }

    /// "Fail the WebSocket connection" (RFC 6455, section 7.1.7): appends a Close frame, if one may
    /// be sent, or an HTTP response, and closes.
    #[cold]
    pub(super) fn fail(&mut self, error: ProtocolError, out: &mut Vec<u8>) -> Box<ProtocolError> {
        match error {
            ProtocolError::Request(error) => self.write_error(error, out),
            ProtocolError::Response(_) | ProtocolError::UnexpectedEof | ProtocolError::HandshakeEof => {}
            _ if self.phase == Phase::Open => {
                let frame = CloseFrame::new(error.close_code(), "");
                if self.sender.close(Some(&frame), out).is_ok() {
                    self.close_status_mut(ClosedBy::Us).sent = Some(Some(frame));
                }
            }
            _ => {}
        }
        let by = match error {
            ProtocolError::UnexpectedEof | ProtocolError::HandshakeEof => ClosedBy::Transport,
            _ => ClosedBy::Us,
        };
        self.close_status_mut(by).error = Some(error);
        self.signal(Signal::Failed);
        Box::new(error)
    }

    pub(super) fn close_status_mut(&mut self, by: ClosedBy) -> &mut CloseStatus {
        let cold = self.cold.get_or_insert_default();
        cold.close_status.get_or_insert_with(|| CloseStatus::new(by))
    }

    /// The error with which the connection has failed, if it has.
    pub(super) fn failure(&self) -> Option<Box<ProtocolError>> {
        self.close_status()?.error.map(Box::new)
    }
}
