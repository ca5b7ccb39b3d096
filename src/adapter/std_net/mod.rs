//! Blocking connections over anything that reads and writes, `std::net::TcpStream` first of all.
//!
//! ```no_run
//! use sockless::adapter::{Message, std_net};
//!
//! let mut ws = std_net::connect("ws://127.0.0.1:9001/")?;
//! ws.send("hello")?;
//! while let Some(message) = ws.recv()? {
//!     println!("{message:?}");
//!     ws.close(sockless::CloseCode::NORMAL, "")?;
//! }
//! # Ok::<(), sockless::adapter::Error>(())
//! ```

mod access;
mod incoming;
mod input;
mod read_loop;
mod socket_timeout;
mod split;
mod websocket;
mod write_loop;

use alloc::vec::Vec;
use core::time::Duration;
use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    time::Instant,
};

use self::socket_timeout::SocketHooks;
pub use self::{
    incoming::Incoming,
    split::{Reader, Writer},
    websocket::WebSocket,
};
use super::{Error, Settings, handshake};
use crate::{Accept, ClientRequest, Connection, Response, timers::Due};

/// Connects to a `ws` URL over TCP, without Nagle's algorithm.
///
/// For `wss`, headers or subprotocols, see [`WebSocket::client`].
///
/// # Errors
/// The URL is invalid, the transport fails, the server breaks the protocol or [refuses](Error::Refused).
pub fn connect(url: &str) -> Result<WebSocket<TcpStream>, Error> {
    let (ws, _response) = connect_with(&ClientRequest::new(url)?, Settings::default())?;
    Ok(ws)
}

/// Connects over TCP with a request and settings of one's own; also returns the server's response.
///
/// # Errors
/// As [`connect`]; and `wss` is unsupported here, because TLS is another stream: see [`WebSocket::client`].
pub fn connect_with(
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<TcpStream>, Response<'static>), Error> {
    handshake::check_is_plain(request)?;
    let settings = settings.into();
    client(connect_tcp(request, settings.timeouts.handshake)?, request, settings)
}

/// Tries the addresses of the host one after another, until the deadline.
fn connect_tcp(request: &ClientRequest, limit: Option<Duration>) -> Result<TcpStream, Error> {
    let Some(limit) = limit else {
        return Ok(TcpStream::connect((request.host(), request.port()))?);
    };
    let begun = Instant::now();
    let mut last = Error::Io(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    let addresses: Vec<_> = (request.host(), request.port()).to_socket_addrs()?.collect();
    for (tried, address) in addresses.iter().enumerate() {
        // One that does not answer leaves time for the others.
        let share = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let left = limit.saturating_sub(begun.elapsed()) / share;
        if left.is_zero() {
            return Err(Error::TimedOut(Due::Handshake));
        }
        match TcpStream::connect_timeout(address, left) {
            Ok(tcp) => return Ok(tcp),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => last = Error::TimedOut(Due::Handshake),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Opens a connection over a TCP stream that is connected already, without Nagle's algorithm.
///
/// # Errors
/// The request cannot be sent, the transport fails, the server breaks the protocol or [refuses](Error::Refused).
pub fn client(
    tcp: TcpStream,
    request: &ClientRequest,
    settings: impl Into<Settings>,
) -> Result<(WebSocket<TcpStream>, Response<'static>), Error> {
    tcp.set_nodelay(true)?;
    WebSocket::connect(tcp, request, &settings.into(), SocketHooks::TCP)
}

/// Accepts a WebSocket on a TCP stream, whatever the client asks for, without Nagle's algorithm.
///
/// Whatever page it comes from, too: a server that browsers reach, and that trusts their cookies or their place in the
/// network, takes [`incoming`](fn@incoming) and checks [`Request::is_same_origin`](crate::Request::is_same_origin).
///
/// # Errors
/// The transport fails, or the request is invalid and was answered so.
pub fn accept(tcp: TcpStream) -> Result<WebSocket<TcpStream>, Error> {
    incoming(tcp, Settings::default())?.accept(&Accept::new())
}

/// Reads the opening handshake from a TCP stream, without Nagle's algorithm, and leaves the decision to the caller.
///
/// # Errors
/// The transport fails, or the request is invalid and was answered so.
pub fn incoming(tcp: TcpStream, settings: impl Into<Settings>) -> Result<Incoming<TcpStream>, Error> {
    tcp.set_nodelay(true)?;
    Incoming::read(WebSocket::server(tcp, &settings.into(), SocketHooks::TCP))
}

/// Goes on with a connection over TCP whose handshake is done: see [`WebSocket::upgraded`].
#[must_use]
pub fn upgraded(tcp: TcpStream, engine: Connection, settings: impl Into<Settings>) -> WebSocket<TcpStream> {
    WebSocket::from_engine(tcp, engine, &settings.into(), SocketHooks::TCP)
}

/// Returns whether an error of a stream ends the connection. Others are worth another try.
fn is_fatal(error: &io::Error) -> bool {
    use io::ErrorKind;
    !matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::WriteZero
    )
}

/// Ignores an error after which nothing can be written: the peer may have sent the reason, and that is still to be read.
fn unless_fatal(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if is_fatal(&error) => Ok(()),
        written => written,
    }
}
