//! A server's connection between request and answer.

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use super::{Settings, WebSocket, patience::Means};
use crate::{Accept, Event, LocalHandshakeError, Request, adapter::Error};

/// A client's request that waits for a decision.
#[derive(Debug)]
pub struct Incoming<S> {
    ws: WebSocket<S>,
    request: Request<'static>,
}

impl<S: Read + Write> Incoming<S> {
    /// Reads the opening handshake.
    ///
    /// # Errors
    /// The transport fails, or the request is invalid and was answered so.
    pub fn new(stream: S, settings: impl Into<Settings>) -> Result<Self, Error> {
        Self::read(WebSocket::waiting(stream, &settings.into(), Means::NONE))
    }

    pub(super) fn read(mut ws: WebSocket<S>) -> Result<Self, Error> {
        loop {
            match ws.recv_event()? {
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
    /// # Errors
    /// The transport fails, or the acceptance cannot be sent: see [`Connection::accept`](crate::Connection::accept). The client then gets a 500.
    pub fn accept(mut self, accept: &Accept<'_>) -> Result<WebSocket<S>, Error> {
        let accepted = self.ws.driver.accept(&self.request, accept, Instant::now());
        self.answered(accepted)?;
        Ok(self.ws)
    }

    /// Answers with another status and ends the connection: see [`Connection::reject`](crate::Connection::reject).
    ///
    /// # Errors
    /// The transport fails, or the rejection cannot be sent. The client then gets a 500.
    pub fn reject(mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Error> {
        let rejected = self.ws.driver.reject(status, headers, body);
        self.answered(rejected)?;
        self.ws.finish();
        Ok(())
    }

    /// Writes the answer. If it could not be made, the client is not left without one.
    fn answered(&mut self, answer: Result<(), LocalHandshakeError>) -> Result<(), Error> {
        if answer.is_err() {
            let _made = self.ws.driver.reject(500, &[], b"");
            let _written = self.ws.flush();
            self.ws.finish();
        }
        answer?;
        Ok(self.ws.flush()?)
    }
}
