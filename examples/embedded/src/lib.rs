//! A WebSocket on a device: [`run`] is a loop around a [`Connection`] over any stream with the
//! traits of `embedded-io-async`, such as a socket of `embassy-net` or a UART. It needs an
//! allocator, and no standard library:
//!
//! ```text
//! cargo build --release --target thumbv7em-none-eabihf
//! ```
//!
//! `embedded-io-async` has no clock, so a [`Clock`] is passed too; with `embassy-time`, it is
//! `Instant::now` and `Timer::at`. `tests/device.rs` runs the loop on the host, over streams in
//! memory. `firmware` is a program for a Cortex-M4, which `tests/qemu.rs` runs in an emulator.

#![no_std]
// The futures of a device need not be `Send`, as those of `embedded-io-async`.
#![allow(async_fn_in_trait)]

extern crate alloc;

pub mod lamp;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::pin::pin;
use core::time::Duration;

use embassy_futures::select::{Either, Either3, select, select3};
use embedded_io_async::{Read, Write};
use sockless::timers::{Due, Timeouts, Timers};
use sockless::{CloseCode, Connection, Event, ProtocolError, State, Teardown};

/// How much is read at a time, in bytes.
const INPUT_LEN: usize = 512;

/// The clock of the device.
pub trait Clock {
    /// Returns the time since boot, or since another fixed instant.
    fn now(&self) -> Duration;

    /// Waits until [`now`](Self::now) is at least this.
    async fn wait_until(&mut self, at: Duration);
}

/// What the device does with a connection.
pub trait Application {
    /// Handles an event. `out` is the output, for `ws`.
    fn on_event(&mut self, ws: &mut Connection, event: Event<'_>, out: &mut Vec<u8>);

    /// Waits until the application has something to send. It is called only while the connection is
    /// open, and is dropped when something else happens first: it must lose nothing then.
    async fn wait(&mut self);

    /// Sends it, after [`wait`](Self::wait).
    fn send(&mut self, ws: &mut Connection, out: &mut Vec<u8>);
}

/// Why a connection did not end with a closing handshake.
#[derive(Debug)]
pub enum Error<E> {
    /// The transport failed.
    Transport(E),
    /// The peer broke the protocol, or the connection was dropped.
    Protocol(Box<ProtocolError>),
    /// The peer was silent for too long, or did not read.
    TimedOut,
}

/// Runs a connection from the opening handshake to the end. `out` has what is to be written first:
/// the request of a client.
///
/// The caller closes the transport afterwards. The read of the transport must lose nothing when its
/// future is dropped before it is ready.
///
/// # Errors
/// Returns how the connection ended, if not by a closing handshake.
pub async fn run<T: Read + Write>(
    mut transport: T,
    clock: &mut impl Clock,
    timeouts: Timeouts,
    mut ws: Connection,
    mut out: Vec<u8>,
    application: &mut impl Application,
) -> Result<(), Error<T::Error>> {
    let mut timers = Timers::new(timeouts, clock.now());
    let mut input = [0; INPUT_LEN];
    loop {
        write(&mut transport, clock, &mut ws, &mut timers, &mut out).await?;
        // The server closes the transport first. A client waits for that, until `Due::Close`.
        if ws.teardown() == Some(Teardown::Close) {
            return end(&mut ws);
        }
        let is_open = ws.state() == State::Open;
        let wait = async {
            if is_open {
                application.wait().await;
            } else {
                core::future::pending().await
            }
        };
        let deadline = until(clock, timers.poll_timeout());
        // The loop reads while the application waits, so that it notices the end of the transport.
        match select3(transport.read(&mut input), deadline, wait).await {
            Either3::First(Ok(0)) => return end(&mut ws),
            Either3::First(Ok(len)) => {
                let now = clock.now();
                process(&mut ws, &mut timers, now, &mut input[..len], &mut out, application);
            }
            Either3::First(Err(error)) => return Err(Error::Transport(error)),
            Either3::Second(()) => {}
            Either3::Third(()) => application.send(&mut ws, &mut out),
        }
        if matches!(ws.state(), State::Closing | State::Closed) {
            timers.closing(clock.now());
        }
        handle_timeouts(&mut ws, &mut timers, clock.now(), &mut out)?;
    }
}

/// Handles the events in an input.
fn process(
    ws: &mut Connection,
    timers: &mut Timers<Duration>,
    now: Duration,
    mut input: &mut [u8],
    out: &mut Vec<u8>,
    application: &mut impl Application,
) {
    let (assembled_len, mut has_message) = (ws.assembled_len(), false);
    // After an error, the connection is closed, and `out` holds the Close frame or the HTTP
    // response for the peer.
    while let Ok(Some(event)) = ws.receive(&mut input, out) {
        has_message |= matches!(event, Event::Text(_) | Event::Binary(_) | Event::Chunk(_));
        if let Event::Pong(payload) = &event {
            timers.pong(payload, now);
        }
        application.on_event(ws, event, out);
        if ws.state() == State::Open {
            timers.opened(now);
        }
    }
    // Messages and pieces of a message prove that the peer is alive. Control frames do not count.
    if has_message || ws.assembled_len() > assembled_len {
        timers.received(now);
    }
}

/// Handles the deadlines that have passed.
fn handle_timeouts<E>(
    ws: &mut Connection,
    timers: &mut Timers<Duration>,
    now: Duration,
    out: &mut Vec<u8>,
) -> Result<(), Error<E>> {
    while let Some(due) = timers.handle_timeout(now) {
        match due {
            // Sending fails only after a Close frame.
            Due::Ping(payload) => _ = ws.ping(&payload, out),
            Due::Idle => {
                _ = ws.close(CloseCode::GOING_AWAY, "", out);
                timers.closing(now);
            }
            Due::Handshake | Due::Pong | Due::Close => return Err(Error::TimedOut),
        }
    }
    Ok(())
}

/// Writes the output, and then what becomes due meanwhile. Nothing is read until all is written, so
/// that must be done before a Pong is missing: by default, 40 s after the last message of the peer.
/// A peer that does not read is as silent as one that does not answer.
async fn write<T: Read + Write>(
    transport: &mut T,
    clock: &mut impl Clock,
    ws: &mut Connection,
    timers: &mut Timers<Duration>,
    out: &mut Vec<u8>,
) -> Result<(), Error<T::Error>> {
    let mut next = Vec::new();
    while !out.is_empty() {
        {
            let mut written = pin!(async {
                transport.write_all(out).await?;
                transport.flush().await
            });
            loop {
                match select(written.as_mut(), until(clock, timers.poll_timeout())).await {
                    Either::First(result) => break result.map_err(Error::Transport)?,
                    Either::Second(()) => handle_timeouts(ws, timers, clock.now(), &mut next)?,
                }
            }
        }
        out.clear();
        out.append(&mut next);
    }
    // A long message may have needed much memory.
    out.shrink_to(INPUT_LEN);
    Ok(())
}

async fn until(clock: &mut impl Clock, at: Option<Duration>) {
    match at {
        Some(at) => clock.wait_until(at).await,
        None => core::future::pending().await,
    }
}

/// The transport has ended, or may be closed.
fn end<E>(ws: &mut Connection) -> Result<(), Error<E>> {
    // After a closing handshake, this is no error. After a violation, it is the same error again.
    ws.receive_eof().map(drop).map_err(Error::Protocol)
}
