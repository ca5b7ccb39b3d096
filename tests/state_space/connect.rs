//! How the connections of both ends are made.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sockless::{ClientRequest, Config, Connection, Role, handshake::Negotiated};

/// The seed of a client.
pub(super) const SEED: [u8; 32] = [1; 32];

/// How a connection begins.
pub(super) enum Begin<'a> {
    Client(&'a ClientRequest, &'a mut Vec<u8>),
    Server,
    Upgraded(Role, &'a Negotiated),
}

/// Makes the connections.
pub(super) trait Connect {
    fn connect(&self, begin: Begin<'_>, config: Config) -> Connection;

    fn clock(&self) -> Clock;
}

/// The instant of what happens, for whoever records it: each call and each delivery is later than
/// the one before.
#[derive(Clone, Default)]
pub(super) struct Clock {
    microseconds: Arc<AtomicU64>,
}

impl Clock {
    const STEP: u64 = 1000;

    #[cfg(feature = "recording")]
    pub(super) fn microseconds(&self) -> u64 {
        self.microseconds.load(Ordering::Relaxed)
    }

    pub(super) fn step(&self) {
        self.microseconds.fetch_add(Self::STEP, Ordering::Relaxed);
    }

    pub(super) fn set_seconds(&self, seconds: u64) {
        self.microseconds.store(seconds * 1_000_000, Ordering::Relaxed);
    }
}

/// Connections that nobody records.
pub(super) struct Plain;

impl Connect for Plain {
    fn connect(&self, begin: Begin<'_>, config: Config) -> Connection {
        match begin {
            Begin::Client(request, out) => Connection::client(request, config, SEED, out).unwrap(),
            Begin::Server => Connection::server(config),
            Begin::Upgraded(Role::Client, negotiated) => Connection::upgraded_client(negotiated, config, SEED),
            Begin::Upgraded(Role::Server, negotiated) => Connection::upgraded_server(negotiated, config),
        }
    }

    fn clock(&self) -> Clock {
        Clock::default()
    }
}
