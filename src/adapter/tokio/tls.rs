//! TLS with `tokio-rustls`.

use alloc::{boxed::Box, sync::Arc};
use std::io;

use rustls::{ClientConfig, ClientConnection};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::limit::Limit;
use crate::adapter::{
    Error,
    tls::{client_config, explain, failed, server_name},
};

/// Connects to a server whose certificate must have the name `host`. `unread` was read from the
/// stream.
pub(super) async fn connect(
    tcp: TcpStream,
    host: &str,
    config: Option<&Arc<ClientConfig>>,
    unread: &[u8],
    limit: Limit,
) -> Result<Box<TlsStream<TcpStream>>, Error> {
    let config = client_config(config).map_err(|error| failed(Some(host), error))?;
    let name = server_name(host)?;
    let mut fed = Ok(());
    // In a box at once: the future is large.
    let connecting = Box::pin(TlsConnector::from(config).connect_with(name, tcp, |connection| {
        fed = feed(connection, unread);
    }));
    let explain = |error| explain(Some(host), error);
    fed.map_err(explain)?;
    limit
        .run(async { connecting.await.map(Box::new).map_err(explain) })
        .await
}

fn feed(connection: &mut ClientConnection, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        connection.read_tls(&mut bytes)?;
        connection
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    }
    Ok(())
}
