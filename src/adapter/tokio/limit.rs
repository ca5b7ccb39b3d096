//! The limit on the time for connecting.

use core::time::Duration;

use tokio::time::{self, Instant};

use crate::{adapter::Error, timers::Due};

/// The time for connecting, for the resolution of the name, TCP, a proxy and TLS; and when it has
/// passed.
#[derive(Clone, Copy)]
pub(super) struct Limit(Option<(Duration, Instant)>);

impl Limit {
    /// The limit of what begins now.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self(limit.and_then(|limit| Some((limit, Instant::now().checked_add(limit)?))))
    }

    /// Waits for a future until the limit has passed.
    pub(super) async fn run<V, E>(self, connecting: impl Future<Output = Result<V, E>>) -> Result<V, Error>
    where
        Error: From<E>,
    {
        let Some((limit, deadline)) = self.0 else {
            return Ok(connecting.await?);
        };
        match time::timeout_at(deadline, connecting).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(Error::TimedOut {
                due: Due::Handshake,
                limit,
            }),
        }
    }
}
