//! Events for subscribers of the `tracing` crate, from places that each connection passes once.
//! Without the feature `tracing`, there is nothing here: the functions are empty.
//!
//! An event has nothing that may be secret: no payload, no close reason, no header, and of an error
//! its text.

use core::{fmt::Display, time::Duration};

use crate::{Connection, Role, timers::Due};

/// What was told of a connection.
#[cfg(feature = "tracing")]
#[derive(Debug)]
pub(super) struct Trace {
    role: Role,
    stage: Stage,
}

#[cfg(feature = "tracing")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Ended,
}

#[cfg(feature = "tracing")]
impl Trace {
    pub(super) const fn new(engine: &Connection) -> Self {
        Self {
            role: engine.role(),
            stage: Stage::Opening,
        }
    }

    /// Tells that the connection is open, and what was negotiated. A subprotocol may be a secret:
    /// whether there is one is told.
    pub(super) fn opened(&mut self, engine: &Connection) {
        self.stage = Stage::Open;
        let negotiated = engine.negotiated();
        tracing::debug!(
            target: "sockless",
            role = name(self.role),
            has_subprotocol = negotiated.subprotocol.is_some(),
            deflate = ?negotiated.deflate_params(),
            "connection opened"
        );
    }

    /// Tells with which status a server refuses a request.
    pub(super) fn rejected(&mut self, status: u16) {
        self.stage = Stage::Ended;
        refused(self.role, status);
    }

    /// Tells how a connection has ended, as the engine knows it, unless that was told.
    pub(super) fn ended(&mut self, engine: &Connection) {
        let Some(status) = engine.close_status() else {
            return; // a handshake that was refused
        };
        if let Some(error) = &status.error {
            self.failed(error);
        } else if self.end() {
            tracing::debug!(
                target: "sockless",
                role = name(self.role),
                code = u16::from(status.code()),
                by = ?status.by,
                is_clean = status.is_clean(),
                "connection closed"
            );
        }
    }

    /// Tells why a connection has failed, unless its end was told.
    pub(super) fn failed(&mut self, error: &dyn Display) {
        if self.end() {
            tracing::info!(target: "sockless", role = name(self.role), %error, "connection failed");
        }
    }

    /// Tells that the peer has missed a deadline, and how long it had.
    pub(super) fn missed_deadline(&self, due: &Due, limit: Duration) {
        let deadline = match due {
            Due::Handshake => "handshake",
            Due::Idle => "idle",
            Due::Ping(_) | Due::Pong => "pong",
            Due::Close => "close",
        };
        tracing::info!(target: "sockless", role = name(self.role), deadline, ?limit, "deadline missed");
    }

    /// Notes that the end is told. Returns whether it was not before.
    fn end(&mut self) -> bool {
        core::mem::replace(&mut self.stage, Stage::Ended) != Stage::Ended
    }
}

/// Tells that a connection was left before its end: dropped, or taken apart.
#[cfg(feature = "tracing")]
impl Drop for Trace {
    fn drop(&mut self) {
        if self.stage == Stage::Open {
            tracing::debug!(target: "sockless", role = name(self.role), "connection dropped");
        }
    }
}

/// Tells with which status the opening handshake was refused.
#[cfg(feature = "tracing")]
pub(super) fn refused(role: Role, status: u16) {
    tracing::debug!(target: "sockless", role = name(role), status, "handshake refused");
}

#[cfg(feature = "tracing")]
const fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

/// Nothing.
#[cfg(not(feature = "tracing"))]
#[derive(Debug)]
pub(super) struct Trace;

#[cfg(not(feature = "tracing"))]
#[allow(clippy::needless_pass_by_ref_mut, reason = "as with the feature")]
impl Trace {
    #[inline(always)]
    pub(super) const fn new(_engine: &Connection) -> Self {
        Self
    }

    #[inline(always)]
    pub(super) const fn opened(&mut self, _engine: &Connection) {}

    #[inline(always)]
    pub(super) const fn rejected(&mut self, _status: u16) {}

    #[inline(always)]
    pub(super) const fn ended(&mut self, _engine: &Connection) {}

    #[inline(always)]
    pub(super) const fn failed(&mut self, _error: &dyn Display) {}

    #[inline(always)]
    pub(super) const fn missed_deadline(&self, _due: &Due, _limit: Duration) {}
}

#[cfg(not(feature = "tracing"))]
#[inline(always)]
pub(super) const fn refused(_role: Role, _status: u16) {}
