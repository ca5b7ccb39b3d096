//! When deadlines are, from what has happened.

/// The timeouts of both ends in seconds; 0 is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) handshake: u64,
    pub(super) ping: u64,
    pub(super) pong: u64,
    pub(super) idle: u64,
    pub(super) close: u64,
}

/// When things have happened to an end, in seconds: what its deadlines follow from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) opened: Option<u64>,
    pub(super) last_message: u64,
    pub(super) last_alive: u64,
    /// When the Ping was sent that is not answered.
    pub(super) pinged: Option<u64>,
    /// The application has sent a Ping after it.
    pub(super) has_other_ping: bool,
    /// The deadline for messages has passed since the last one.
    pub(super) idle: bool,
    pub(super) closing: Option<u64>,
    pub(super) ended: bool,
    pub(super) pings: u64,
}

impl Times {
    /// The next deadline.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<u64> {
        match (self.ended, self.closing, self.opened) {
            (true, _, _) => None,
            (false, Some(closing), _) => Some(closing + limits.close),
            (false, None, None) => Some(limits.handshake),
            (false, None, Some(_)) => {
                let alive = match self.pinged {
                    Some(pinged) => pinged.max(self.last_alive) + limits.pong,
                    None => self.last_alive + limits.ping,
                };
                let has_idle = limits.idle > 0 && !self.idle;
                Some(alive.min(if has_idle {
                    self.last_message + limits.idle
                } else {
                    alive
                }))
            }
        }
    }
}
