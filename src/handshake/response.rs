//! The server's response as a client receives it (RFC 6455, section 4.1).

use alloc::{borrow::Cow, vec::Vec};
use core::{fmt, str};

use super::{expected::Expected, negotiated::Negotiated};
use crate::{
    error::{Excerpt, ResponseError},
    escaped::Escaped,
    extensions::{Extension, parse_extensions},
    http::{HeadError, Headers, is_tls, list_elements, parse_response},
};

/// The head of a server's response: the status and the header fields.
///
/// The `Debug` output has `<redacted>` in place of the header values that [`Headers`] redacts.
#[derive(Clone, PartialEq, Eq)]
pub struct Response<'b> {
    head: Cow<'b, [u8]>,
    status: u16,
    /// The minor version of HTTP/1: 0 or 1.
    minor_version: u8,
}

impl<'b> Response<'b> {
    /// Parses a complete head, from the status line to the blank line.
    pub(crate) fn parse(head: Cow<'b, [u8]>, max_headers: usize) -> Result<Self, HeadError> {
        let (status, minor_version) = parse_response(&head, max_headers)?;
        Ok(Self {
            head,
            status,
            minor_version,
        })
    }

    /// Checks a response with status 101.
    pub(crate) fn check(&self, expected: &Expected) -> Result<Negotiated, ResponseError> {
        if self.minor_version != 1 {
            return Err(ResponseError::UnsupportedHttpVersion {
                version: Excerpt::new(b"HTTP/1.0"),
            });
        }
        expected.check(self.headers())
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns all header fields.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::from_head(&self.head)
    }

    /// Returns the subprotocol that the server has chosen, one of those offered.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        let value = self.headers().get("sec-websocket-protocol")?;
        str::from_utf8(list_elements(value).next()?).ok()
    }

    /// Returns the extensions that the server accepts, in their order, permessage-deflate among
    /// them (RFC 6455, section 9.1).
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        self.headers()
            .get_all("sec-websocket-extensions")
            .flat_map(parse_extensions)
            .filter_map(Result::ok)
    }

    /// Converts to a response that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Response<'static> {
        Response {
            head: Cow::Owned(self.head.into_owned()),
            status: self.status,
            minor_version: self.minor_version,
        }
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers())
            .finish()
    }
}

/// A response with another status than 101: a redirect, a demand for credentials, an error (RFC
/// 6455, section 4.1, item 1).
///
/// The `Debug` output has `<redacted>` in place of the header values that [`Headers`] redacts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status and the header fields. `Location`, `WWW-Authenticate` and `Sec-WebSocket-Version`
    /// say how the client can continue.
    pub response: Response<'static>,
    /// The body, at most [`max_refusal_body`](crate::Config::max_refusal_body) bytes of it.
    pub body: Vec<u8>,
    /// Whether `body` is complete: cut off neither by the limit nor by the end of the transport.
    pub is_complete: bool,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("response", &self.response)
            .field("body", &Escaped(&self.body))
            .field("is_complete", &self.is_complete)
            .finish()
    }
}

impl From<HeadError> for ResponseError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::FirstByte { byte } if is_tls(byte) => Self::Tls { byte },
            HeadError::FirstByte { byte } => Self::InvalidFirstByte { byte },
            HeadError::FirstLine { line } => Self::InvalidStatusLine { line },
            HeadError::Version { version } => Self::UnsupportedHttpVersion { version },
            HeadError::HeaderLine { number } => Self::InvalidHeaderLine { number },
            HeadError::TooLong { limit } => Self::HeadTooLong { limit },
            HeadError::TooManyHeaders { limit } => Self::TooManyHeaders { limit },
        }
    }
}
