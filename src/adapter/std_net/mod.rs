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
mod message_reader;
mod message_writer;
mod open;
mod output;
mod read_loop;
mod reader;
mod shared;
mod socket_timeout;
mod split;
mod websocket;
mod write_loop;
mod writer;

use std::{
    io::{self, ErrorKind},
    net::TcpStream,
    time::Instant,
};

use self::socket_timeout::SocketHooks;
pub use self::{
    byte_stream::{ByteReader, ByteStream, ByteWriter},
    connect::{connect_addresses, connect_tcp},
    incoming::Incoming,
    message_reader::MessageReader,
    message_writer::MessageWriter,
    reader::Reader,
    websocket::WebSocket,
    writer::Writer,
};
use super::{Error, Settings, handshake};
use crate::{Accept, ClientRequest, Connection, handshake::Response};

/// Connects to a `ws` URL over TCP, with TCP_NODELAY set.
///
/// For a `wss` URL, connect a TLS stream over [`connect_tcp`] and pass it to [`WebSocket::client`].
/// For headers and subprotocols, use [`connect_with`].
///
/// If the host has several addresses, the first one that answers is used: see
/// [`connect_addresses`]. [`Timeouts::handshake`](crate::timers::Timeouts::handshake) limits all of
/// it: the resolution of the name, connecting, and the opening handshake.
///
/// # Errors
/// The URL is invalid, the transport failed, or the server violated the protocol,
/// [refused](Error::Refused) or took too long.
pub fn connect(url: &str) -> Result<WebSocket<TcpStream>, Error> {
    let (ws, _response) = connect_with(&ClientRequest::new(url)?, Settings::default())?;
    Ok(ws)
}

/// Connects over TCP with the given request and settings. Also returns the response of the server.
///
/// # Errors
/// Those of [`connect`](connect()). A `wss` URL is `Unsupported`.
pub fn connect_with(
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<TcpStream>, Response<'static>), Error> {
    handshake::check_is_plain(request)?;
    let settings = settings.into();
    let started = Instant::now();
    let tcp = connect_tcp(request.host(), request.port(), settings.timeouts.handshake)?;
    WebSocket::connect(tcp, request, &settings, Some(SocketHooks::TCP), started)
}

/// Opens a connection as a client over a TCP stream that is connected already. Sets TCP_NODELAY.
///
/// # Errors
/// Those of [`WebSocket::client`].
pub fn client(
    tcp: TcpStream,
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<TcpStream>, Response<'static>), Error> {
    tcp.set_nodelay(true)?;
    WebSocket::connect(tcp, request, &settings.into(), Some(SocketHooks::TCP), Instant::now())
}

/// Accepts a WebSocket on a TCP stream with default settings. Sets TCP_NODELAY. It may come from a
/// page of the server's own origin, or from a client that is no browser: others get a response with
/// status 403 (RFC 6455, section 10.2).
///
/// [`Accept`] says what that is against, and has the settings to allow other pages and to name the
/// server's hosts: pass them to [`Incoming::accept`], after [`incoming`](fn@incoming).
///
/// # Errors
/// Those of [`Incoming::new`] and [`Incoming::accept`].
pub fn accept(tcp: TcpStream) -> Result<WebSocket<TcpStream>, Error> {
    incoming(tcp, Settings::default())?.accept(&Accept::new())
}

/// Waits for a client's request on a TCP stream. The application accepts or rejects it. Sets
/// TCP_NODELAY.
///
/// # Errors
/// Those of [`Incoming::new`].
pub fn incoming(tcp: TcpStream, settings: impl Into<Settings>) -> Result<Incoming<TcpStream>, Error> {
    tcp.set_nodelay(true)?;
    Incoming::read(WebSocket::server(tcp, &settings.into(), Some(SocketHooks::TCP)))
}

/// Continues a connection over TCP whose opening handshake is done: see [`WebSocket::upgraded`].
#[must_use]
pub fn upgraded(tcp: TcpStream, engine: Connection, settings: impl Into<Settings>) -> WebSocket<TcpStream> {
    WebSocket::from_engine(tcp, engine, &settings.into(), Some(SocketHooks::TCP))
}

/// Returns whether an error of a stream ends the connection. After another one, the call can be
/// repeated.
fn is_fatal(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::WriteZero
    )
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
