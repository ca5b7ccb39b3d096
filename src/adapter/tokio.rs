//! Connections over the streams and the clock of tokio: [`poll`] has the details.
//!
//! The runtime must have its timers enabled and, for sockets, its I/O driver. Import the functions
//! and types, and not the module: its name would hide the crate `tokio`.
//!
//! ```no_run
//! use sockless::{CloseCode, adapter::tokio::connect};
//!
//! # async fn run() -> Result<(), sockless::adapter::Error> {
//! let mut ws = connect("ws://127.0.0.1:9001/").await?;
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

mod limit;
mod maybe_tls;
#[cfg(feature = "tokio-rustls")]
mod tls;
mod tunnel;

use alloc::{boxed::Box, vec::Vec};
use core::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::{
    io::{self, IoSlice},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{self, TcpStream},
    time::{self, Sleep},
};

use self::limit::Limit;
pub use self::maybe_tls::MaybeTlsStream;
use super::{
    ConnectOptions, Error, Settings, handshake,
    poll::{self, Transport},
};
use crate::{Accept, ClientRequest, Connection, handshake::Response};

/// A WebSocket over a stream of tokio.
pub type WebSocket<S> = poll::WebSocket<Io<S>, Clock>;
/// A client's request over a stream of tokio, that the application decides on.
pub type Incoming<S> = poll::Incoming<Io<S>, Clock>;
/// The reading half of a [`WebSocket`].
pub type Reader<S> = poll::Reader<Io<S>, Clock>;
/// The writing half of a [`WebSocket`].
pub type Writer<S> = poll::Writer<Io<S>, Clock>;
/// One message of a [`WebSocket`] as an `AsyncRead`.
pub type MessageReader<'a, S> = poll::MessageReader<'a, Io<S>, Clock>;
/// One message of a [`WebSocket`] as an `AsyncWrite`.
pub type MessageWriter<'a, S> = poll::MessageWriter<'a, Io<S>, Clock>;
/// The binary messages of a [`WebSocket`] as an `AsyncRead` and `AsyncWrite`.
pub type ByteStream<S> = poll::ByteStream<Io<S>, Clock>;

/// Connects to a `ws` URL over TCP, with TCP_NODELAY set, or to a `wss` URL over TLS and TCP, with
/// the feature `tokio-rustls`.
///
/// For headers and subprotocols, a proxy, or a TLS configuration of the application's own, use
/// [`connect_with`].
///
/// If the host has several addresses, the first one that answers is used: see
/// [`connect_addresses`]. [`Timeouts::handshake`](crate::timers::Timeouts::handshake) limits all of
/// it: the resolution of the name, connecting, TLS, and the opening handshake.
///
/// # Errors
/// The URL is invalid, the transport failed, or the server violated the protocol,
/// [refused](Error::Refused) or took too long. A `wss` URL without the feature `tokio-rustls` is
/// `Unsupported`.
#[doc(alias = "connect_async")]
pub async fn connect(url: &str) -> Result<WebSocket<MaybeTlsStream>, Error> {
    let (ws, _response) = connect_with(&ClientRequest::new(url)?, ConnectOptions::new()).await?;
    Ok(ws)
}

/// Connects over TCP, and TLS for a `wss` URL, with the given request and options. Also returns the
/// response of the server.
///
/// # Errors
/// Those of [`connect`], and those of the [proxy](Error::Proxy).
#[doc(alias = "connect_async_with_config")]
pub async fn connect_with(
    request: &ClientRequest,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<MaybeTlsStream>, Response<'static>), Error> {
    let options = options.into();
    if request.is_secure() && cfg!(not(feature = "tokio-rustls")) {
        return Err(handshake::needs_tls(request, "tokio-rustls"));
    }
    let ConnectOptions { settings, proxy, .. } = &options;
    let started = poll::Clock::now(&Clock::default());
    let limit = Limit::new(settings.timeouts.handshake);
    let (host, port) = options.first_hop(request);
    let tcp = connect_tcp_within(host, port, limit).await?;
    let unread = match proxy {
        Some(proxy) => tunnel::open(&tcp, proxy, request, &settings.config, limit).await?,
        None => Vec::new(),
    };
    #[cfg(feature = "tokio-rustls")]
    if request.is_secure() {
        let tls = tls::connect(tcp, request.host(), options.tls_config.as_ref(), &unread, limit).await?;
        let stream = Io(MaybeTlsStream::Tls(tls));
        return WebSocket::connect(stream, Clock::default(), request, settings, &[], started).await;
    }
    let stream = Io(MaybeTlsStream::Plain(tcp));
    WebSocket::connect(stream, Clock::default(), request, settings, &unread, started).await
}

