//! A server.

use std::{fmt, future::poll_fn, io, pin::pin, task::Context, task::Poll};

use bytes::Bytes;
use http3::{
    error::{Code, ConnectionError},
    proto::frame::Frame,
    quic::{OpenStreams, StreamId},
};
use sockless::{
    Accept, Config, Connection, Request,
    adapter::{self, Settings},
    error::{LocalHandshakeError, RequestError},
};
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    LIMIT, MAX_HEADERS, WebSocket,
    quic::{self, BidiStream, varint},
    request::{self, Fields, Receiver, headers_frame},
    stream::Stream,
};

/// Serves one connection. `handle` is called with each request, in a task of its own.
///
/// When `shutdown` completes, the client is told to send no more requests (GOAWAY). The connection
/// ends after the tasks, when the client closes it or after [`LIMIT`]. To drop the future aborts
/// the tasks, and closes the connection.
///
/// # Errors
/// The connection is lost, the client violates HTTP/3, or it leaves no room for the control stream.
/// All streams report it too.
pub async fn serve<F>(
    connection: quinn::Connection,
    shutdown: impl Future<Output = ()>,
    handle: impl Fn(Incoming) -> F + Clone + Send + 'static,
) -> Result<(), ConnectionError>
where
    F: Future<Output = ()> + Send,
{
    let mut builder = http3::server::builder();
    builder
        .max_field_section_size(u64::from(MAX_HEADERS))
        // SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 (RFC 9220, section 3).
        .enable_extended_connect(true)
        .send_grease(false);
    let building = builder.build(quic::Connection::new(connection.clone()));
    let mut http3: Http3 = send_control(&connection, building).await?;
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    // The first request that is not accepted any more.
    let (mut goaway, mut next): (Option<StreamId>, u64) = (None, 0);
    // Not at once: the client receives what was sent last.
    let mut ends_at = None;
    let served = loop {
        if goaway.is_some() && tasks.is_empty() {
            ends_at.get_or_insert_with(|| Instant::now() + LIMIT);
        }
        let accepted = tokio::select! {
            accepted = poll_fn(|cx| poll_request(&mut http3, cx)) => accepted,
            () = &mut shutdown, if goaway.is_none() => {
                let first = StreamId::try_from(next).expect("a stream id");
                match send_control(&connection, http3.inner.shutdown(&mut goaway, first)).await {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                }
            }
            Some(_) = tasks.join_next() => continue,
            () = sleep_until(ends_at.unwrap_or_else(Instant::now)), if ends_at.is_some() => break Ok(()),
        };
        let (send, recv) = match accepted {
            Ok(stream) => stream.into_parts(),
            Err(error) => break Err(error),
        };
        let id = quinn::VarInt::from(send.id()).into_inner();
        let mut stream = Stream::new(send, Receiver::new(connection.clone(), recv), None);
        if goaway.is_some() {
            stream.reset(Code::H3_REQUEST_REJECTED);
            continue;
        }
        next = id + 4;
        let handle = handle.clone();
        tasks.spawn(async move {
            if let Some(incoming) = Incoming::read(stream).await {
                handle(incoming).await;
            }
        });
    };
    // They notice that the connection has ended.
    tasks.detach_all();
    match served {
        Err(error) if error.is_h3_no_error() => Ok(()),
        served => served,
    }
}

/// Sends something on the control stream, with a limit on the time, after which the connection
/// closes.
async fn send_control<T>(
    connection: &quinn::Connection,
    sending: impl Future<Output = Result<T, ConnectionError>>,
) -> Result<T, ConnectionError> {
    let mut sending = pin!(sending);
    if let Ok(sent) = timeout(LIMIT, sending.as_mut()).await {
        return sent;
    }
    connection.close(varint(Code::H3_INTERNAL_ERROR), b"no room for the control stream");
    // It has failed by that.
    sending.await
}

type Http3 = http3::server::Connection<quic::Connection, Bytes>;

