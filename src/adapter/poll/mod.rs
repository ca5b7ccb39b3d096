//! Polled connections: one loop for every executor.
//!
//! A [`WebSocket`] needs a [`Transport`] and a [`Clock`]. `adapter::tokio` and
//! `adapter::futures_io` have both for the streams of tokio and of the `futures-io` crate. For
//! another executor, implement the two traits: the page
//! [Embedding](crate::docs::embedding#any-other-executor) has an example.
//!
//! # Cancelling
//!
//! All state is in the structs, none is in a future. A future that is dropped before it is ready
//! loses no byte that was read, no byte that is to be written, and no event: call the method again
//! to continue. Each method says what that means for it.
//!
//! # Tasks
//!
//! Several tasks may wait for one connection: those of its [halves](WebSocket::split), of clones of
//! a [`Writer`], or of the halves that `StreamExt::split` of `futures_util` makes. Each is woken
//! when it can continue. A whole connection has one waker for receiving, one for room in the output
//! and one for flushing, each that of the last poll; each call of a `Writer`, and each `Writer` as
//! a sink, has its own. A future that is dropped while it waits keeps no waker.
//!
//! # Writing
//!
//! [`recv`](WebSocket::recv) offers the output to the transport before it waits. So replies need no
//! call of the application, and the messages that it [feeds](WebSocket::feed) in response to those
//! of one read leave in one write. While more than [`Settings::high_water`] bytes are unwritten,
//! `feed`, `send`, `ping` and `pong` wait. While so many bytes of replies are unwritten, nothing is
//! read.
//!
//! # Memory
//!
//! A connection that has nothing in progress holds no buffers, except for up to 1 KiB of output.
//! Each thread keeps one input buffer and one output buffer, of at most 128 KiB each, which its
//! connections use in turn. The input buffer is not cleared in between: a [`Transport`] that
//! reports more bytes than it has read passes on bytes of another connection.

mod access;
mod buffer_pool;
mod byte_stream;
mod call;
mod connect;
mod incoming;
mod input;
mod message_reader;
mod message_writer;
mod open;
mod read_loop;
mod reader;
mod socket;
mod split;
mod stream;
mod teardown;
mod waiting;
mod websocket;
mod write_loop;
mod writer;

use core::task::{Context, Poll};
use std::{
    io::{self, IoSlice},
    time::Instant,
};

pub use self::{
    byte_stream::ByteStream, connect::connect_addresses, incoming::Incoming, message_reader::MessageReader,
    message_writer::MessageWriter, reader::Reader, websocket::WebSocket, writer::Writer,
};
use super::Settings;

/// A stream of bytes in both directions.
///
/// Each function has the contract of its namesake in tokio's `AsyncRead` or `AsyncWrite`: when it
/// returns `Pending`, it wakes the waker of its last call later. Reading has one waker; writing,
/// flushing and shutting down have another.
pub trait Transport {
    /// Reads into the front of `buf`. Returns how many bytes were read, and 0 at the end.
    ///
    /// # Errors
    /// The transport failed.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from the front of `data`. Returns how many bytes were written.
    ///
    /// # Errors
    /// The transport failed.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes from the front of several slices, as if they were one. Returns how many bytes were
    /// written.
    ///
    /// Without an implementation, it writes the first slice that is not empty.
    ///
    /// # Errors
    /// The transport failed.
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    /// Returns whether [`poll_write_vectored`](Self::poll_write_vectored) can write more than one
    /// slice at once. If so, a server's large messages are not copied before they are written.
    ///
    /// If it turns out that it cannot, they are copied from the second one on.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// Sends what the transport has buffered.
    ///
    /// # Errors
    /// The transport failed.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes, and closes the sending side.
    ///
    /// # Errors
    /// The transport failed.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A clock with one timer.
///
/// `()` is a clock whose timer never fires: [`Settings::timeouts`] have no effect, and a silent
/// peer keeps its connection forever.
pub trait Clock {
    /// Returns the present time.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Sets the timer. Is ready at the instant `at` or later.
    ///
    /// When it returns `Pending`, it wakes the waker of its last call at that time. It may wake it
    /// earlier.
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()>;
}

impl Clock for () {
    fn poll_until(&mut self, _at: Instant, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
