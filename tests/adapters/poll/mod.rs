//! Polled connections over in-memory pipes.

mod batch;
mod borrowed;
mod byte_streams;
mod cancel;
mod connect;
mod deadlines;
mod dropped;
mod end;
mod ending;
mod faults;
mod fragments;
mod halves;
mod readers;
mod stream;
#[cfg(feature = "tracing")]
mod trace;
mod vectored;
mod waiting;
mod wakers;
mod writers;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Polls a future once, with this waker.
fn poll_once<F: Future>(future: F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}
