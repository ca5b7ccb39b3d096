//! A server's response as a client sees it (RFC 6455, section 4.1).

use alloc::{borrow::Cow, vec::Vec};
use core::{fmt, str};

use super::{expected::Expected, negotiated::Negotiated};
use crate::{
    error::ResponseError,
    escaped::Escaped,
    http::{HeadError, Headers, parse_response},
};

/// A server's response head: status and header fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Response<'b> {
    head: Cow<'b, [u8]>,
    status: u16,
    /// The minor version of HTTP/1.
    version: u8,
}

impl<'b> Response<'b> {
    /// Reads a whole head, from the status line to the blank line.
    pub(crate) fn from_head(head: Cow<'b, [u8]>, max_headers: usize) -> Result<Self, ResponseError> {
        let (status, version) = parse_response(&head, max_headers, |response| (response.code, response.version))?;
        let (Some(status), Some(version)) = (status, version) else {
            return Err(ResponseError::Syntax);
        };
        Ok(Self { head, status, version })
    }

    /// Judges a response with status 101.
    pub(crate) fn check(&self, expected: &Expected) -> Result<Negotiated, ResponseError> {
        if self.version != 1 {
            return Err(ResponseError::HttpVersion);
        }
        expected.check(self.headers())
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of_head(&self.head)
    }

    /// The subprotocol that the server chose, one of those offered.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        let value = self.headers().get("sec-websocket-protocol")?;
        str::from_utf8(value).ok()
    }

    /// The same response, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Response<'static> {
        Response {
            head: Cow::Owned(self.head.into_owned()),
            status: self.status,
            version: self.version,
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

/// A response that did not open a WebSocket: a redirect, a demand for credentials, an error (section 4.1, item 1).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Status and header fields; `Location`, `WWW-Authenticate` or `Sec-WebSocket-Version` say how to go on.
    pub response: Response<'static>,
    /// The body, as far as [`max_refusal_body`](crate::Config::max_refusal_body) allows.
    pub body: Vec<u8>,
    /// Whether the body is there as a whole: not cut off by the limit, nor by the end of the transport.
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
            HeadError::Syntax => Self::Syntax,
            HeadError::Version => Self::HttpVersion,
            HeadError::TooLong => Self::HeadTooLong,
            HeadError::TooManyHeaders => Self::TooManyHeaders,
        }
    }
}
