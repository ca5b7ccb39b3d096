//! A server's connection between the request and the response.

use std::{
    io::{Read, Write},
    time::Instant,
};

use super::{Settings, WebSocket};
use crate::{
    Accept, Request,
    adapter::{Error, handshake},
    error::LocalHandshakeError,
};

/// A client's request that the application decides on.
///
/// ```
/// use std::net::TcpStream;
/// use sockless::{Accept, adapter::{Error, std_net::Incoming}};
///
/// fn serve(incoming: Incoming<TcpStream>) -> Result<(), Error> {
///     // "user:password" in Base64 (RFC 7617, section 2).
///     let expected = Some(&b"Basic dXNlcjpwYXNzd29yZA=="[..]);
///     if incoming.request().headers().get("authorization") != expected {
///         let headers = [("WWW-Authenticate", "Basic realm=\"chat\"")];
///         incoming.reject(401, &headers, b"credentials are needed")?;
///         return Ok(());
///     }
///     let chosen = incoming.request().choose_subprotocol(&["chat.v1"]);
///     let accept = Accept::new().subprotocol(chosen);
///     let mut ws = incoming.accept(&accept)?;
///     while let Some(message) = ws.recv()? {
///         ws.send(message)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "a request is answered with `accept` or `reject`"]
pub struct Incoming<S> {
    ws: WebSocket<S>,
    request: Request<'static>,
}

impl<S: Read + Write> Incoming<S> {
    /// Waits for the request.
    ///
    /// # Errors
    /// The transport failed, the client takes too long, or the request is invalid: then the client
    /// was sent an error response.
    pub fn new(stream: S, settings: impl Into<Settings>) -> Result<Self, Error> {
        Self::read(WebSocket::server(stream, &settings.into(), None))
    }

    pub(super) fn read(mut ws: WebSocket<S>) -> Result<Self, Error> {
        loop {
            if let Some(request) = handshake::request(ws.recv_event()?) {
                return request.map(|request| Self { ws, request });
            }
        }
    }

    /// Returns the request.
    #[must_use]
    pub const fn request(&self) -> &Request<'static> {
        &self.request
    }

    /// Accepts the request and opens the connection.
    ///
    /// # Errors
    /// The transport failed, or [`Accept`] does not allow the request: then the error is
    /// [`Protocol`](Error::Protocol), and the client is sent a response with status 403. Or the
    /// acceptance cannot be sent, see [`Connection::accept`](crate::Connection::accept): then the
    /// client is sent a response with status 500.
    pub fn accept(mut self, accept: &Accept<'_>) -> Result<WebSocket<S>, Error> {
        let accepted = self.ws.driver_mut().accept(&self.request, accept, Instant::now());
        self.respond(accepted)?;
        Ok(self.ws)
    }

    /// Rejects the request with another status and ends the connection: see
    /// [`Connection::reject`](crate::Connection::reject).
    ///
    /// # Errors
    /// The transport failed, or the rejection cannot be sent. Then the client is sent a response
    /// with status 500.
    pub fn reject(mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Error> {
        let rejected = self.ws.driver_mut().reject(status, headers, body);
        self.respond(rejected)?;
        self.ws.teardown();
        Ok(())
    }

    /// Writes the response that is in the output.
    fn respond(&mut self, made: Result<(), LocalHandshakeError>) -> Result<(), Error> {
        let written = self.ws.flush();
        if let Err(error) = made {
            self.ws.teardown();
            return Err(error.into());
        }
        Ok(written?)
    }
}