/// Waits for a request. Handles what arrives for the connection.
fn poll_request(http3: &mut Http3, cx: &mut Context<'_>) -> Poll<Result<BidiStream, ConnectionError>> {
    while let Poll::Ready(frame) = http3.inner.poll_control(cx) {
        match frame? {
            // A client has no streams that GOAWAY could end, and no pushes.
            Frame::Settings(_) | Frame::Goaway(_) | Frame::MaxPushId(_) | Frame::CancelPush(_) => {}
            _ => {
                let text = b"a frame that is not for the control stream";
                http3.inner.conn.close(Code::H3_FRAME_UNEXPECTED, text);
            }
        }
    }
    http3.inner.poll_accept_bi(cx)
}

/// A request.
pub struct Incoming {
    fields: Fields,
    stream: Stream,
}

impl Incoming {
    /// Reads a request, with a limit on the time. `None`: the stream has ended, with an error code
    /// if the client is to blame.
    async fn read(mut stream: Stream) -> Option<Self> {
        let code = match timeout(LIMIT, stream.receiver().headers()).await {
            Ok(Ok(Some(fields))) => return Some(Self { fields, stream }),
            Ok(Ok(None)) => Code::H3_MESSAGE_ERROR,
            Ok(Err(request::Error::Stream(code, _))) => code,
            Ok(Err(_)) => Code::H3_REQUEST_CANCELLED,
            Err(_) => Code::H3_REQUEST_INCOMPLETE,
        };
        stream.reset(code);
        None
    }

    /// Returns the fields of the request.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Checks the request for a WebSocket.
    ///
    /// # Errors
    /// Those of [`Request::from_connect`].
    pub fn request(&self) -> Result<Request<'_>, RequestError> {
        Request::from_connect(self.fields.pseudo_headers(), self.fields.headers())
    }

    /// Accepts a WebSocket, or refuses a request that is not valid or comes from a page of another
    /// origin.
    ///
    /// The configuration of the engine is `config`; the one in `settings` is not used.
    ///
    /// # Errors
    /// The request was [refused](Error::Refused), or the stream or the connection is lost.
    pub async fn accept(mut self, accept: &Accept<'_>, config: Config, settings: Settings) -> Result<WebSocket, Error> {
        let accepted = self.request().and_then(|request| {
            request.check_origin(accept)?;
            Ok((request.acceptance_status(), request.acceptance(accept, &config)))
        });
        let (status, acceptance) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return Err(self.refuse(error).await),
        };
        let (headers, negotiated) = acceptance?;
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.send_headers(&status.to_string(), headers).await?;
        let engine = Connection::upgraded_server(&negotiated, config);
        Ok(adapter::tokio::upgraded(self.stream, engine, settings))
    }

    /// Refuses the request, with the error as the body of the response.
    pub async fn refuse(mut self, error: RequestError) -> Error {
        let (status, headers) = error.connect_response();
        let text = ("content-type", "text/plain; charset=utf-8");
        let headers = headers.iter().copied().chain([text]);
        match self
            .send_refusal(&status.to_string(), headers, &format!("{error}\n"))
            .await
        {
            Ok(()) => Error::Refused(error),
            Err(error) => Error::Io(error),
        }
    }

    async fn send_refusal<'a>(
        &mut self,
        status: &'a str,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        body: &str,
    ) -> io::Result<()> {
        let sent = async {
            self.send_headers(status, headers).await?;
            self.stream.write_all(body.as_bytes()).await?;
            // Then it is dropped: the client need not send more of it (RFC 9114, section 4.1).
            self.stream.shutdown().await
        };
        timeout(LIMIT, sent).await?
    }

    async fn send_headers<'a>(
        &mut self,
        status: &'a str,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> io::Result<()> {
        let frame = headers_frame([(":status", status)].into_iter().chain(headers))?;
        match timeout(LIMIT, self.stream.send_frames(&frame)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Why no WebSocket was accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The connection or the stream has failed.
    Io(io::Error),
    /// The request was refused.
    Refused(RequestError),
    /// The response cannot be sent.
    Response(LocalHandshakeError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<LocalHandshakeError> for Error {
    fn from(error: LocalHandshakeError) -> Self {
        Self::Response(error)
    }
}
