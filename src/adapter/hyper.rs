//! Connections inside hyper 1, axum and what else is built on hyper: [`upgrade`] responds to a
//! request over HTTP/1.1 (RFC 6455) or HTTP/2 (RFC 8441), and continues on its stream.
//!
//! ```
//! use sockless::{Accept, adapter::{Settings, hyper}};
//!
//! # mod tokio { pub fn spawn<F>(_: F) {} }
//! /// A handler of axum has `axum::extract::Request` and `axum::response::Response` here.
//! async fn respond<B>(mut request: http::Request<B>) -> http::Response<String> {
//!     // By default, only pages of the server's own origin may connect. Others get status 403.
//!     match hyper::upgrade(&mut request, &Accept::new(), Settings::new()) {
//!         Ok((response, upgrade)) => {
//!             tokio::spawn(echo(upgrade));
//!             response
//!         }
//!         Err(rejection) => rejection.into_http(),
//!     }
//! }
//!
//! async fn echo(upgrade: hyper::Upgrade) -> Result<(), sockless::adapter::Error> {
//!     // It is complete after hyper has sent the response.
//!     let mut ws = upgrade.await?;
//!     while let Some(message) = ws.recv().await? {
//!         ws.feed(message).await?; // `recv` writes it before it waits
//!     }
//!     Ok(())
//! }
//! ```
//!
//! hyper must serve the connection with upgrades (`with_upgrades` of `http1::Builder`,
//! `serve_connection_with_upgrades` of hyper-util); axum does so. For HTTP/2, the server must
//! announce the extended CONNECT (`enable_connect_protocol` of its `http2` settings); axum does so
//! with its feature `http2`. TCP_NODELAY is the task of the server: `axum::serve` does not set it.
//! The page [Embedding](crate::docs::embedding#hyper-and-axum) says how, and has the settings of
//! HTTP/2 that matter.

use alloc::{format, string::String};
use core::{
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io::{self, ErrorKind};

use http::{HeaderValue, StatusCode, Version, header};
use hyper::{
    ext::Protocol,
    rt::{Read, ReadBuf, Write},
    upgrade::{OnUpgrade, Upgraded},
};

use super::{
    Error, Settings,
    poll::{self, Transport},
    tokio::Clock,
};
use crate::{
    Accept, Connection, Request,
    error::{LocalHandshakeError, RequestError},
};

/// A WebSocket on a connection, or a stream of HTTP/2, that hyper has upgraded.
pub type WebSocket = poll::WebSocket<Stream, Clock>;
/// The reading half of a [`WebSocket`].
pub type Reader = poll::Reader<Stream, Clock>;
/// The writing half of a [`WebSocket`].
pub type Writer = poll::Writer<Stream, Clock>;

/// Responds to a request for a WebSocket, over HTTP/1.1 or HTTP/2.
///
/// The response accepts the request: status 101, or 200 over HTTP/2. Return it to hyper, and await
/// the [`Upgrade`] in another task: it is complete after hyper has sent the response.
///
/// permessage-deflate is negotiated if [`Settings::config`] has it
/// ([`Config::deflate`](crate::Config::deflate)), or that of [`Accept::config`].
///
/// To choose a subprotocol, look at the [`request`] before.
///
/// # Errors
/// The request is not valid, or not [allowed](Accept), or the acceptance cannot be sent. Nothing
/// was taken from the request. [`Rejection::into_http`] is the response.
pub fn upgrade<B, R: Default>(
    request: &mut http::Request<B>,
    accept: &Accept<'_>,
    settings: impl Into<Settings>,
) -> Result<(http::Response<R>, Upgrade), Rejection> {
    let settings = settings.into();
    let is_http_2 = is_http_2(request);
    let reject = |reason| Rejection { reason, is_http_2 };
    let checked = self::request(request).map_err(|error| reject(Reason::Request(error)))?;
    let config = accept.chosen_config().unwrap_or(&settings.config);
    let accepted = checked.to_http_response(accept, config);
    let (response, negotiated) = accepted.map_err(|error| reject(Reason::of(error)))?;
    let engine = settings.upgraded_server(&negotiated, config);
    let upgrade = Upgrade {
        upgrade: hyper::upgrade::on(request),
        max_write: if is_http_2 { MAX_WRITE } else { usize::MAX },
        engine: Some((engine, settings)),
    };
    Ok((response.map(|()| R::default()), upgrade))
}

/// Checks a request for a WebSocket, over HTTP/1.1 or HTTP/2, as [`upgrade`] does: to choose a
/// subprotocol, or by its headers, before [`upgrade`] responds.
///
/// ```
/// use sockless::{Accept, adapter::{Settings, hyper}};
///
/// fn respond<B>(mut request: http::Request<B>) -> Result<hyper::Upgrade, hyper::Rejection> {
///     let offered = hyper::request(&request).ok();
///     let chosen = offered.and_then(|offered| offered.choose_subprotocol(&["chat.v1"]));
///     let accept = Accept::new().subprotocol(chosen);
///     let settings = Settings::new();
///     let (_response, upgrade) = hyper::upgrade::<_, String>(&mut request, &accept, settings)?;
///     Ok(upgrade)
/// }
/// ```
///
/// # Errors
/// Returns the first error in the request.
pub fn request<B>(request: &http::Request<B>) -> Result<Request<'_>, RequestError> {
    if is_http_2(request) {
        let protocol = request.extensions().get::<Protocol>();
        Request::from_http_connect(request, protocol.map(Protocol::as_str))
    } else {
        Request::from_http(request)
    }
}

