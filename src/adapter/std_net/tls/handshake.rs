//! The TLS handshake over a blocking TCP stream.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;
use std::{io::ErrorKind, net::TcpStream};

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::{TlsStream, records::Received};
use crate::adapter::{
    Error,
    std_net::limit::{Limit, keep_timeouts},
    tls::{client_config, explain, failed, server_name},
};

impl TlsStream {
    /// Connects as a client, over a TCP stream that is connected to the server. `host` is the name
    /// or the IP address that the certificate must have; a name is sent by SNI. `limit` ends the
    /// handshake.
    ///
    /// The list for ALPN in the configuration is replaced by `http/1.1`.
    ///
    /// # Errors
    /// The handshake failed: [`Error::Tls`]. The transport failed, or the limit has passed.
    pub fn connect(
        tcp: TcpStream,
        host: &str,
        config: Arc<ClientConfig>,
        limit: impl Into<Option<Duration>>,
    ) -> Result<Self, Error> {
        Self::connect_within(tcp, host, Some(&config), &[], Limit::new(limit.into()))
    }

    /// `unread` was read from the stream.
    pub(in crate::adapter::std_net) fn connect_within(
        tcp: TcpStream,
        host: &str,
        config: Option<&Arc<ClientConfig>>,
        unread: &[u8],
        limit: Limit,
    ) -> Result<Self, Error> {
        let failed = |error| failed(Some(host), error);
        let config = client_config(config).map_err(failed)?;
        let connection = ClientConnection::new(config, server_name(host)?).map_err(failed)?;
        Self::handshake(tcp, connection.into(), Some(host), unread, limit)
    }

    /// Accepts a client, over a TCP stream. `limit` ends the handshake.
    ///
    /// A browser that offers HTTP/2 by ALPN needs a configuration that chooses `http/1.1`.
    ///
    /// # Errors
    /// The handshake failed: [`Error::Tls`]. The transport failed, or the limit has passed.
    pub fn accept(
        tcp: TcpStream,
        config: Arc<ServerConfig>,
        limit: impl Into<Option<Duration>>,
    ) -> Result<Self, Error> {
        let connection = ServerConnection::new(config).map_err(|error| failed(None, error))?;
        Self::handshake(tcp, connection.into(), None, &[], Limit::new(limit.into()))
    }

    fn handshake(
        tcp: TcpStream,
        mut connection: rustls::Connection,
        host: Option<&str>,
        unread: &[u8],
        limit: Limit,
    ) -> Result<Self, Error> {
        let mut received = Received::new(unread);
        keep_timeouts(&tcp, || {
            complete_handshake(&tcp, &mut connection, host, &mut received, limit)
        })?;
        Ok(Self::new(tcp, connection, received))
    }
}

/// Reads and writes until the handshake is complete.
fn complete_handshake(
    tcp: &TcpStream,
    connection: &mut rustls::Connection,
    host: Option<&str>,
    received: &mut Received,
    limit: Limit,
) -> Result<(), Error> {
    loop {
        let processed = received.process(connection);
        // The peer gets the alert for an error.
        while connection.wants_write() {
            let mut record = Vec::new();
            connection.write_tls(&mut record)?;
            let written = limit.write_all(tcp, &record);
            if processed.is_ok() {
                written.map_err(|error| explain_transport(host, error))?;
            }
        }
        let has_processed = processed.map_err(|error| explain(host, error))?;
        if !connection.is_handshaking() {
            return Ok(());
        }
        if has_processed {
            continue;
        }
        let read = limit.read(tcp, || received.fill(tcp));
        if read.map_err(|error| explain_transport(host, error))? == 0 {
            return Err(explain(host, ErrorKind::UnexpectedEof.into()));
        }
    }
}

fn explain_transport(host: Option<&str>, error: Error) -> Error {
    match error {
        Error::Io(error) => explain(host, error),
        error => error,
    }
}
