//! Deadlines for a connection whose peer may fall silent: pure code, like the engine.
//!
//! [`Timers`] owns no clock: the caller tells it what happens and when, asks for the [next
//! deadline](Timers::poll_timeout), and then [what to do](Timers::handle_timeout). Any type of
//! instant works: `std::time::Instant`, tokio's, a [`Duration`] since boot.
//!
//! ```
//! use core::time::Duration;
//! use sockless::timers::{Due, Timeouts, Timers};
//!
//! let second = Duration::from_secs;
//! // Here, an instant is a time since boot. The transport is accepted: the handshake has a
//! // deadline.
//! let mut timers = Timers::new(Timeouts::default(), second(100));
//! assert_eq!(timers.poll_timeout(), Some(second(110)));
//! timers.opened(second(101));
//!
//! // Nothing arrives for a while: a Ping is to be sent.
//! assert_eq!(timers.poll_timeout(), Some(second(121)));
//! let Some(Due::Ping(payload)) = timers.handle_timeout(second(121)) else { panic!() };
//!
//! // Its Pong arrives in time.
//! assert_eq!(timers.pong(&payload, second(123)), Some(second(2)));
//! assert_eq!(timers.handle_timeout(second(124)), None);
//! ```
//!
//! # Which call reports what
//!
//! | when | call |
//! |---|---|
//! | the opening handshake is done | [`opened`](Timers::opened) |
//! | a message or a chunk of one was received | [`received`](Timers::received) |
//! | a Pong was received | [`pong`](Timers::pong) |
//! | the caller sent a Ping that is not from `Due::Ping` | [`ping_sent`](Timers::ping_sent) |
//! | a read without an event [assembled](crate::Connection::assembled_len) more | `received` |
//! | the transport takes bytes again after it had refused some | [`written`](Timers::written) |
//! | a Close was sent or received, or the connection failed | [`closing`](Timers::closing) |
//! | the transport is closed | [`closed`](Timers::closed) |
//!
//! With a `Connection`, call `closing` whenever its state is found to be `Closing` or `Closed`; one
//! that was upgraded is open from the beginning.
//!
//! Process what has arrived before the call of `handle_timeout`: after a long sleep, the answer
//! that proves the peer alive may be in the receive buffer.
//!
//! [`Backoff`] says how long a client waits before it connects again.

mod backoff;
mod config;

use core::{
    mem,
    ops::{Add, Sub},
    time::Duration,
};

pub use self::{backoff::Backoff, config::Timeouts};

/// The longest timeout, in seconds, so that no instant overflows: a hundred years.
const MAX_TIMEOUT: u64 = 100 * 365 * 86_400;

/// What [`Timers::handle_timeout`] tells the caller to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a caller that leaves one out has a bug")]
pub enum Due {
    /// The opening handshake took too long: drop the transport. Nothing follows.
    Handshake,
    /// Send a Ping with this payload.
    Ping([u8; 8]),
    /// The peer did not answer a Ping: drop the transport. Nothing follows.
    Pong,
    /// No message arrived for a long time: start the closing handshake with the code 1001.
    Idle,
    /// The closing handshake took too long: drop the transport. Nothing follows.
    Close,
}

/// The deadlines of one connection. `I` is the caller's instant.
///
/// Each deadline is reported once, and never early. Spurious or late calls only change when it is
/// reported.
#[derive(Clone, Debug)]
pub struct Timers<I> {
    timeouts: Timeouts,
    phase: TimerPhase<I>,
    /// As a number, the payload of the last Ping.
    last_ping: u64,
    round_trip: Option<Duration>,
}

#[derive(Clone, Debug)]
enum TimerPhase<I> {
    Opening {
        since: I,
    },
    Open {
        /// When something of a message last arrived, or the connection was opened.
        last_message: I,
        /// When the peer last showed that it is alive: as above, by a Pong, or by taking what was
        /// sent.
        last_alive: I,
        /// When the Ping was sent whose Pong has not arrived.
        pinged: Option<I>,
        /// The caller has sent a Ping of its own after that one, and since the last Pong that
        /// counted.
        has_other_ping: bool,
        /// `Due::Idle` has been reported.
        has_reported_idle: bool,
    },
    Closing {
        since: I,
    },
    Ended,
}

