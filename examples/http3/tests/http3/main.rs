//! WebSockets over HTTP/3 on the loopback interface: the client and the server of this package.

#[path = "../../../http2/tests/carrier/mod.rs"]
mod carrier;
mod deadlines;
mod endings;
mod frames;
mod refusals;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use quinn::{ClientConfig, Endpoint, ServerConfig, VarInt};
use sockless::{Accept, ClientRequest, Config, adapter};
use sockless_http3::{
    STREAM_WINDOW, WebSocket,
    client::{Error, Http3 as Carrier},
    request::{Receiver, headers_frame},
    server::{self, Incoming},
    tls,
};
use tokio::sync::{Notify, mpsc::UnboundedSender};

use crate::carrier::{End, Ends, config, serve, settings};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How many WebSockets one connection carries besides one that is stalled.
const MANY: usize = 300;

/// Whether a connection was lost.
fn is_lost(error: &adapter::Error) -> bool {
    matches!(error, adapter::Error::Io(_))
}

/// A server in the same process. It echoes messages, except those of `/unread`, which it does not
/// receive.
struct Server {
    address: SocketAddr,
    /// A client endpoint that trusts the server.
    client: Endpoint,
    ends: Ends,
    /// Makes the server end all connections, after the streams that are open (GOAWAY).
    shutdown: Arc<Notify>,
    /// Makes the server drop all connections.
    drop: Arc<Notify>,
}

/// Returns an endpoint of a server, and one of a client that trusts it.
fn endpoints() -> (Endpoint, Endpoint) {
    endpoints_with(|_, _| {})
}

/// Returns the same, with settings that are changed.
fn endpoints_with(change: impl FnOnce(&mut ServerConfig, &mut ClientConfig)) -> (Endpoint, Endpoint) {
    let certificate = tls::Certificate::new(&["localhost"]).unwrap();
    let mut server_config = tls::server_config(&certificate).unwrap();
    let mut client_config = tls::client_config([certificate.der()]).unwrap();
    change(&mut server_config, &mut client_config);
    let server = Endpoint::server(server_config, ANY_PORT).unwrap();
    let mut client = Endpoint::client(ANY_PORT).unwrap();
    client.set_default_client_config(client_config);
    (server, client)
}

impl Server {
    fn start() -> Self {
        let (endpoint, client) = endpoints();
        let (send, ends) = Ends::new();
        let (shutdown, drop) = <(Arc<Notify>, Arc<Notify>)>::default();
        let server = Self {
            address: endpoint.local_addr().unwrap(),
            client,
            ends,
            shutdown: shutdown.clone(),
            drop: drop.clone(),
        };
        tokio::spawn(async move {
            while let Some(connecting) = endpoint.accept().await {
                let (shutdown, drop, send) = (shutdown.clone(), drop.clone(), send.clone());
                tokio::spawn(async move {
                    let Ok(connection) = connecting.await else { return };
                    let closing = connection.clone();
                    tokio::spawn(async move {
                        drop.notified().await;
                        closing.close(VarInt::from_u32(0x102), b"dropped");
                    });
                    let respond = move |incoming| respond(incoming, send.clone());
                    let _end = server::serve(connection, shutdown.notified(), respond).await;
                });
            }
        });
        server
    }

    async fn connect(&self) -> Carrier {
        Carrier::connect(&self.client, self.address, "localhost").await.unwrap()
    }

    /// A client of QUIC, which has sent empty settings.
    async fn raw(&self) -> Raw {
        let connecting = self.client.connect(self.address, "localhost").unwrap();
        let connection = connecting.await.unwrap();
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(&[0, 4, 0]).await.unwrap();
        Raw {
            connection,
            _control: control,
        }
    }

    fn request(&self, path: &str) -> ClientRequest {
        ClientRequest::new(&format!("wss://{}{path}", self.address)).unwrap()
    }

    async fn open(&self, carrier: &Carrier, path: &str, config: Config) -> Result<WebSocket, Error> {
        let (ws, _response) = carrier.open(&self.request(path), config, settings()).await?;
        Ok(ws)
    }
}

/// Accepts every WebSocket, with compression if the client offers it.
async fn respond(incoming: Incoming, ends: UnboundedSender<End>) {
    let fields = incoming.fields().clone();
    let Ok(ws) = incoming.accept(&Accept::new(), config(true), settings()).await else {
        return;
    };
    let path = fields.pseudo_headers().find(|(name, _)| *name == ":path").unwrap().1;
    let end = serve(ws, path).await;
    let _closed = ends.send((path.to_owned(), end));
}

/// A client that sends what it is told to.
struct Raw {
    connection: quinn::Connection,
    _control: quinn::SendStream,
}

impl Raw {
    /// Sends bytes on a new request stream, and leaves it open.
    async fn send(&self, bytes: &[u8]) -> (quinn::SendStream, Receiver) {
        let (mut send, recv) = self.connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        (send, Receiver::new(self.connection.clone(), recv))
    }

    /// Checks that a valid request is accepted.
    async fn check(&self) {
        let (_send, mut recv) = self.send(&headers_frame(VALID).unwrap()).await;
        let response = recv.headers().await.unwrap().unwrap();
        assert_eq!(response.status(), Some(200));
    }

    /// Returns the error code with which the server closes the connection.
    async fn closed(&self) -> u64 {
        match self.connection.closed().await {
            quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            error => panic!("{error}"),
        }
    }
}

/// A valid request.
const VALID: [(&str, &str); 6] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/raw"),
    ("sec-websocket-version", "13"),
];
