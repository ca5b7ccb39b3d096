//! A client: many WebSockets on one HTTP/3 connection.

use std::{error, fmt, future::poll_fn, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http3::{
    ConnectionState,
    error::{Code, ConnectionError},
    proto::frame::Frame,
    quic::OpenStreams,
};
use sockless::{
    ClientRequest, Config, Connection,
    adapter::{self, Settings},
    error::{LocalHandshakeError, ResponseError},
    handshake::Negotiated,
};
use tokio::{sync::watch, time::timeout};

use crate::{
    LIMIT, MAX_HEADERS, WebSocket, quic,
    request::{self, Fields, Receiver, headers_frame},
    stream::Stream,
};

/// How many bytes of the body of a refusal are kept.
const MAX_REFUSAL_BODY: usize = 64 << 10;

/// One HTTP/3 connection. A clone is another handle of the same connection, which ends when all
/// handles and all WebSockets on it are dropped.
#[derive(Clone)]
pub struct Http3 {
    handle: Arc<Handle>,
}

/// Closes the connection with the last handle.
struct Handle {
    connection: quinn::Connection,
    /// What the server has said.
    server: watch::Receiver<Server>,
}

/// What the server has said on the control stream.
#[derive(Debug, Default, Clone, Copy)]
struct Server {
    /// Its settings have arrived, with this value of SETTINGS_ENABLE_CONNECT_PROTOCOL.
    extended_connect: Option<bool>,
    /// It accepts no more requests.
    is_going_away: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.connection.close(quic::varint(Code::H3_NO_ERROR), b"");
    }
}

impl Http3 {
    /// Connects to a server, whose certificate must have this name. Waits for its settings.
    ///
    /// # Errors
    /// There is no connection, or the server [does not allow](Error::NotEnabled) WebSockets over
    /// it.
    pub async fn connect(endpoint: &quinn::Endpoint, address: SocketAddr, name: &str) -> Result<Self, Error> {
        let connecting = endpoint.connect(address, name).map_err(io::Error::other)?;
        let connected = within("handshake", async { Ok(connecting.await.map_err(io::Error::from)?) });
        Self::begin(connected.await?).await
    }

    /// Begins HTTP/3 on a connection of QUIC with the protocol `h3` negotiated by ALPN.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn begin(connection: quinn::Connection) -> Result<Self, Error> {
        let mut builder = http3::client::builder();
        builder
            .max_field_section_size(u64::from(MAX_HEADERS))
            .send_grease(false);
        let built = builder.build::<_, _, Bytes>(quic::Connection::new(connection.clone()));
        let (http3, sender) = within("room for a control stream", async { built.await.map_err(Error::from) }).await?;
        let (tell, server) = watch::channel(Server::default());
        tokio::spawn(async move {
            drive(http3, &tell).await;
            // If it is dropped, the connection ends.
            drop(sender);
        });
        let mut arrived = server.clone();
        let handle = Arc::new(Handle { connection, server });
        // A client must have received the setting (RFC 9220, section 3).
        let server = within("settings", async {
            let arrived = arrived.wait_for(|server| server.extended_connect.is_some()).await;
            arrived.map(|server| *server).map_err(|_| closed(&handle.connection))
        });
        if server.await?.extended_connect != Some(true) {
            return Err(Error::NotEnabled);
        }
        Ok(Self { handle })
    }

    /// Opens a WebSocket on a stream of its own. Waits while the server allows no more streams, at
    /// most for [`LIMIT`].
    ///
    /// Also returns the fields of the response, which has accepted the WebSocket.
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
    ) -> Result<(WebSocket, Fields), Error> {
        let Handle { connection, server } = &*self.handle;
        let (fields, expected) = request.connect_fields(&config)?;
        let frame = headers_frame(fields.iter())?;
        if server.borrow().is_going_away {
            return Err(Error::GoingAway);
        }
        let opening = async { Ok(connection.open_bi().await.map_err(io::Error::from)?) };
        let (send, recv) = within("room for a stream", opening).await?;
        let (mut stream, response) = within("response", async {
            let recv = Receiver::new(connection.clone(), recv);
            let mut stream = Stream::new(send, recv, Some(self.handle.clone()));
            stream.send_frames(&frame).await?;
            let response = read_response(stream.receiver()).await?;
            Ok((stream, response))
        })
        .await?;
        let status = response.status().unwrap_or_default();
        let Some(negotiated) = expected.check_response(status, response.headers())? else {
            let mut body = Vec::new();
            let _timed_out = timeout(LIMIT, read_body(&mut stream, &mut body)).await;
            return Err(Error::Refused(Box::new(Refusal {
                status,
                fields: response,
                body,
            })));
        };
        let engine = engine(&negotiated, config)?;
        Ok((adapter::tokio::upgraded(stream, engine, settings), response))
    }
}

