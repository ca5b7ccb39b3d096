//! Why a proxy opens no tunnel.

use alloc::boxed::Box;
use core::fmt;

use crate::{error::Excerpt, handshake::Refusal};

/// An error in a proxy's answer to CONNECT (RFC 9110, section 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy refuses the tunnel: the status is not 2xx. 407 asks for credentials (RFC 9110,
    /// section 15.5.8).
    Refused(Box<Refusal>),
    /// The first byte cannot begin an HTTP response (RFC 9112, section 4). A proxy that expects
    /// TLS, or SOCKS, may send one.
    InvalidFirstByte {
        /// The byte.
        byte: u8,
    },
    /// The first line is not an HTTP status line (RFC 9112, section 4).
    InvalidStatusLine {
        /// The line, up to the first `:`, `?` or `#`.
        line: Excerpt,
    },
    /// The HTTP version is neither 1.0 nor 1.1 (RFC 9112, section 2.3).
    UnsupportedHttpVersion {
        /// The version.
        version: Excerpt,
    },
    /// A line after the status line is not a header field (RFC 9112, section 5).
    InvalidHeaderLine {
        /// The number of the line. The status line has the number 1.
        number: usize,
    },
    /// The head is longer than the limit. The heads of informational responses before it count too.
    HeadTooLong {
        /// [`Config::max_head_size`](crate::Config::max_head_size), in bytes.
        limit: usize,
    },
    /// The head has more header fields than the limit.
    TooManyHeaders {
        /// [`Config::max_headers`](crate::Config::max_headers).
        limit: usize,
    },
    /// The status is 101, and the request has no `Upgrade` header (RFC 9110, section 15.2.2).
    SwitchingProtocols,
    /// The connection to the proxy ended before the answer was complete (RFC 9112, section 8).
    UnexpectedEof,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) if refusal.response.status() == 407 => f.write_str(
                "the proxy refused the tunnel with status 407: it asks for credentials, or does not accept those of \
                 Proxy::basic_auth (RFC 9110, section 15.5.8)",
            ),
            Self::Refused(refusal) => write!(
                f,
                "the proxy refused the tunnel with status {} instead of 2xx (RFC 9110, section 9.3.6)",
                refusal.response.status()
            ),
            Self::InvalidFirstByte { byte } => write!(
                f,
                "the proxy's answer to CONNECT begins with the byte {byte:#04x}, which cannot begin an HTTP response \
                 (RFC 9112, section 4)"
            ),
            Self::InvalidStatusLine { line } => write!(
                f,
                "the proxy's answer to CONNECT begins with {line}, which is not an HTTP status line \
                 (RFC 9112, section 4)"
            ),
            Self::UnsupportedHttpVersion { version } => write!(
                f,
                "the proxy's answer to CONNECT has the HTTP version {version} instead of \"HTTP/1.1\" \
                 (RFC 9112, section 2.3)"
            ),
            Self::InvalidHeaderLine { number } => write!(
                f,
                "line {number} of the proxy's answer to CONNECT is not a valid HTTP header field (RFC 9112, section 5)"
            ),
            Self::HeadTooLong { limit } => write!(
                f,
                "the proxy's answer to CONNECT is longer than Config::max_head_size = {limit} bytes \
                 (RFC 9112, section 5)"
            ),
            Self::TooManyHeaders { limit } => write!(
                f,
                "the proxy's answer to CONNECT has more header fields than Config::max_headers = {limit} \
                 (RFC 9112, section 5)"
            ),
            Self::SwitchingProtocols => f.write_str(
                "the proxy's answer to CONNECT has the status 101, which answers another request \
                 (RFC 9110, section 15.2.2)",
            ),
            Self::UnexpectedEof => f.write_str(
                "the proxy closed the connection before its answer to CONNECT was complete (RFC 9112, section 8)",
            ),
        }
    }
}

impl core::error::Error for ProxyError {}
