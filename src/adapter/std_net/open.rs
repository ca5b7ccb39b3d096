//! Opening a connection, and continuing one whose opening handshake is done.

use std::{
    io::{Read, Write},
    time::Instant,
};

use super::{
    Settings, WebSocket, access::Core, read_loop::ReadLoop, socket::SocketHooks, unsplit::Unsplit,
    write_loop::WriteLoop,
};
use crate::{
    ClientRequest, Connection, Event,
    adapter::{Error, driver::Driver, handshake},
    handshake::Response,
};

impl<S: Read + Write> WebSocket<S> {
    /// Opens a connection as a client over a stream that is connected already: TCP, or TLS for a
    /// `wss` URL.
    ///
    /// # Errors
    /// The request cannot be sent, the transport fails, or the server violates the protocol,
    /// [refuses](Error::Refused), or takes too long.
    pub fn client(
        stream: S,
        request: &ClientRequest,
        settings: impl Into<Settings>,
    ) -> Result<(Self, Response<'static>), Error> {
        Self::connect(stream, request, &settings.into(), None, &[], Instant::now())
    }

    /// `unread` was read from the stream. The time for the opening handshake begins at `started`.
    pub(super) fn connect(
        stream: S,
        request: &ClientRequest,
        settings: &Settings,
        hooks: Option<SocketHooks<S>>,
        unread: &[u8],
        started: Instant,
    ) -> Result<(Self, Response<'static>), Error> {
        let driver = Driver::client(request, settings, started)?;
        let mut ws = Self::new(stream, driver, hooks).read_ahead(unread);
        loop {
            // After a timeout that the application has set, too, what is known of a refusal.
            let received = ws.recv_event().or_else(|error| {
                let outcome = ws.driver_mut().transport_lost(error)?;
                Ok::<_, Error>(outcome.map(Event::Refused))
            });
            if let Some(response) = handshake::response(received?) {
                return response.map(|response| (ws, response));
            }
        }
    }

    /// Creates the connection of a server that waits for a request.
    pub(super) fn server(stream: S, settings: &Settings, hooks: Option<SocketHooks<S>>) -> Self {
        let driver = Driver::server(settings, Instant::now());
        Self::new(stream, driver, hooks)
    }

    /// Continues a connection whose opening handshake is done, with an engine from
    /// [`Connection::upgraded_server`] or [`Connection::upgraded_client`].
    ///
    /// [`Settings::config`] has no effect: the engine has its own.
    #[must_use]
    pub fn upgraded(stream: S, engine: Connection, settings: impl Into<Settings>) -> Self {
        Self::from_engine(stream, engine, &settings.into(), None)
    }

    pub(super) fn from_engine(
        stream: S,
        engine: Connection,
        settings: &Settings,
        hooks: Option<SocketHooks<S>>,
    ) -> Self {
        let driver = Driver::upgraded(engine, settings, Instant::now());
        Self::new(stream, driver, hooks)
    }

    fn new(stream: S, driver: Driver, hooks: Option<SocketHooks<S>>) -> Self {
        Self {
            unsplit: Unsplit {
                core: Core::new(driver),
                write_loop: WriteLoop::new(stream, hooks.as_ref()),
            },
            read_loop: ReadLoop::new(hooks),
        }
    }

    /// Adds bytes that were read from the stream together with the opening handshake. The
    /// connection processes them before what it reads.
    #[must_use]
    pub fn read_ahead(mut self, bytes: &[u8]) -> Self {
        self.read_loop.input.append(bytes);
        self
    }
}
