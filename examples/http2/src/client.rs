//! A client: many WebSockets on one HTTP/2 connection.

use std::{error, fmt, io, time::Duration};

use bytes::Bytes;
use h2::{Ping, RecvStream, client::SendRequest, ext::Protocol};
use sockless::{
    ClientRequest, Config, Connection,
    adapter::{self, Settings},
    error::{LocalHandshakeError, ResponseError},
    handshake::Negotiated,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use crate::{CONNECTION_WINDOW, MAX_STREAMS, STREAM_WINDOW, stream::Stream, stream::io_error};

/// A WebSocket on a stream of HTTP/2.
pub type WebSocket = adapter::tokio::WebSocket<Stream>;

/// The limit on the headers of a response, in bytes.
const MAX_HEADERS: u32 = 16 << 10;

/// How many bytes of the body of a refusal are kept.
const MAX_REFUSAL_BODY: usize = 64 << 10;

/// How long the server may take, by default: see [`Http2::connect_within`].
const LIMIT: Duration = Duration::from_secs(10);

/// One HTTP/2 connection. A clone is another handle of the same connection, which ends when all
/// handles and all WebSockets on it are dropped.
#[derive(Clone)]
pub struct Http2 {
    send: SendRequest<Bytes>,
    limit: Duration,
}

impl Http2 {
    /// Begins HTTP/2 on a transport that is connected already: TCP, or TLS with the protocol `h2`
    /// negotiated by ALPN. Waits for the settings of the server.
    ///
    /// The server may take 10 seconds for each answer.
    ///
    /// # Errors
    /// The transport has failed, or the server does not speak HTTP/2, or
    /// [does not allow](Error::NotEnabled) WebSockets over it.
    pub async fn connect<T>(transport: T) -> Result<Self, Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::connect_within(transport, LIMIT).await
    }

    /// Does the same with another limit: how long the server may take for its settings, for each
    /// response, and for the body of each refusal.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_within<T>(transport: T, limit: Duration) -> Result<Self, Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, mut connection) = h2::client::Builder::new()
            .enable_push(false)
            .max_concurrent_streams(MAX_STREAMS)
            // By default, 16 MiB.
            .max_header_list_size(MAX_HEADERS)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(transport)
            .await?;
        let mut ping = connection.ping_pong();
        tokio::spawn(async move {
            // Each stream reports how the connection has failed.
            let _error = connection.await;
        });
        // A client must have received the setting (RFC 8441, section 3). The settings are the first
        // frame of a server (RFC 9113, section 3.4), so they have arrived before the answer.
        if let Some(ping) = &mut ping {
            within("settings", limit, async { Ok(ping.ping(Ping::opaque()).await?) }).await?;
        }
        if !send.is_extended_connect_protocol_enabled() {
            return Err(Error::NotEnabled);
        }
        Ok(Self { send, limit })
    }

    /// Opens a WebSocket on a stream of its own. Waits while the server allows no more streams, at
    /// most for the limit of [`connect_within`](Self::connect_within).
    ///
    /// Also returns the response, which has accepted the WebSocket.
    ///
    /// After the closing handshake, the WebSocket waits for the server to end the stream, at most
    /// for `Timeouts::close` of the settings. Apache, as a proxy, waits for the client: a shorter
    /// time loses nothing there.
    ///
    /// The configuration of the engine is `config`; the one in `settings` is not used.
    ///
    /// # Errors
    /// The request cannot be sent, the connection has failed, or the server violates the protocol
    /// or [refuses](Error::Refused).
    pub async fn open(
        &self,
        request: &ClientRequest,
        config: Config,
        settings: Settings,
    ) -> Result<(WebSocket, http::Response<()>), Error> {
        let (stream, response, negotiated) = self.open_stream(request, &config).await?;
        let engine = engine(&negotiated, config)?;
        Ok((adapter::tokio::upgraded(stream, engine, settings), response))
    }

    /// Opens a WebSocket as [`open`](Self::open) does, and returns its stream, for a program that
    /// passes the bytes on.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub async fn open_stream(
        &self,
        request: &ClientRequest,
        config: &Config,
    ) -> Result<(Stream, http::Response<()>, Negotiated), Error> {
        let (mut request, expected) = request.to_http_connect(config)?;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let (response, send) = within("response", self.limit, async {
            let mut send = self.send.clone().ready().await?;
            let (response, send) = send.send_request(request, false)?;
            Ok((response.await?, send))
        })
        .await?;
        let (parts, recv) = response.into_parts();
        let response = http::Response::from_parts(parts, ());
        let Some(negotiated) = expected.check_http(&response)? else {
            let mut body = Vec::new();
            let _timed_out = timeout(self.limit, read_body(recv, &mut body)).await;
            return Err(Error::Refused(Box::new(response.map(|()| body))));
        };
        Ok((Stream::new(send, recv), response, negotiated))
    }
}

/// Waits for the server, with a limit.
async fn within<T>(what: &str, limit: Duration, waiting: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match timeout(limit, waiting).await {
        Ok(result) => result,
        Err(_) => {
            let text = format!("the server has sent no {what} within {limit:?}");
            Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, text)))
        }
    }
}

/// Returns the engine of a WebSocket on a stream of [`open_stream`](Http2::open_stream), with a
/// seed for its mask keys from the operating system.
///
/// # Errors
/// The operating system has no random bytes.
pub fn engine(negotiated: &Negotiated, config: Config) -> Result<Connection, Error> {
    Ok(Connection::upgraded_client(negotiated, config, seed()?))
}

/// Returns a seed for mask keys from the operating system, for an engine that is not that of
/// [`engine`], such as one that is recorded.
///
/// # Errors
/// The operating system has no random bytes.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// Reads the body of a refusal, as far as it comes and is not too long.
async fn read_body(mut recv: RecvStream, body: &mut Vec<u8>) {
    while body.len() < MAX_REFUSAL_BODY {
        let Some(Ok(data)) = recv.data().await else { break };
        body.extend_from_slice(&data);
        let _released = recv.flow_control().release_capacity(data.len());
    }
    body.truncate(MAX_REFUSAL_BODY);
}

/// Why no WebSocket was opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The connection or the stream has failed.
    Io(io::Error),
    /// The server has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1 (RFC 8441, section
    /// 3). Open the WebSocket over HTTP/1.1.
    NotEnabled,
    /// The request cannot be sent.
    Request(LocalHandshakeError),
    /// The server has violated the protocol.
    Response(ResponseError),
    /// The server has responded with another status than 2xx.
    Refused(Box<http::Response<Vec<u8>>>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotEnabled => f.write_str(
                "the server does not allow WebSockets over HTTP/2: it has not sent \
                 SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 (RFC 8441, section 3)",
            ),
            Self::Request(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
            Self::Refused(response) => {
                write!(f, "the server refused the WebSocket with status {}", response.status())
            }
        }
    }
}

impl error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<h2::Error> for Error {
    fn from(error: h2::Error) -> Self {
        Self::Io(io_error(error))
    }
}

impl From<LocalHandshakeError> for Error {
    fn from(error: LocalHandshakeError) -> Self {
        Self::Request(error)
    }
}

impl From<ResponseError> for Error {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}