/// Handles what arrives for the connection, until it ends.
async fn drive(mut http3: http3::client::Connection<quic::Connection, Bytes>, tell: &watch::Sender<Server>) {
    // It ends with an error, also after H3_NO_ERROR; each stream reports it.
    while let Ok(frame) = poll_fn(|cx| http3.inner.poll_control(cx)).await {
        match frame {
            Frame::Settings(_) => {
                let enabled = http3.settings().enable_extended_connect();
                tell.send_modify(|server| server.extended_connect = Some(enabled));
            }
            Frame::Goaway(_) => tell.send_modify(|server| server.is_going_away = true),
            _ => {
                let text = b"a frame that is not for the control stream";
                http3.inner.conn.close(Code::H3_FRAME_UNEXPECTED, text);
            }
        }
    }
}

/// Reads the final response.
async fn read_response(recv: &mut Receiver) -> Result<Fields, Error> {
    loop {
        let Some(fields) = recv.headers().await? else {
            let text = "the response is malformed";
            return Err(request::Error::Stream(Code::H3_MESSAGE_ERROR, text).into());
        };
        // Responses with 1xx precede it (RFC 9114, section 4.1).
        if !matches!(fields.status(), Some(100..200)) {
            return Ok(fields);
        }
    }
}

/// Waits for something from the server, with a limit.
async fn within<T>(what: &str, waiting: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match timeout(LIMIT, waiting).await {
        Ok(result) => result,
        Err(_) => {
            let text = format!("no {what} from the server within {LIMIT:?}");
            Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, text)))
        }
    }
}

/// Why the connection has closed.
fn closed(connection: &quinn::Connection) -> Error {
    match connection.close_reason() {
        Some(error) => Error::Io(error.into()),
        None => Error::Io(io::ErrorKind::NotConnected.into()),
    }
}

/// Returns the engine of a WebSocket, with a seed for its mask keys from the operating system.
fn engine(negotiated: &Negotiated, config: Config) -> Result<Connection, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Connection::upgraded_client(negotiated, config, seed))
}

/// Reads the body of a refusal, as far as it comes and is not too long.
async fn read_body(stream: &mut Stream, body: &mut Vec<u8>) {
    use tokio::io::AsyncReadExt;
    let _cut_off = stream.take(MAX_REFUSAL_BODY as u64).read_to_end(body).await;
}

/// A response with another status than 2xx.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// All fields.
    pub fields: Fields,
    /// The body; at most 64 KiB of it.
    pub body: Vec<u8>,
}

/// Why no WebSocket was opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The connection or the stream has failed.
    Io(io::Error),
    /// The server has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1 (RFC 9220, section
    /// 3). Open the WebSocket over HTTP/1.1.
    NotEnabled,
    /// The server accepts no more requests on this connection (GOAWAY). Open another one.
    GoingAway,
    /// The request cannot be sent.
    Request(LocalHandshakeError),
    /// The server has violated the protocol.
    Response(ResponseError),
    /// The server has responded with another status than 2xx.
    Refused(Box<Refusal>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotEnabled => f.write_str(
                "the server does not allow WebSockets over HTTP/3: it has not sent \
                 SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 (RFC 9220, section 3)",
            ),
            Self::GoingAway => f.write_str("the server accepts no more requests on this connection"),
            Self::Request(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
            Self::Refused(refusal) => {
                write!(f, "the server refused the WebSocket with status {}", refusal.status)
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

impl From<request::Error> for Error {
    fn from(error: request::Error) -> Self {
        Self::Io(error.into())
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::Io(io::Error::other(error))
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