impl<I> Timers<I>
where
    I: Copy + Ord + Add<Duration, Output = I> + Sub<Output = Duration>,
{
    /// Returns the deadlines of a connection whose opening handshake begins now.
    #[must_use]
    pub const fn new(timeouts: Timeouts, now: I) -> Self {
        Self {
            timeouts,
            phase: TimerPhase::Opening { since: now },
            last_ping: 0,
            round_trip: None,
        }
    }

    /// Notes that the opening handshake is done. Later calls change nothing.
    pub const fn opened(&mut self, now: I) {
        if let TimerPhase::Opening { .. } = self.phase {
            self.phase = TimerPhase::Open {
                last_message: now,
                last_alive: now,
                pinged: None,
                has_other_ping: false,
                has_reported_idle: false,
            };
        }
    }

    /// Notes that something of a message was received. Control frames do not count: a peer could
    /// stay connected by them alone.
    #[inline]
    pub fn received(&mut self, now: I) {
        if let TimerPhase::Open {
            last_message,
            last_alive,
            has_reported_idle,
            ..
        } = &mut self.phase
        {
            *last_message = now.max(*last_message);
            *last_alive = now.max(*last_alive);
            *has_reported_idle = false;
        }
    }

    /// Notes that the transport took bytes after it had refused to take all of them: the peer reads
    /// what was sent. Bytes that it takes at once prove nothing, they may only fill its buffer.
    /// This postpones Ping and Pong, not `idle`.
    pub fn written(&mut self, now: I) {
        if let TimerPhase::Open { last_alive, .. } = &mut self.phase {
            *last_alive = now.max(*last_alive);
        }
    }

    /// Notes that the caller sent a Ping of its own, with any payload. The Ping of [`Due::Ping`] is
    /// known already.
    ///
    /// A peer may answer only the last of several Pings (RFC 6455, section 5.5.3). So the next Pong
    /// proves the peer alive, whatever its payload: payloads are not kept, and one Ping makes one
    /// Pong count. Without this call, the Pong counts as unsolicited.
    pub const fn ping_sent(&mut self) {
        if let TimerPhase::Open { has_other_ping, .. } = &mut self.phase {
            *has_other_ping = true;
        }
    }

    /// Notes that a Pong was received. If it answers the last [`Due::Ping`], returns the round-trip
    /// time.
    ///
    /// A Pong after a [Ping of the caller](Self::ping_sent) proves the peer alive too, and replaces
    /// the Pong that is missing. Any other Pong is unsolicited and changes nothing.
    pub fn pong(&mut self, payload: &[u8], now: I) -> Option<Duration> {
        let TimerPhase::Open {
            last_alive,
            pinged,
            has_other_ping,
            ..
        } = &mut self.phase
        else {
            return None;
        };
        if let Some(sent) = pinged.take_if(|_| payload == self.last_ping.to_be_bytes()) {
            *last_alive = now.max(*last_alive);
            self.round_trip = Some(if now > sent { now - sent } else { Duration::ZERO });
            return self.round_trip;
        }
        if mem::take(has_other_ping) {
            *last_alive = now.max(*last_alive);
            *pinged = None;
        }
        None
    }

    /// Notes that a Close frame was sent or received, or the connection or its handshake failed.
    /// Later calls change nothing.
    pub const fn closing(&mut self, now: I) {
        if let TimerPhase::Opening { .. } | TimerPhase::Open { .. } = self.phase {
            self.phase = TimerPhase::Closing { since: now };
        }
    }

    /// Notes that the transport is closed: there are no deadlines any more.
    pub const fn closed(&mut self) {
        self.phase = TimerPhase::Ended;
    }

    /// Returns the time from the last Ping that was answered to its Pong.
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether it matters when exactly bytes are read: while the connection opens, and while a Pong
    /// is missing.
    #[cfg(any(feature = "futures-io", feature = "tokio"))]
    pub(crate) const fn needs_time_of_read(&self) -> bool {
        !matches!(
            self.phase,
            TimerPhase::Open {
                pinged: None,
                has_other_ping: false,
                ..
            }
        )
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` is never, unless
    /// something happens. It changes with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<I> {
        self.next().map(|(at, _)| at)
    }

    /// Returns what to do now. Call it until it returns `None`.
    #[must_use]
    pub fn handle_timeout(&mut self, now: I) -> Option<Due> {
        let (at, due) = self.next()?;
        if now < at {
            return None;
        }
        match (due, &mut self.phase) {
            (
                Due::Ping(payload),
                TimerPhase::Open {
                    pinged, has_other_ping, ..
                },
            ) => {
                self.last_ping = u64::from_be_bytes(payload);
                *pinged = Some(now);
                // A Pong that is on its way does not prove that this Ping arrives.
                *has_other_ping = false;
            }
            (Due::Idle, TimerPhase::Open { has_reported_idle, .. }) => *has_reported_idle = true,
            _ => self.phase = TimerPhase::Ended,
        }
        Some(due)
    }

    /// Returns the time that leads to `due`; `None` if there is no such deadline.
    #[cfg(feature = "std")]
    pub(crate) const fn limit(&self, due: Due) -> Option<Duration> {
        match due {
            Due::Handshake => self.timeouts.handshake,
            Due::Ping(_) => self.timeouts.ping,
            Due::Pong => self.timeouts.pong,
            Due::Idle => self.timeouts.idle,
            Due::Close => self.timeouts.close,
        }
    }

    /// The next deadline.
    fn next(&self) -> Option<(I, Due)> {
        let at = |since: I, timeout: Option<Duration>, due| {
            let timeout = timeout?.min(Duration::from_secs(MAX_TIMEOUT));
            Some((since + timeout, due))
        };
        match self.phase {
            TimerPhase::Opening { since } => at(since, self.timeouts.handshake, Due::Handshake),
            TimerPhase::Closing { since } => at(since, self.timeouts.close, Due::Close),
            TimerPhase::Ended => None,
            TimerPhase::Open {
                last_message,
                last_alive,
                pinged,
                has_reported_idle,
                ..
            } => {
                let next_alive = match pinged {
                    Some(sent) => at(sent.max(last_alive), self.timeouts.pong, Due::Pong),
                    None => at(
                        last_alive,
                        self.timeouts.ping,
                        Due::Ping(self.last_ping.wrapping_add(1).to_be_bytes()),
                    ),
                };
                let idle = at(
                    last_message,
                    self.timeouts.idle.filter(|_| !has_reported_idle),
                    Due::Idle,
                );
                // If both are due at once, a Ping is useless.
                match (next_alive, idle) {
                    (Some(alive), Some(idle)) => Some(if alive.0 < idle.0 { alive } else { idle }),
                    (alive, idle) => alive.or(idle),
                }
            }
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use core::time::Duration;
    use std::time::Instant;

    use super::{Due, Timeouts, Timers};

    /// The limit that an error names is the timeout of the deadline that was missed.
    #[test]
    fn each_deadline_has_its_limit() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let timeouts = Timeouts::none()
            .handshake(seconds(1))
            .ping(seconds(2))
            .pong(seconds(3))
            .idle(seconds(4))
            .close(seconds(5));
        let timers = Timers::new(timeouts, Instant::now());
        let dues = [Due::Handshake, Due::Ping([0; 8]), Due::Pong, Due::Idle, Due::Close];
        assert_eq!(dues.map(|due| timers.limit(due)), [1, 2, 3, 4, 5].map(seconds));
        let timers = Timers::new(Timeouts::none(), Instant::now());
        assert_eq!(dues.map(|due| timers.limit(due)), [None; 5]);
    }
}
