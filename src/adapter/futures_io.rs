//! Connections over the streams of the `futures-io` crate, such as those of smol and async-std:
//! [`poll`] has the details.
//!
//! These streams have no clock. Each connection gets one: a [`Timer`], or `()` for no deadlines.
//!
//! ```no_run
//! use sockless::{ClientRequest, CloseCode, adapter::{Error, Settings, futures_io::{self, Timer}}};
//!
//! # use std::{future::{Ready, ready}, time::Instant};
//! # mod smol { pub struct Timer; }
//! # impl smol::Timer { fn at(_at: Instant) -> Ready<()> { ready(()) } }
//! # use ::futures_io::{AsyncRead, AsyncWrite};
//! # async fn run(tcp: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Error> {
//! // `tcp` is a `smol::net::TcpStream`.
//! let request = ClientRequest::new("ws://127.0.0.1:9001/")?;
//! let clock = Timer::new(smol::Timer::at);
//! let (mut ws, _response) = futures_io::client(tcp, clock, &request, Settings::new()).await?;
//! ws.send("hello").await?;
//! if let Some(message) = ws.recv().await? {
//!     println!("{message:?}");
//! }
//! ws.close(CloseCode::NORMAL, "").await?;
//! // Fails if the server closes with a code that is no success, such as 1011.
//! while ws.recv().await?.is_some() {}
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
use std::{
    io::{self, IoSlice},
    time::Instant,
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{
    Error, Settings,
    poll::{self, Clock, Transport},
};
use crate::{Accept, ClientRequest, Connection, handshake::Response};

/// A WebSocket over a stream of `futures-io`.
pub type WebSocket<S, C> = poll::WebSocket<Io<S>, C>;
/// A client's request over a stream of `futures-io`, that the application decides on.
pub type Incoming<S, C> = poll::Incoming<Io<S>, C>;
/// The reading half of a [`WebSocket`].
pub type Reader<S, C> = poll::Reader<Io<S>, C>;
/// The writing half of a [`WebSocket`].
pub type Writer<S, C> = poll::Writer<Io<S>, C>;
/// One message of a [`WebSocket`] as an `AsyncRead`.
pub type MessageReader<'a, S, C> = poll::MessageReader<'a, Io<S>, C>;
/// One message of a [`WebSocket`] as an `AsyncWrite`.
pub type MessageWriter<'a, S, C> = poll::MessageWriter<'a, Io<S>, C>;
/// The binary messages of a [`WebSocket`] as an `AsyncRead` and `AsyncWrite`.
pub type ByteStream<S, C> = poll::ByteStream<Io<S>, C>;

/// Opens a connection as a client over a stream that is connected already: TCP, or TLS for a `wss`
/// URL. TCP_NODELAY is not set: see [`accept`].
///
/// # Errors
/// Those of [`poll::WebSocket::client`].
pub async fn client<S: AsyncRead + AsyncWrite + Unpin, C: Clock>(
    stream: S,
    clock: C,
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<S, C>, Response<'static>), Error> {
    WebSocket::client(Io(stream), clock, request, settings).await
}

/// Accepts a WebSocket with default settings. It may come from a page of the server's own origin,
/// or from a client that is no browser: others get a response with status 403 (RFC 6455, section
/// 10.2).
///
/// [`Accept`] says what that is against, and has the settings to allow other pages and to name the
/// server's hosts: pass them to [`poll::Incoming::accept`], after [`incoming`].
///
/// It does not set TCP_NODELAY, because the stream can be any: set it on the socket. Without it, a
/// small message waits until the peer has acknowledged the one before it, often for 40 ms.
///
/// # Errors
/// Those of [`poll::Incoming::new`] and [`poll::Incoming::accept`].
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin, C: Clock>(
    stream: S,
    clock: C,
) -> Result<WebSocket<S, C>, Error> {
    incoming(stream, clock, Settings::default())
        .await?
        .accept(&Accept::new())
        .await
}

/// Waits for a client's request. The application accepts or rejects it. TCP_NODELAY is not set: see
/// [`accept`].
///
/// # Errors
/// Those of [`poll::Incoming::new`].
pub async fn incoming<S: AsyncRead + AsyncWrite + Unpin, C: Clock>(
    stream: S,
    clock: C,
    settings: impl Into<Settings>,
) -> Result<Incoming<S, C>, Error> {
    Incoming::new(Io(stream), clock, settings).await
}

/// Continues a connection whose opening handshake is done: see [`poll::WebSocket::upgraded`].
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

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    /// Whether the stream can is not known: it shows with the first large message.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl<T: Transport, C: Clock> AsyncRead for poll::MessageReader<'_, T, C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_read(cx, buf)
    }
}

/// To close it finishes the message.
impl<T: Transport, C: Clock> AsyncWrite for poll::MessageWriter<'_, T, C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx)
    }
}

impl<T: Transport + Unpin, C: Clock + Unpin> AsyncRead for poll::ByteStream<T, C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_read(cx, buf)
    }
}

impl<T: Transport + Unpin, C: Clock + Unpin> AsyncWrite for poll::ByteStream<T, C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_shutdown(cx)
    }
}

/// A [`Clock`] made of a function that returns a future which is ready at a given instant, such as
/// `smol::Timer::at`.
///
/// It calls the function when it is first waited for.
pub struct Timer<F, S> {
    make: F,
    sleep: Option<(Instant, Pin<Box<S>>)>,
}

impl<F: FnMut(Instant) -> S, S: Future> Timer<F, S> {
    /// Creates a clock from the function.
    pub const fn new(make: F) -> Self {
        Self { make, sleep: None }
    }
}

impl<F: FnMut(Instant) -> S, S: Future> Clock for Timer<F, S> {
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Whatever is received puts the deadline off. To wake too early now and then costs less
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