/// Connects to a host over TCP, with TCP_NODELAY set: the first step of [`connect`], for a stream
/// with options of its own.
///
/// The addresses of the host are tried as in [`connect_addresses`]. The limit covers the resolution
/// of the name too: it is tokio's, in a thread of the runtime's blocking pool, which ends when the
/// system's resolver does.
///
/// # Errors
/// The name cannot be resolved, no address takes the connection, or the limit has passed.
pub async fn connect_tcp(host: &str, port: u16, limit: impl Into<Option<Duration>>) -> Result<TcpStream, Error> {
    connect_tcp_within(host, port, Limit::new(limit.into())).await
}

async fn connect_tcp_within(host: &str, port: u16, limit: Limit) -> Result<TcpStream, Error> {
    let connecting = async {
        let addresses = net::lookup_host((host, port)).await?;
        race(addresses).await
    };
    let connected = limit.run(connecting).await;
    connected.map_err(|error| error.with_host(host, port))
}

/// Connects to the first of several addresses that answers, with TCP_NODELAY set (RFC 8305).
///
/// [`poll::connect_addresses`] has the details.
///
/// # Errors
/// No address takes the connection: the error is that of the last attempt. Or the limit has passed:
/// [`Error::TimedOut`].
pub async fn connect_addresses(
    addresses: impl IntoIterator<Item = SocketAddr>,
    limit: impl Into<Option<Duration>>,
) -> Result<TcpStream, Error> {
    Limit::new(limit.into()).run(race(addresses)).await
}

async fn race(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let tcp = poll::connect_addresses(addresses, Clock::default(), TcpStream::connect).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Opens a connection as a client over a stream that is connected already: TCP, or TLS for a `wss`
/// URL. TCP_NODELAY is not set: see [`accept`].
///
/// # Errors
/// Those of [`poll::WebSocket::client`].
#[doc(alias = "client_async")]
pub async fn client<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<S>, Response<'static>), Error> {
    WebSocket::client(Io(stream), Clock::default(), request, settings).await
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
#[doc(alias = "accept_async")]
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<WebSocket<S>, Error> {
    incoming(stream, Settings::default())
        .await?
        .accept(&Accept::new())
        .await
}

/// Waits for a client's request. The application accepts or rejects it. TCP_NODELAY is not set: see
/// [`accept`].
///
/// # Errors
/// Those of [`poll::Incoming::new`].
#[doc(alias = "accept_hdr_async")]
pub async fn incoming<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    settings: impl Into<Settings>,
) -> Result<Incoming<S>, Error> {
    Incoming::new(Io(stream), Clock::default(), settings).await
}

/// Continues a connection whose opening handshake is done: see [`poll::WebSocket::upgraded`].
#[must_use]
pub fn upgraded<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    engine: Connection,
    settings: impl Into<Settings>,
) -> WebSocket<S> {
    WebSocket::upgraded(Io(stream), Clock::default(), engine, settings)
}

/// A stream of tokio as a [`Transport`].
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a wrapper and nothing else")]
pub struct Io<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Io<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<T: Transport, C: poll::Clock> AsyncRead for poll::MessageReader<'_, T, C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let len = ready!(self.get_mut().poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(len);
        Poll::Ready(Ok(()))
    }
}

/// To shut it down finishes the message.
impl<T: Transport, C: poll::Clock> AsyncWrite for poll::MessageWriter<'_, T, C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx)
    }
}

impl<T: Transport + Unpin, C: poll::Clock + Unpin> AsyncRead for poll::ByteStream<T, C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let len = ready!(self.get_mut().poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport + Unpin, C: poll::Clock + Unpin> AsyncWrite for poll::ByteStream<T, C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_shutdown(cx)
    }
}

/// The clock of the tokio runtime. It allocates its timer when it is first waited for.
#[derive(Debug, Default)]
pub struct Clock {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl poll::Clock for Clock {
    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }

    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let at = at.into();
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(time::sleep_until(at)));
        // Deadlines mostly move away, with everything that is received. To wake too early now and
        // then costs less than to move the timer each time.
        if at < sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if at <= time::Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}
