//! The limit on the time for connecting.

use core::time::Duration;

use tokio::time::{self, Instant};

use crate::{adapter::Error, timers::Due};

/// The time for connecting: for the resolution of the name, TCP, a proxy and TLS.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    limit: Option<Duration>,
    deadline: Option<Instant>,
}

impl Limit {
    /// The limit of what begins now.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
        }
    }

    /// Waits for a future until the limit has passed.
    pub(super) async fn run<V, E>(self, connecting: impl Future<Output = Result<V, E>>) -> Result<V, Error>
    where
        Error: From<E>,
    {
        let (Some(limit), Some(deadline)) = (self.limit, self.deadline) else {
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
