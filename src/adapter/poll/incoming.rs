//! A server's connection between request and answer.

use std::io;

use super::{Clock, Settings, Transport, WebSocket};
use crate::{
    Accept, Event, LocalHandshakeError, Request,
    adapter::{Error, driver::Driver},
};

/// A client's request that waits for a decision.
#[derive(Debug)]
pub struct Incoming<T, C = ()> {
    ws: WebSocket<T, C>,
    request: Request<'static>,
}

impl<T: Transport, C: Clock> Incoming<T, C> {
    /// Reads the opening handshake.
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The transport fails, the client takes too long, or its request is invalid and was answered so.
    pub async fn new(transport: T, clock: C, settings: impl Into<Settings>) -> Result<Self, Error> {
        let driver = Driver::server(&settings.into(), clock.now());
        let mut ws = WebSocket::new(transport, clock, driver);
        loop {
            match ws.recv_event().await? {
                Some(Event::Request(request)) => return Ok(Self { ws, request }),
                Some(_) => {}
                None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            }
        }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request<'static> {
        &self.request
    }

    /// Opens the connection.
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The transport fails, or the acceptance cannot be sent: see [`Connection::accept`](crate::Connection::accept). The client then gets a 500.
    pub async fn accept(mut self, accept: &Accept<'_>) -> Result<WebSocket<T, C>, Error> {
        let now = self.ws.socket.now();
        let accepted = self.ws.socket.driver.accept(&self.request, accept, now);
        self.answered(accepted).await?;
        Ok(self.ws)
    }

    /// Answers with another status and ends the connection: see [`Connection::reject`](crate::Connection::reject).
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The transport fails, or the rejection cannot be sent. The client then gets a 500.
    pub async fn reject(mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Error> {
        let rejected = self.ws.socket.driver.reject(status, headers, body);
        self.answered(rejected).await?;
        while self.ws.recv_event().await?.is_some() {}
        Ok(())
    }

    /// Writes the answer. If it could not be made, the client is not left without one.
    async fn answered(&mut self, answer: Result<(), LocalHandshakeError>) -> Result<(), Error> {
        if answer.is_err() {
            let _made = self.ws.socket.driver.reject(500, &[], b"");
            let _ended = self.ws.recv_event().await;
        }
        answer?;
        Ok(self.ws.flush().await?)
    }
}