fn is_http_2<B>(request: &http::Request<B>) -> bool {
    request.version() == Version::HTTP_2
}

/// A request that cannot become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rejection {
    reason: Reason,
    is_http_2: bool,
}

/// Why a request cannot become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The client's request is invalid or not allowed.
    Request(RequestError),
    /// The server's acceptance cannot be sent.
    Acceptance(LocalHandshakeError),
}

impl Rejection {
    /// Returns why the request cannot become a WebSocket.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Returns the response: the status and the headers that belong to the error of the request,
    /// with its text as the body; or status 500 without a body, if the acceptance cannot be sent.
    ///
    /// Over HTTP/1.1, the response closes the connection: an intermediary may take the bytes after
    /// a rejected request for another request, or for frames. Over HTTP/2, it ends the stream only.
    #[must_use]
    pub fn into_http<R: From<String>>(self) -> http::Response<R> {
        let (mut response, body) = match (self.reason, self.is_http_2) {
            (Reason::Request(error), true) => (error.to_http_connect(), format!("{error}\n")),
            (Reason::Request(error), false) => (error.to_http(), format!("{error}\n")),
            (Reason::Acceptance(_), _) => (http::Response::new(()), String::new()),
        };
        let headers = response.headers_mut();
        if let Reason::Request(_) = self.reason {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
        } else {
            if !self.is_http_2 {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        response.map(|()| body.into())
    }
}

impl Reason {
    /// A request that is not allowed is an error of the client.
    const fn of(error: LocalHandshakeError) -> Self {
        match error {
            LocalHandshakeError::NotAllowed { error } => Self::Request(error),
            error => Self::Acceptance(error),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Request(error) => fmt::Display::fmt(error, f),
            Reason::Acceptance(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl error::Error for Rejection {}

/// A future that is ready when hyper has sent the response of [`upgrade`]: then it returns the
/// connection.
///
/// It fails if the response was not sent: the client has gone, or another response was sent in its
/// place. It has no deadline of its own: until the response is sent, hyper has the connection.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Upgrade {
    upgrade: OnUpgrade,
    max_write: usize,
    engine: Option<(Connection, Settings)>,
}

impl Future for Upgrade {
    type Output = Result<WebSocket, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.engine.is_none() {
            // Polled after it was ready.
            return Poll::Pending;
        }
        let upgraded = ready!(Pin::new(&mut self.upgrade).poll(cx));
        let Some((engine, settings)) = self.engine.take() else {
            return Poll::Pending;
        };
        let upgraded = upgraded.map_err(|error| io::Error::new(ErrorKind::ConnectionAborted, error))?;
        let stream = Stream {
            upgraded,
            max_write: self.max_write,
        };
        let ws = poll::WebSocket::upgraded(stream, Clock::default(), engine, settings);
        Poll::Ready(Ok(ws))
    }
}

/// How many bytes are written at a time over HTTP/2. hyper copies each write and holds up to three,
/// whatever their length, while the peer does not read.
const MAX_WRITE: usize = 64 << 10;

/// A connection, or a stream of HTTP/2, that hyper has upgraded, as a [`Transport`].
///
/// Over HTTP/2, the end of the stream (END_STREAM) and a reset with CANCEL or NO_ERROR are the end
/// of the transport, and other resets are errors. To shut it down sends END_STREAM. To drop it
/// before that sends END_STREAM too, and then a reset: hyper has no call to send another one.
#[derive(Debug)]
pub struct Stream {
    upgraded: Upgraded,
    max_write: usize,
}

impl Stream {
    /// Returns the stream of hyper, from which the bytes come next that nothing has read yet.
    #[must_use]
    pub fn into_inner(self) -> Upgraded {
        self.upgraded
    }
}

impl Transport for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.upgraded).poll_read(cx, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let data = data.get(..self.max_write).unwrap_or(data);
        Pin::new(&mut self.upgraded).poll_write(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.upgraded).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.upgraded).poll_shutdown(cx)
    }
}
