//! Opening a connection, and continuing one whose opening handshake is done.

use alloc::boxed::Box;
use std::time::Instant;

use super::{Clock, Settings, Transport, WebSocket, access::Unsplit, input::Input, socket::Socket};
use crate::{
    ClientRequest, Connection,
    adapter::{Error, driver::Driver, handshake},
    handshake::Response,
};

impl<T: Transport, C: Clock> WebSocket<T, C> {
    /// Opens a connection as a client over a transport that is connected already.
    ///
    /// Cancelling ends the connection.
    ///
    /// # Errors
    /// The request cannot be sent, the transport fails, or the server violates the protocol,
    /// [refuses](Error::Refused), or takes too long.
    pub async fn client(
        transport: T,
        clock: C,
        request: &ClientRequest,
        settings: impl Into<Settings>,
    ) -> Result<(Self, Response<'static>), Error> {
        let started = clock.now();
        Self::connect(transport, clock, request, &settings.into(), &[], started).await
    }

    /// `unread` was read from the transport. The time for the opening handshake begins at
    /// `started`.
    pub(in crate::adapter) async fn connect(
        transport: T,
        clock: C,
        request: &ClientRequest,
        settings: &Settings,
        unread: &[u8],
        started: Instant,
    ) -> Result<(Self, Response<'static>), Error> {
        let driver = Driver::client(request, settings, started)?;
        let mut ws = Self::new(transport, clock, driver).read_ahead(unread);
        loop {
            if let Some(response) = handshake::response(ws.recv_event().await?) {
                return response.map(|response| (ws, response));
            }
        }
    }

    /// Continues a connection whose opening handshake is done, with an engine from
    /// [`Connection::upgraded_server`] or [`Connection::upgraded_client`].
    ///
    /// [`Settings::config`] has no effect: the engine has its own.
    #[must_use]
    pub fn upgraded(transport: T, clock: C, engine: Connection, settings: impl Into<Settings>) -> Self {
        let driver = Driver::upgraded(engine, &settings.into(), clock.now());
        Self::new(transport, clock, driver)
    }

    /// Adds bytes that were read from the transport together with the opening handshake. The
    /// connection processes them before what it reads.
    #[must_use]
    pub fn read_ahead(mut self, bytes: &[u8]) -> Self {
        self.unsplit.input.append(bytes);
        self
    }

    pub(super) fn new(transport: T, clock: C, driver: Driver) -> Self {
        let input = Input::new(Some(clock.now()));
        let socket = Socket::new(transport, clock, driver);
        Self {
            unsplit: Box::new(Unsplit { socket, input }),
        }
    }
}
