//! What the calls of an adapter fail with.

use alloc::{boxed::Box, format};
use core::{error, fmt, time::Duration};
use std::io::{self, ErrorKind};

#[cfg(feature = "rustls")]
use super::tls_error::TlsError;
use crate::{
    CloseStatus, ProtocolError, SendError,
    error::LocalHandshakeError,
    handshake::{Refusal, url::with_port},
    proxy::ProxyError,
    timers::Due,
};

/// The error of an adapter.
///
/// `recv` reports how a connection ended: `None` if it [ended well](CloseStatus::is_success), or
/// one of these errors. Called again, a blocking adapter reports the same, and a polled one returns
/// `None`, because a `Stream` must end. A call that sends after the end, or that a deadline
/// interrupts, returns [`Io`](Self::Io) with `NotConnected` or [`Send`](Self::Send); a flush after
/// a clean end, when nothing is left to write, succeeds.
///
/// ```
/// use sockless::{ProtocolError, adapter::Error};
///
/// /// Whether it is worth connecting again, after a pause (`timers::Backoff`).
/// fn is_transient(error: &Error) -> bool {
///     match error {
///         Error::Io(_) | Error::TimedOut { .. } => true,
///         // The connection dropped without a Close frame.
///         Error::Protocol(error) => **error == ProtocolError::UnexpectedEof,
///         // 1012: service restart; 1013: try again later.
///         Error::Closed(status) => matches!(status.code().0, 1012 | 1013),
///         Error::Refused(refusal) => refusal.response.status() >= 500,
///         _ => false,
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed.
    Io(io::Error),
    /// The peer was silent for longer than one of the [`Timeouts`](crate::timers::Timeouts) allows:
    /// during the opening handshake, after a Ping, or during the closing handshake. Or connecting
    /// took longer than the limit that the call was given.
    TimedOut {
        /// The deadline that was missed: [`Due::Handshake`], [`Due::Pong`] or [`Due::Close`].
        /// Connecting, with a proxy and TLS, belongs to the opening handshake.
        due: Due,
        /// The time that the setting gave, or the limit that the call was given, as that of
        /// [`connect_tcp`](super::std_net::connect_tcp).
        limit: Duration,
    },
    /// The peer violated the protocol, or its request was not [allowed](crate::Accept), or the
    /// transport ended without a Close frame. The Close frame or the HTTP response that this error
    /// demands was sent, if the peer still reads.
    Protocol(Box<ProtocolError>),
    /// The connection was closed, and not with success: the peer has sent another code than 1000 or
    /// 1001. It may have failed (1011), or have refused a message (1009).
    Closed(Box<CloseStatus>),
    /// The message cannot be sent. The connection is unchanged.
    Send(SendError),
    /// The request, the acceptance or the rejection cannot be sent.
    LocalHandshake(LocalHandshakeError),
    /// The server answered with another status than 101. The refusal holds its response, and what
    /// has arrived of the body, also if the transport failed or a deadline was missed before all of
    /// it. The text of this error has the status alone: log `Location` and the body if they matter.
    Refused(Box<Refusal>),
    /// The proxy opens no tunnel. A refusal holds its response, as that of a server does.
    Proxy(ProxyError),
    /// The TLS handshake failed: the certificate is not trusted or is of another name, or the peer
    /// does not speak TLS.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    Tls(Box<TlsError>),
}

impl Error {
    /// Names the host in an error of the transport while it was being connected. The error of the
    /// operating system is in the text only.
    pub(super) fn with_host(self, host: &str, port: u16) -> Self {
        let Self::Io(error) = self else {
            return self;
        };
        let address = with_port(host, port);
        let text = format!("cannot connect to {}: {error}", address.escape_debug());
        Self::Io(io::Error::new(error.kind(), text))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => fmt::Display::fmt(error, f),
            Self::TimedOut { due, limit } => {
                let (what, setting) = match due {
                    Due::Handshake => {
                        return write!(
                            f,
                            "the peer did not complete the opening handshake within {limit:?} (Timeouts::handshake, \
                             or the limit of the call)"
                        );
                    }
                    Due::Close => ("complete the closing handshake", "close"),
                    Due::Ping(_) | Due::Pong | Due::Idle => ("answer a Ping", "pong"),
                };
                write!(f, "the peer did not {what} within Timeouts::{setting} = {limit:?}")
            }
            Self::Protocol(error) => fmt::Display::fmt(error, f),
            Self::Closed(status) => fmt::Display::fmt(status, f),
            Self::Send(error) => fmt::Display::fmt(error, f),
            Self::LocalHandshake(error) => fmt::Display::fmt(error, f),
            Self::Refused(refusal) => write!(
                f,
                "the server refused the WebSocket with status {} instead of 101",
                refusal.response.status()
            ),
            Self::Proxy(error) => fmt::Display::fmt(error, f),
            #[cfg(feature = "rustls")]
            Self::Tls(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl error::Error for Error {
    /// Returns what an error of the transport was caused by. The text of the error itself is part
    /// of this one's.
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Protocol(_)
            | Self::Closed(_)
            | Self::Send(_)
            | Self::LocalHandshake(_)
            | Self::TimedOut { .. }
            | Self::Refused(_)
            | Self::Proxy(_) => None,
            #[cfg(feature = "rustls")]
            Self::Tls(_) => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Box<ProtocolError>> for Error {
    fn from(error: Box<ProtocolError>) -> Self {
        Self::Protocol(error)
    }
}

/// For a status that is [no success](CloseStatus::into_result).
impl From<Box<CloseStatus>> for Error {
    fn from(status: Box<CloseStatus>) -> Self {
        Self::Closed(status)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

impl From<LocalHandshakeError> for Error {
    /// A request that is not allowed is an error of the peer.
    fn from(error: LocalHandshakeError) -> Self {
        match error {
            LocalHandshakeError::NotAllowed { error } => Self::Protocol(Box::new(ProtocolError::Request(error))),
            error => Self::LocalHandshake(error),
        }
    }
}

/// For a message as a reader or a writer, and for a stream of bytes: an error of the transport as
/// it is, any other as the inner error, to be found with [`io::Error::get_ref`].
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(_) => ErrorKind::Other,
            Error::TimedOut { .. } => ErrorKind::TimedOut,
            Error::Protocol(error) => match **error {
                ProtocolError::UnexpectedEof | ProtocolError::HandshakeEof => ErrorKind::UnexpectedEof,
                _ => ErrorKind::InvalidData,
            },
            Error::Closed(_) => ErrorKind::ConnectionAborted,
            Error::Send(SendError::Closing) => ErrorKind::BrokenPipe,
            Error::Send(SendError::NotOpen) => ErrorKind::NotConnected,
            Error::Send(SendError::InvalidUtf8) => ErrorKind::InvalidData,
            Error::Send(_) | Error::LocalHandshake(_) => ErrorKind::InvalidInput,
            Error::Refused(_) | Error::Proxy(ProxyError::Refused(_)) => ErrorKind::ConnectionRefused,
            Error::Proxy(ProxyError::UnexpectedEof) => ErrorKind::UnexpectedEof,
            Error::Proxy(_) => ErrorKind::InvalidData,
            #[cfg(feature = "rustls")]
            Error::Tls(_) => ErrorKind::InvalidData,
        };
        match error {
            Error::Io(error) => error,
            error => Self::new(kind, error),
        }
    }
}
