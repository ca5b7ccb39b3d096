//! Blocking connections over anything that reads and writes, such as `std::net::TcpStream`.
//!
//! ```no_run
//! use sockless::{CloseCode, adapter::std_net};
//!
//! let mut ws = std_net::connect("ws://127.0.0.1:9001/")?;
//! ws.send("hello")?;
//! if let Some(message) = ws.recv()? {
//!     println!("{message:?}");
//! }
//! ws.close(CloseCode::NORMAL, "")?;
//! // Fails if the server closes with a code that is no success, such as 1011.
//! while ws.recv()?.is_some() {}
//! # Ok::<(), sockless::adapter::Error>(())
//! ```

mod access;
mod byte_stream;
mod connect;
mod incoming;
mod input;
mod limit;
mod maybe_tls;
mod message_reader;
mod message_writer;
mod open;
mod output;
mod read_loop;
mod reader;
mod shared;
mod socket;
mod socket_timeout;
mod split;
#[cfg(feature = "rustls")]
mod tls;
mod tunnel;
mod unsplit;
mod websocket;
mod write_loop;
mod writer;

use alloc::vec::Vec;
use std::{
    io::{self, ErrorKind},
    time::Instant,
};

#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub use self::tls::TlsStream;
pub use self::{
    byte_stream::{ByteReader, ByteStream, ByteWriter},
    connect::{connect_addresses, connect_tcp},
    incoming::Incoming,
    maybe_tls::MaybeTlsStream,
    message_reader::MessageReader,
    message_writer::MessageWriter,
    reader::Reader,
    socket::Socket,
    websocket::WebSocket,
    writer::Writer,
};
use self::{limit::Limit, socket::SocketHooks};
use super::{ConnectOptions, Error, Settings, handshake};
use crate::{Accept, ClientRequest, Connection, handshake::Response};

/// Connects to a `ws` URL over TCP, with TCP_NODELAY set, or to a `wss` URL over TLS and TCP, with
/// the feature `rustls`.
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
/// [refused](Error::Refused) or took too long. A `wss` URL without the feature `rustls` is
/// `Unsupported`.
pub fn connect(url: &str) -> Result<WebSocket<MaybeTlsStream>, Error> {
    let (ws, _response) = connect_with(&ClientRequest::new(url)?, ConnectOptions::new())?;
    Ok(ws)
}

/// Connects over TCP, and TLS for a `wss` URL, with the given request and options. Also returns the
/// response of the server.
///
/// # Errors
/// Those of [`connect`](connect()), and those of the [proxy](Error::Proxy).
#[doc(alias = "connect_with_config")]
pub fn connect_with(
    request: &ClientRequest,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<MaybeTlsStream>, Response<'static>), Error> {
    let options = options.into();
    if request.is_secure() && cfg!(not(feature = "rustls")) {
        return Err(handshake::needs_tls(request, "rustls"));
    }
    let ConnectOptions { settings, proxy, .. } = &options;
    let started = Instant::now();
    let limit = Limit::since(started, settings.timeouts.handshake);
    let (host, port) = options.first_hop(request);
    let tcp = connect::connect_tcp_within(host, port, limit)?;
    let unread = match proxy {
        Some(proxy) => tunnel::open(&tcp, proxy, request, &settings.config, limit)?,
        None => Vec::new(),
    };
    #[cfg(feature = "rustls")]
    if request.is_secure() {
        let stream = TlsStream::connect_within(tcp, request.host(), options.tls_config.as_ref(), &unread, limit)?;
        let stream = MaybeTlsStream::Tls(stream);
        return WebSocket::connect(stream, request, settings, Some(SocketHooks::of()), &[], started);
    }
    let stream = MaybeTlsStream::Plain(tcp);
    WebSocket::connect(stream, request, settings, Some(SocketHooks::of()), &unread, started)
}

/// Opens a connection as a client over a stream that is connected already. Sets TCP_NODELAY.
///
/// # Errors
/// Those of [`WebSocket::client`].
pub fn client<S: Socket>(
    stream: S,
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<S>, Response<'static>), Error> {
    stream.set_nodelay(true)?;
    let hooks = Some(SocketHooks::of());
    WebSocket::connect(stream, request, &settings.into(), hooks, &[], Instant::now())
}

/// Accepts a WebSocket on a TCP stream, or another [`Socket`], with default settings. It may come
/// from a page of the server's own origin, or from a client that is no browser: others get a
/// response with status 403 (RFC 6455, section 10.2). Sets TCP_NODELAY.
///
/// [`Accept`] says what that is against, and has the settings to allow other pages and to name the
/// server's hosts: pass them to [`Incoming::accept`], after [`incoming`](fn@incoming).
///
/// # Errors
/// Those of [`Incoming::new`] and [`Incoming::accept`].
pub fn accept<S: Socket>(stream: S) -> Result<WebSocket<S>, Error> {
    incoming(stream, Settings::default())?.accept(&Accept::new())
}

/// Waits for a client's request on a TCP stream, or another [`Socket`]. The application accepts or
/// rejects it. Sets TCP_NODELAY.
///
/// # Errors
/// Those of [`Incoming::new`].
#[doc(alias = "accept_hdr")]
pub fn incoming<S: Socket>(stream: S, settings: impl Into<Settings>) -> Result<Incoming<S>, Error> {
    stream.set_nodelay(true)?;
    Incoming::read(WebSocket::server(stream, &settings.into(), Some(SocketHooks::of())))
}

/// Continues a connection over TCP, or another [`Socket`], whose opening handshake is done: see
/// [`WebSocket::upgraded`]. Does not set TCP_NODELAY, unlike the other functions.
#[must_use]
pub fn upgraded<S: Socket>(stream: S, engine: Connection, settings: impl Into<Settings>) -> WebSocket<S> {
    WebSocket::from_engine(stream, engine, &settings.into(), Some(SocketHooks::of()))
}

/// Returns whether an error of a stream ends the connection. After another one, the call can be
/// repeated: a stream that takes no bytes has not failed, and may have room later, such as a buffer
/// of limited length.
fn is_fatal(error: &io::Error) -> bool {
    !socket::is_timeout(error) && error.kind() != ErrorKind::WriteZero
}

/// Returns the result of writing bytes that were taken already: an error after which the rest can
/// still be written is left to the next call, because the caller would send the bytes again.
fn unless_repeatable(written: Result<(), Error>) -> io::Result<()> {
    match written {
        Err(Error::Io(error)) if !is_fatal(&error) => Ok(()),
        written => written.map_err(Into::into),
    }
}

/// Ignores an error after which nothing can be written: the peer may have sent the reason, and that
/// is still to be read.
fn unless_fatal(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if is_fatal(&error) => Ok(()),
        written => written,
    }
}
