//! Connections over the pipes of [`pipe`](super::pipe), and messages for them.

use std::time::Duration;

use sockless::{
    Config, Connection, Message, Role,
    adapter::{Settings, poll::WebSocket},
    handshake::Negotiated,
    timers::Timeouts,
};

use crate::{
    pipe::{PipeEnd, VirtualClock},
    random::Rng,
};

pub type Ws = WebSocket<PipeEnd, VirtualClock>;

pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An open connection, with permessage-deflate if `deflate`.
pub fn engine(role: Role, deflate: bool) -> Connection {
    #[allow(unused_mut, reason = "mutable only with permessage-deflate")]
    let mut negotiated = Negotiated::default();
    #[cfg(feature = "deflate")]
    if deflate {
        negotiated.deflate = Some(crate::params(15, false));
    }
    let _unused = deflate;
    crate::upgraded(role, &negotiated, Config::default())
}

pub fn settings(high_water: usize, timeouts: Timeouts) -> Settings {
    Settings::new().high_water(high_water).timeouts(timeouts)
}

/// An open adapter without timeouts.
pub fn open(end: PipeEnd, clock: VirtualClock, role: Role, high_water: usize) -> Ws {
    Ws::upgraded(end, clock, engine(role, false), settings(high_water, Timeouts::none()))
}

/// An open adapter with the default timeouts.
pub fn open_with_timeouts(end: PipeEnd, clock: VirtualClock, role: Role) -> Ws {
    Ws::upgraded(end, clock, engine(role, false), Settings::default())
}

/// Message number `n` of `len` bytes: binary data that does not compress, or text.
pub fn message(n: usize, len: usize) -> Message<'static> {
    if n % 2 == 0 {
        let mut rng = Rng(n as u64);
        Message::Binary((0..len).map(|_| rng.below(256) as u8).collect())
    } else {
        Message::Text((0..len).map(|i| char::from(b'a' + ((i + n) % 26) as u8)).collect())
    }
}
