//! Connecting: one address of a host after the other, until one answers.

use alloc::{boxed::Box, vec::Vec};
use core::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use super::Clock;
use crate::adapter::{
    Error,
    race::{Race, RaceStep},
};

/// Connects to the first of several addresses that answers (RFC 8305). `connect` returns the future
/// of an attempt.
///
/// IPv6 and IPv4 addresses take turns. While an address does not answer, the next one is tried
/// after 250 ms, or as soon as an attempt fails; at most 32 are tried. The other attempts are
/// dropped. `clock` must not be `()`: with that clock, the next attempt starts only after a
/// failure.
///
/// Cancelling drops all attempts.
///
/// # Errors
/// No address takes the connection: [`Error::Io`] with the error of the last attempt. There is no
/// limit on the time.
pub async fn connect_addresses<T, F, C>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    clock: C,
    connect: impl FnMut(SocketAddr) -> F,
) -> Result<T, Error>
where
    F: Future<Output = io::Result<T>>,
    C: Clock,
{
    let mut attempts = Attempts {
        race: Race::new(addresses),
        clock,
        connect,
        in_progress: Vec::new(),
    };
    Ok(poll_fn(|cx| attempts.poll(cx)).await?)
}

struct Attempts<C, N, F> {
    race: Race,
    clock: C,
    connect: N,
    in_progress: Vec<Pin<Box<F>>>,
}

impl<T, C, N, F> Attempts<C, N, F>
where
    C: Clock,
    N: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            if let Some(connected) = self.poll_attempts(cx) {
                return Poll::Ready(Ok(connected));
            }
            match self.race.step(self.clock.now()) {
                RaceStep::Connect(address) => self.in_progress.push(Box::pin((self.connect)(address))),
                RaceStep::Wait(Some(at)) => ready!(self.clock.poll_until(at, cx)),
                RaceStep::Wait(None) => return Poll::Pending,
                RaceStep::Failed(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Polls all attempts, and drops those that have failed. Returns the first success.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<T> {
        let mut connected = None;
        let race = &mut self.race;
        self.in_progress.retain_mut(|attempt| {
            if connected.is_some() {
                return false;
            }
            match attempt.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    connected = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    race.failed(error);
                    false
                }
            }
        });
        connected
    }
}
