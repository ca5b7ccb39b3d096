//! Connections that are polled: one loop for every executor.
//!
//! A [`WebSocket`] needs a [`Transport`], four functions that read and write, and a [`Clock`], so that a peer that falls
//! silent does not wait here forever. For tokio and for everything with the traits of `futures-io` both are there:
//! `adapter::tokio` and `adapter::futures_io`, which add nothing but that. For any other executor write them, a few lines each.
//!
//! # Cancelling
//!
//! All state is in the struct, none is in a future. A future that is dropped before it is ready loses nothing: not a byte
//! read, not a byte written, not an event. Call the method again and it goes on. Each method says what that means for it.
//!
//! # Who writes
//!
//! Whatever is in the output is offered to the transport before [`recv`](WebSocket::recv) waits, so replies need no
//! thought, and messages that are [fed](WebSocket::feed) in answer to those of one read leave in one write. With more than
//! [`Settings::high_water`] bytes in the output, `feed` and `send` wait; with so many bytes of replies, nothing is read.
//!
//! # Memory
//!
//! A connection that has nothing in progress holds no buffers, but for up to 1 KiB of output. A thread keeps one to read
//! into and one to write from, of at most 128 KiB each, and the connections that it polls take turns with them. The one to
//! read into is not wiped in between: a [`Transport`] that reports more than it has read hands on bytes of another connection.

mod buffer_pool;
mod incoming;
mod input;
mod socket;
mod split;
mod teardown;
mod wakers;
mod websocket;
mod write;

use core::task::{Context, Poll};
use std::{io, time::Instant};

pub use self::{
    incoming::Incoming,
    split::{Reader, Writer},
    websocket::WebSocket,
};
pub use super::Settings;

/// A stream of bytes in both directions, as an executor has it.
///
/// Each function does what its namesake in tokio's `AsyncRead` and `AsyncWrite` does: when it returns `Pending`, it has
/// arranged for the waker of the last call to be woken. Reading and writing have a waker each.
pub trait Transport {
    /// Reads into the front of `buf`; 0 is the end.
    ///
    /// # Errors
    /// The transport is lost.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes bytes from the front of `data`.
    ///
    /// # Errors
    /// The transport is lost.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    /// Sees to it that what was written leaves.
    ///
    /// # Errors
    /// The transport is lost.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Closes the sending side; what was written leaves before.
    ///
    /// # Errors
    /// The transport is lost.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The time, and a way to be woken at a later one.
///
/// `()` is one that never wakes: with it, [`Settings::timeouts`] do nothing, and a peer may keep a connection waiting
/// forever.
pub trait Clock {
    /// The present.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Is ready once it is `at`, or later. When it returns `Pending`, it has arranged for the waker of the last call to be
    /// woken then; to wake it earlier does no harm.
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()>;
}

impl Clock for () {
    fn poll_until(&mut self, _at: Instant, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
