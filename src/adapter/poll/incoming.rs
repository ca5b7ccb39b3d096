//! A server's connection between the request and the response.

use super::{Clock, Settings, Transport, WebSocket};
use crate::{
    Accept, Request,
    adapter::{Error, driver::Driver, handshake},
    error::LocalHandshakeError,
};

/// A client's request that the application decides on.
///
/// ```
/// use sockless::{Accept, adapter::{Error, poll::{Clock, Incoming, Transport}}};
///
/// async fn serve<T: Transport, C: Clock>(incoming: Incoming<T, C>) -> Result<(), Error> {
///     // "user:password" in Base64 (RFC 7617, section 2).
///     let expected = Some(&b"Basic dXNlcjpwYXNzd29yZA=="[..]);
///     if incoming.request().headers().get("authorization") != expected {
///         let headers = [("WWW-Authenticate", "Basic realm=\"chat\"")];
///         incoming.reject(401, &headers, b"credentials are needed").await?;
///         return Ok(());
///     }
///     let chosen = incoming.request().choose_subprotocol(&["chat.v1"]);
///     let accept = Accept::new().subprotocol(chosen);
///     let mut ws = incoming.accept(&accept).await?;
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "a request is answered with `accept` or `reject`"]
pub struct Incoming<T, C = ()> {
    ws: WebSocket<T, C>,
    request: Request<'static>,
}

impl<T: Transport, C: Clock> Incoming<T, C> {
    /// Waits for the request.
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The transport failed, the client takes too long, or the request is invalid: then the client
    /// was sent an error response.
    pub async fn new(transport: T, clock: C, settings: impl Into<Settings>) -> Result<Self, Error> {
        let driver = Driver::server(&settings.into(), clock.now());
        let mut ws = WebSocket::new(transport, clock, driver);
        loop {
            if let Some(request) = handshake::request(ws.recv_event().await?) {
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
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The transport failed, or [`Accept`] does not allow the request: then the error is
    /// [`Protocol`](Error::Protocol), and the client is sent a response with status 403. Or the
    /// acceptance cannot be sent, see [`Connection::accept`](crate::Connection::accept): then the
    /// client is sent a response with status 500.
    pub async fn accept(mut self, accept: &Accept<'_>) -> Result<WebSocket<T, C>, Error> {
        let now = self.ws.unsplit.socket.clock.now();
        let accepted = self.ws.unsplit.socket.driver.accept(&self.request, accept, now);
        self.respond(accepted).await?;
        Ok(self.ws)
    }

    /// Rejects the request with another status and ends the connection: see
    /// [`Connection::reject`](crate::Connection::reject).
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The transport failed, or the rejection cannot be sent. Then the client is sent a response
    /// with status 500.
    pub async fn reject(mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Error> {
        let rejected = self.ws.unsplit.socket.driver.reject(status, headers, body);
        self.respond(rejected).await?;
        while self.ws.recv_event().await?.is_some() {}
        Ok(())
    }

    /// Writes the response that is in the output.
    async fn respond(&mut self, made: Result<(), LocalHandshakeError>) -> Result<(), Error> {
        if let Err(error) = made {
            let _ended = self.ws.recv_event().await;
            return Err(error.into());
        }
        Ok(self.ws.flush().await?)
    }
}
