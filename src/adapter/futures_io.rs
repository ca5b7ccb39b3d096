//! [`poll`] over the streams of `futures-io`: smol, async-std, and many others.
//!
//! These traits have no clock: a function that makes a timer is part of every connection, for smol
//! `|at| smol::Timer::at(at)`. `()` does without, and without deadlines.
//!
//! ```no_run
//! use sockless::{ClientRequest, Config, adapter::{Error, futures_io::{self, Timer}}};
//! # use {::futures_io::{AsyncRead, AsyncWrite}, std::{future::Future, time::Instant}};
//!
//! # async fn run<S: AsyncRead + AsyncWrite + Unpin, T: Future>(tcp: S, at: fn(Instant) -> T) -> Result<(), Error> {
//! // With smol, `tcp` comes from `smol::net::TcpStream::connect`, and `at` is `smol::Timer::at`.
//! let request = ClientRequest::new("ws://127.0.0.1:9001/")?;
//! let clock = Timer::new(at);
//! let (mut ws, _response) = futures_io::client(tcp, clock, &request, Config::default()).await?;
//! ws.send("hello").await?;
//! while let Some(message) = ws.recv().await? {
//!     println!("{message:?}");
//!     ws.close(sockless::CloseCode::NORMAL, "").await?;
//! }
//! # Ok(())
//! # }
//! ```

use alloc::boxed::Box;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, time::Instant};

use futures_io::{AsyncRead, AsyncWrite};

use super::{
    Error, Settings,
    poll::{self, Clock, Transport},
};
use crate::{Accept, ClientRequest, Connection, Response};

/// A WebSocket over a stream of `futures-io`.
pub type WebSocket<S, C> = poll::WebSocket<Io<S>, C>;
/// A client's request over a stream of `futures-io`, that waits for a decision.
pub type Incoming<S, C> = poll::Incoming<Io<S>, C>;
/// The reading half of a [`WebSocket`].
pub type Reader<S, C> = poll::Reader<Io<S>, C>;
/// The writing half of a [`WebSocket`].
pub type Writer<S, C> = poll::Writer<Io<S>, C>;

/// Opens a connection as a client over a stream that is connected already: TCP, or TLS for `wss`.
///
/// # Errors
/// The request cannot be sent, the transport fails, the server breaks the protocol, [refuses](Error::Refused) or takes
/// too long.
pub async fn client<S: AsyncRead + AsyncWrite + Unpin, C: Clock>(
    stream: S,
    clock: C,
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<S, C>, Response<'static>), Error> {
    WebSocket::client(Io(stream), clock, request, settings).await
}

/// Accepts a WebSocket, whatever the client asks for and from whatever page it comes: a server that browsers reach, and
/// that trusts their cookies or their place in the network, takes [`incoming`] and checks
/// [`Request::is_same_origin`](crate::Request::is_same_origin).
///
/// # Errors
/// The transport fails, the client takes too long, or its request is invalid and was answered so.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin, C: Clock>(
    stream: S,
    clock: C,
) -> Result<WebSocket<S, C>, Error> {
    incoming(stream, clock, Settings::default())
        .await?
        .accept(&Accept::new())
        .await
}

/// Reads the opening handshake and leaves the decision to the caller.
///
/// # Errors
/// The transport fails, the client takes too long, or its request is invalid and was answered so.
pub async fn incoming<S: AsyncRead + AsyncWrite + Unpin, C: Clock>(
    stream: S,
    clock: C,
    settings: impl Into<Settings>,
) -> Result<Incoming<S, C>, Error> {
    Incoming::new(Io(stream), clock, settings).await
}

/// Goes on with a connection whose handshake is done: see [`poll::WebSocket::upgraded`].
#[must_use]
pub fn upgraded<S: AsyncRead + AsyncWrite + Unpin, C: Clock>(
    stream: S,
    clock: C,
    engine: Connection,
    settings: impl Into<Settings>,
) -> WebSocket<S, C> {
    WebSocket::upgraded(Io(stream), clock, engine, settings)
}

/// A stream of `futures-io` as a [`Transport`].
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a wrapper and nothing else")]
pub struct Io<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Io<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// A [`Clock`] from a function that makes a future which is ready at an instant. It holds nothing until a deadline is
/// waited for.
pub struct Timer<F, S> {
    make: F,
    sleep: Option<(Instant, Pin<Box<S>>)>,
}

impl<F: FnMut(Instant) -> S, S: Future> Timer<F, S> {
    /// With that function.
    pub const fn new(make: F) -> Self {
        Self { make, sleep: None }
    }
}

impl<F: FnMut(Instant) -> S, S: Future> Clock for Timer<F, S> {
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Deadlines mostly move away, with everything that is received. To wake too early now and then costs less
            // than to make a timer each time.
            let (_, sleep) = match &mut self.sleep {
                Some(sleep) if sleep.0 <= at => sleep,
                sleep => sleep.insert((at, Box::pin((self.make)(at)))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
            if at <= self.now() {
                return Poll::Ready(());
            }
        }
    }
}

impl<F, S> fmt::Debug for Timer<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}
